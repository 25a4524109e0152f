/* SPDX-License-Identifier: MIT */
#include "request.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "json.h"

struct parameter {
	const char *name, *value;
	size_t length;
};

/* A request being read. */
struct reading {
	struct search_request *request;
	const struct schema *schema;
	uint64_t capabilities;
	size_t count, filter_count; /* of the arrays below */
	const char *q, *sort;
	size_t q_length;
	bool has_limit, has_offset, has_wait, has_facet_limit;
	const char *field; /* what the error is about */
	struct weir_error *error;
	/* Large, and so not cleared. */
	struct parameter parameters[REQUEST_PARAMETER_MOST];
	struct query_filter filters[REQUEST_PARAMETER_MOST];
};

static const char *const own_names[] = {"q",	   "sort",   "limit",  "offset",    "fields",
					"waitFor", "waitMs", "facets", "facetLimit"};
/* Named in the API, and not offered by this version: said plainly, instead of being ignored. */
static const char *const later_names[] = {"cursor", "highlight", "snippet"};

static weir_status refuse(struct reading *reading, const char *field, const char *what)
{
	reading->field = field;
	return err_set(reading->error, WEIR_INVALID, "%s: %s", field, what);
}

static weir_status add_parameter(struct reading *reading, const char *name, const char *value,
				 size_t length)
{
	if (reading->count == REQUEST_PARAMETER_MOST)
		return refuse(reading, name, "there are more than 300 parameters");
	reading->parameters[reading->count++] = (struct parameter){name, value, length};
	return WEIR_OK;
}

static bool is_one_of(const char *name, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static weir_status refuse_unknown(struct reading *reading, const char *name)
{
	const char *names[SCHEMA_FIELD_LIMIT + 16];
	size_t count = 0;
	char what[300];
	if (name[0] == '\0')
		return err_set(reading->error, WEIR_INVALID, "a parameter has no name");
	if (schema_find_exact(reading->schema, name, strlen(name)) >= 0) {
		snprintf(what, sizeof(what),
			 "the schema does not let one filter by it; search it with q=%.64s:word",
			 name);
		return refuse(reading, name, what);
	}
	if (is_one_of(name, later_names, sizeof(later_names) / sizeof(later_names[0])))
		return refuse(reading, name, "this version of Weir does not offer it");
	for (size_t i = 0; i < sizeof(own_names) / sizeof(own_names[0]); i++)
		names[count++] = own_names[i];
	for (size_t i = 0; i < reading->schema->abi->field_count; i++)
		if ((reading->schema->abi->fields[i]->flags & WEIR_FIELD_FILTER) != 0)
			names[count++] = reading->schema->abi->fields[i]->name;
	const char *nearest = config_nearest(name, names, count);
	snprintf(what, sizeof(what), "there is no such parameter%s%s%s",
		 nearest != NULL ? "; did you mean " : "", nearest != NULL ? nearest : "",
		 nearest != NULL ? "?" : "");
	return refuse(reading, name, what);
}

static weir_status read_count(struct reading *reading, const struct parameter *parameter,
			      size_t most, bool *given, size_t *value)
{
	char what[100], *end;
	if (*given)
		return refuse(reading, parameter->name, "it is given twice");
	*given = true;
	errno = 0;
	unsigned long long number = strtoull(parameter->value, &end, 10);
	bool digits = parameter->length > 0 &&
		      strspn(parameter->value, "0123456789") == parameter->length;
	snprintf(what, sizeof(what), "expected a number from 0 to %zu", most);
	if (!digits || errno != 0 || number > most)
		return refuse(reading, parameter->name, what);
	*value = (size_t)number;
	return WEIR_OK;
}

static bool known_field(const struct reading *reading, const char *name)
{
	return strcmp(name, "id") == 0 || strcmp(name, "version") == 0 ||
	       schema_find_exact(reading->schema, name, strlen(name)) >= 0;
}

static weir_status read_fields(struct reading *reading, const struct parameter *parameter)
{
	struct search_request *request = reading->request;
	const char *at = parameter->value;
	if (at[0] == '\0')
		return WEIR_OK;
	request->all_fields = false;
	while (true) {
		size_t length = strcspn(at, ",");
		char *name = arena_copy(&request->text, at, length);
		if (name == NULL)
			return err_no_memory(reading->error);
		if (length > 0 && !known_field(reading, name)) {
			char what[150];
			snprintf(what, sizeof(what), "there is no field %.64s", name);
			return refuse(reading, "fields", what);
		}
		if (length > 0 && request->only_count == REQUEST_FIELD_MOST)
			return refuse(reading, "fields", "there are more than 64 fields");
		if (length > 0)
			request->only[request->only_count++] = name;
		if (at[length] == '\0')
			return WEIR_OK;
		at += length + 1;
	}
}

/* "sort" may be given twice: the keys follow each other. */
static weir_status read_sort(struct reading *reading, const struct parameter *parameter)
{
	if (reading->sort == NULL) {
		reading->sort = parameter->value;
		return WEIR_OK;
	}
	size_t first = strlen(reading->sort);
	char *joined = arena_allocate(&reading->request->text, first + parameter->length + 2);
	if (joined == NULL)
		return err_no_memory(reading->error);
	memcpy(joined, reading->sort, first);
	joined[first] = ',';
	memcpy(joined + first + 1, parameter->value, parameter->length + 1);
	reading->sort = joined;
	return WEIR_OK;
}

/* "waitFor" may be given several times: for all of them. */
static weir_status read_wait(struct reading *reading, const struct parameter *parameter)
{
	struct request_wait *wait = &reading->request->wait;
	if (strcmp(parameter->name, "waitMs") == 0)
		return read_count(reading, parameter, REQUEST_WAIT_MOST, &reading->has_wait,
				  &wait->ms);
	reading->field = parameter->name;
	return tokens_read(&wait->tokens, parameter->value, reading->error);
}

static weir_status read_parameter(struct reading *reading, const struct parameter *parameter)
{
	struct weir_search *search = &reading->request->search;
	const char *name = parameter->name;
	if (strcmp(name, "q") == 0) {
		if (reading->q != NULL)
			return refuse(reading, "q", "it is given twice");
		reading->q = parameter->value;
		reading->q_length = parameter->length;
		return WEIR_OK;
	}
	if (strcmp(name, "limit") == 0)
		return read_count(reading, parameter, REQUEST_LIMIT_MOST, &reading->has_limit,
				  &search->limit);
	if (strcmp(name, "offset") == 0)
		return read_count(reading, parameter, REQUEST_OFFSET_MOST, &reading->has_offset,
				  &search->offset);
	if (strcmp(name, "fields") == 0)
		return read_fields(reading, parameter);
	if (strcmp(name, "sort") == 0)
		return read_sort(reading, parameter);
	if (strcmp(name, "waitFor") == 0 || strcmp(name, "waitMs") == 0)
		return read_wait(reading, parameter);
	if (strcmp(name, "facets") == 0) {
		reading->field = name;
		return facets_read(&reading->request->facets, reading->schema, parameter->value,
				   reading->error);
	}
	if (strcmp(name, "facetLimit") == 0)
		return read_count(reading, parameter, FACETS_LIMIT_MOST, &reading->has_facet_limit,
				  &reading->request->facets.limit);
	int32_t field = schema_find_exact(reading->schema, name, strlen(name));
	if (field < 0 || (reading->schema->abi->fields[field]->flags & WEIR_FIELD_FILTER) == 0)
		return refuse_unknown(reading, name);
	reading->filters[reading->filter_count++] =
		(struct query_filter){field, parameter->value, parameter->length};
	return WEIR_OK;
}

static weir_status from_arguments(struct reading *reading, const struct http_request *http)
{
	for (size_t i = 0; i < http_argument_count(http); i++) {
		const char *value = "";
		const char *name = http_argument(http, i, &value);
		weir_status status = add_parameter(reading, name, value, strlen(value));
		if (status != WEIR_OK)
			return status;
	}
	return WEIR_OK;
}

static weir_status add_scalar(struct reading *reading, const struct jsondoc *document,
			      const char *name, const json_t *node)
{
	const char *text;
	size_t length;
	if (json_is_string(node)) {
		text = json_string_value(node);
		length = json_string_length(node);
		if (strlen(text) != length)
			return refuse(reading, name, "it holds a NUL character");
	} else if (json_is_integer(node)) {
		text = jsondoc_number(document, node, &length);
	} else if (json_is_boolean(node)) {
		text = json_is_true(node) ? "true" : "false";
		length = strlen(text);
	} else {
		return refuse(reading, name,
			      "expected a string, a number, true, false or an array of them");
	}
	text = arena_copy(&reading->request->text, text, length);
	return text != NULL ? add_parameter(reading, name, text, length)
			    : err_no_memory(reading->error);
}

static weir_status add_member(struct reading *reading, const struct jsondoc *document,
			      const char *key, const json_t *node)
{
	const char *name = arena_copy(&reading->request->text, key, strlen(key));
	weir_status status = WEIR_OK;
	if (name == NULL)
		return err_no_memory(reading->error);
	if (json_is_null(node))
		return WEIR_OK;
	if (!json_is_array(node))
		return add_scalar(reading, document, name, node);
	for (size_t i = 0; status == WEIR_OK && i < json_array_size(node); i++)
		status = add_scalar(reading, document, name, json_array_get(node, i));
	return status;
}

static weir_status from_body(struct reading *reading, const struct http_request *http)
{
	size_t length;
	const char *body = http_body(http, &length);
	JSONDOC_SCOPED struct jsondoc *document = NULL;
	if (http_argument_count(http) > 0) {
		const char *value;
		return refuse(reading, http_argument(http, 0, &value),
			      "the parameters of a POST go into its body");
	}
	weir_status status = jsondoc_parse(body, length, &document, reading->error);
	if (status != WEIR_OK)
		return status;
	const json_t *root = jsondoc_root(document);
	if (!json_is_object(root))
		return err_set(reading->error, WEIR_INVALID, "the body has to be a JSON object");
	for (void *at = json_object_iter((json_t *)root); at != NULL && status == WEIR_OK;
	     at = json_object_iter_next((json_t *)root, at))
		status = add_member(reading, document, json_object_iter_key(at),
				    json_object_iter_value(at));
	return status;
}

/* The parameter that the filters' error is about. */
static const char *wrong_filter(const struct reading *reading)
{
	struct weir_error error;
	const struct weir_query *tree;
	for (size_t i = 0; i < reading->filter_count; i++)
		if (query_filters(reading->request->tree, reading->schema, &reading->filters[i], 1,
				  &tree, &error) != WEIR_OK)
			return reading->schema->abi->fields[reading->filters[i].field]->name;
	return "";
}

/* Query, filters and sort keys, once all parameters are known. */
static weir_status make_search(struct reading *reading)
{
	struct search_request *request = reading->request;
	struct weir_search *search = &request->search;
	size_t column;
	reading->field = "q";
	weir_status status = query_parse(request->tree, reading->schema, reading->capabilities,
					 reading->q != NULL ? reading->q : "", reading->q_length,
					 &search->query, &column, reading->error);
	if (status != WEIR_OK)
		return status;
	reading->field = "";
	status = query_filters(request->tree, reading->schema, reading->filters,
			       reading->filter_count, &search->filter, reading->error);
	if (status == WEIR_INVALID)
		reading->field = wrong_filter(reading);
	if (status != WEIR_OK)
		return status;
	reading->field = "facets";
	status = facets_prepare(&request->facets, reading->schema, reading->capabilities,
				request->tree, reading->filters, reading->filter_count,
				search->filter, reading->error);
	if (status != WEIR_OK || reading->sort == NULL || reading->sort[0] == '\0')
		return status;
	reading->field = "sort";
	return query_sort(request->tree, reading->schema, reading->sort, &search->sort,
			  &search->sort_count, reading->error);
}

weir_status request_read(struct http_request *http, const struct schema *schema,
			 uint64_t capabilities, struct search_request *request, const char **field,
			 struct weir_error *error)
{
	*request = (struct search_request){.all_fields = true};
	request->search.limit = REQUEST_LIMIT_DEFAULT;
	request->facets.limit = FACETS_LIMIT_DEFAULT;
	request->wait.ms = REQUEST_WAIT_DEFAULT;
	*field = "";
	request->tree = query_arena_create();
	if (request->tree == NULL)
		return err_no_memory(error);
	struct reading storage, *reading = &storage;
	memset(reading, 0, offsetof(struct reading, parameters));
	reading->request = request;
	reading->schema = schema;
	reading->capabilities = capabilities;
	reading->field = "";
	reading->error = error;
	weir_status status = http_method(http) == HTTP_POST ? from_body(reading, http)
							    : from_arguments(reading, http);
	for (size_t i = 0; status == WEIR_OK && i < reading->count; i++)
		status = read_parameter(reading, &reading->parameters[i]);
	if (status == WEIR_OK)
		status = make_search(reading);
	if (status == WEIR_INVALID)
		*field = reading->field; /* of http, of request->text or of the schema */
	return status;
}

weir_status request_read_wait(struct http_request *http, struct search_request *request,
			      const char **field, struct weir_error *error)
{
	*request = (struct search_request){.all_fields = true, .wait.ms = REQUEST_WAIT_DEFAULT};
	*field = "";
	struct reading storage, *reading = &storage;
	memset(reading, 0, offsetof(struct reading, parameters));
	reading->request = request;
	reading->error = error;
	weir_status status = from_arguments(reading, http);
	for (size_t i = 0; status == WEIR_OK && i < reading->count; i++) {
		const struct parameter *parameter = &reading->parameters[i];
		if (strcmp(parameter->name, "waitFor") == 0 ||
		    strcmp(parameter->name, "waitMs") == 0)
			status = read_wait(reading, parameter);
		else
			status = refuse(reading, parameter->name,
					"there is no such parameter here, only waitFor and waitMs");
	}
	if (status == WEIR_INVALID)
		*field = reading->field;
	return status;
}

void request_finish(struct search_request *request)
{
	tokens_finish(&request->wait.tokens);
	query_arena_destroy(request->tree);
	arena_finish(&request->text);
	*request = (struct search_request){0};
}
