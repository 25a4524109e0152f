/* SPDX-License-Identifier: MIT */
#include "facets.h"

#include <string.h>

#include "config.h"

static bool can_be_counted(const struct weir_field *field)
{
	return (field->flags & WEIR_FIELD_FACET) != 0 &&
	       (field->type == WEIR_TYPE_KEYWORD || field->type == WEIR_TYPE_BOOLEAN);
}

static weir_status refuse_name(const struct schema *schema, const char *name, size_t length,
			       struct weir_error *error)
{
	const char *names[SCHEMA_FIELD_LIMIT];
	char copy[SCHEMA_NAME_LIMIT + 1];
	size_t count = 0;
	WEIR_CLEANUP(buffer_finish) struct buffer fields = BUFFER_INIT;
	for (size_t i = 0; i < schema->abi->field_count; i++) {
		if (!can_be_counted(schema->abi->fields[i]))
			continue;
		names[count++] = schema->abi->fields[i]->name;
		buffer_printf(&fields, "%s%s", count > 1 ? ", " : "", names[count - 1]);
	}
	if (count == 0 || buffer_failed(&fields))
		return err_set(error, WEIR_INVALID,
			       "facets: the schema lets no field's values be counted");
	length = length < SCHEMA_NAME_LIMIT ? length : SCHEMA_NAME_LIMIT;
	memcpy(copy, name, length);
	copy[length] = '\0';
	const char *nearest = config_nearest(copy, names, count);
	return err_set(error, WEIR_INVALID,
		       "facets: the values of \"%s\" cannot be counted%s%s%s; fields are %.300s",
		       copy, nearest != NULL ? "; did you mean " : "",
		       nearest != NULL ? nearest : "", nearest != NULL ? "?" : "", fields.data);
}

static weir_status add_field(struct facets *facets, const struct schema *schema, const char *name,
			     size_t length, struct weir_error *error)
{
	int32_t field = schema_find_exact(schema, name, length);
	if (field < 0 || !can_be_counted(schema->abi->fields[field]))
		return refuse_name(schema, name, length, error);
	for (size_t i = 0; i < facets->count; i++)
		if (facets->fields[i] == field)
			return err_set(error, WEIR_INVALID,
				       "facets: %s is named twice: once is enough",
				       schema->abi->fields[field]->name);
	if (facets->count == FACETS_MOST)
		return err_set(error, WEIR_INVALID, "facets: there are more than %d fields",
			       FACETS_MOST);
	facets->fields[facets->count++] = field;
	return WEIR_OK;
}

weir_status facets_read(struct facets *facets, const struct schema *schema, const char *text,
			struct weir_error *error)
{
	weir_status status = WEIR_OK;
	if (text[0] == '\0')
		return WEIR_OK;
	while (status == WEIR_OK) {
		text += strspn(text, " ");
		size_t length = strcspn(text, ","), name = length;
		while (name > 0 && text[name - 1] == ' ')
			name--;
		status = add_field(facets, schema, text, name, error);
		text += length;
		if (*text++ == '\0')
			break;
	}
	return status;
}

/* A filter on a field leaves that field's own facet as it is, so that one sees what else there is
 * to choose. */
static weir_status filter_without(const struct schema *schema, struct query_arena *arena,
				  const struct query_filter *filters, size_t count, int32_t field,
				  const struct weir_query *whole, const struct weir_query **filter,
				  struct weir_error *error)
{
	struct query_filter others[QUERY_CLAUSE_LIMIT];
	size_t other_count = 0;
	for (size_t i = 0; i < count && i < QUERY_CLAUSE_LIMIT; i++)
		if (filters[i].field != field)
			others[other_count++] = filters[i];
	*filter = whole;
	if (other_count == count)
		return WEIR_OK;
	return query_filters(arena, schema, others, other_count, filter, error);
}

weir_status facets_prepare(struct facets *facets, const struct schema *schema,
			   uint64_t capabilities, struct query_arena *arena,
			   const struct query_filter *filters, size_t filter_count,
			   const struct weir_query *whole, struct weir_error *error)
{
	weir_status status = WEIR_OK;
	if (facets->count > 0 && (capabilities & WEIR_CAN_FACET) == 0)
		return err_set(error, WEIR_INVALID,
			       "facets: this index cannot count values: its plug-in has no facets");
	for (size_t i = 0; i < facets->count && status == WEIR_OK; i++)
		status = filter_without(schema, arena, filters, filter_count, facets->fields[i],
					whole, &facets->filters[i], error);
	return status;
}

void facet_values_clear(struct facet_values *values)
{
	for (size_t i = 0; i < FACETS_MOST; i++)
		buffer_clear(&values->lists[i]);
	values->bytes = 0;
}

void facet_values_finish(struct facet_values *values)
{
	for (size_t i = 0; i < FACETS_MOST; i++)
		buffer_finish(&values->lists[i]);
}

/* One call of the plug-in. */
struct counting {
	const struct schema *schema;
	struct facet_values *values;
	int32_t fields[FACETS_MOST];
	size_t places[FACETS_MOST]; /* of the fields, among those asked for */
	size_t count, byte_limit;
	bool too_large;
};

static int on_facet(void *context, size_t index, const char *value, size_t length, uint64_t count)
{
	struct counting *counting = context;
	if (index >= counting->count)
		return 1;
	struct buffer *list = &counting->values->lists[counting->places[index]];
	struct jsonout json = JSONOUT_INIT(list);
	size_t before = list->length;
	json.comma = before > 0;
	jsonout_begin(&json, '{');
	jsonout_name(&json, "value");
	if (counting->schema->abi->fields[counting->fields[index]]->type == WEIR_TYPE_BOOLEAN)
		jsonout_boolean(&json, length == strlen("true"));
	else
		jsonout_string(&json, value, length);
	jsonout_name(&json, "count");
	jsonout_integer(&json, (int64_t)count);
	jsonout_end(&json, '}');
	counting->values->bytes += list->length - before;
	counting->too_large = counting->values->bytes > counting->byte_limit;
	return counting->too_large || buffer_failed(list);
}

static weir_status call(struct counting *counting, const struct weir_query *query,
			const struct weir_query *filter, size_t limit,
			const struct weir_operations *operations, weir_session *session,
			struct weir_error *error)
{
	struct weir_facets wanted = {
		.query = query,
		.filter = filter,
		.fields = counting->fields,
		.field_count = counting->count,
		.limit = limit,
	};
	weir_status status = operations->facets(session, &wanted, on_facet, counting, error);
	if (status != WEIR_OK)
		return status;
	if (counting->too_large)
		return err_set(error, WEIR_INVALID,
			       "facets: the answer would be over %zu MiB: ask for fewer values "
			       "(facetLimit) or fields",
			       counting->byte_limit >> 20);
	for (size_t i = 0; i < counting->count; i++)
		if (buffer_failed(&counting->values->lists[counting->places[i]]))
			return err_no_memory(error);
	return WEIR_OK;
}

weir_status facets_count(const struct facets *facets, const struct schema *schema,
			 const struct weir_search *search, const struct weir_operations *operations,
			 weir_session *session, size_t byte_limit, struct facet_values *values,
			 struct weir_error *error)
{
	bool done[FACETS_MOST] = {false};
	weir_status status = WEIR_OK;
	for (size_t first = 0; first < facets->count && status == WEIR_OK; first++) {
		struct counting counting = {
			.schema = schema, .values = values, .byte_limit = byte_limit};
		for (size_t i = first; i < facets->count && !done[first]; i++) {
			if (facets->filters[i] != facets->filters[first])
				continue;
			counting.fields[counting.count] = facets->fields[i];
			counting.places[counting.count++] = i;
			done[i] = i > first;
		}
		if (counting.count > 0)
			status = call(&counting, search->query, facets->filters[first],
				      facets->limit, operations, session, error);
	}
	return status;
}

void facets_write(const struct facets *facets, const struct schema *schema,
		  const struct facet_values *values, struct jsonout *json)
{
	jsonout_begin(json, '{');
	for (size_t i = 0; i < facets->count; i++) {
		jsonout_name(json, schema->abi->fields[facets->fields[i]]->name);
		jsonout_begin(json, '[');
		if (values->lists[i].length > 0)
			jsonout_raw(json, values->lists[i].data, values->lists[i].length);
		jsonout_end(json, ']');
	}
	jsonout_end(json, '}');
}
