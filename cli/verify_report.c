/* SPDX-License-Identifier: MIT */
#include "verify_report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { COLUMNS = 5, SHOWN_BYTES = 40, SHOWN_FIELDS = 3 };

static const struct {
	const char *words, *name;
} kinds[COMPARE_KIND_COUNT] = {
	[COMPARE_MISSING] = {"missing", "missing"},
	[COMPARE_EXTRA] = {"extra", "extra"},
	[COMPARE_TOMBSTONE] = {"not deleted", "notDeleted"},
	[COMPARE_DIFFERENT] = {"different", "different"},
};

const char *verify_kind_words(enum compare_kind kind)
{
	return kinds[kind].words;
}

const char *verify_kind_name(enum compare_kind kind)
{
	return kinds[kind].name;
}

void verify_report_init(struct verify_report *report, const struct schema *schema, size_t limit)
{
	static const char *const head[COLUMNS] = {"WHAT", "ID", "STORE", "INDEX",
						  "FIELDS (STORE | INDEX)"};
	*report = (struct verify_report){.schema = schema, .limit = limit};
	report->json.out = &report->list;
	table_init(&report->table, COLUMNS);
	for (size_t i = 0; i < COLUMNS; i++)
		table_add(&report->table, head[i], strlen(head[i]));
}

void verify_report_finish(struct verify_report *report)
{
	table_finish(&report->table);
	buffer_finish(&report->list);
}

static bool is_same_field(const struct state_field *left, const struct state_field *right)
{
	return left->cleared == right->cleared &&
	       (left->cleared || (left->json_length == right->json_length &&
				  memcmp(left->json, right->json, left->json_length) == 0));
}

static bool is_begin_of_character(char byte)
{
	return ((unsigned char)byte & 0xC0) != 0x80;
}

/* Where to begin showing two long values, so that one sees where they differ. */
static size_t first_shown(const struct state_field *left, const struct state_field *right)
{
	size_t same = 0;
	if (left == NULL || right == NULL || left->cleared || right->cleared)
		return 0;
	while (same < left->json_length && same < right->json_length &&
	       left->json[same] == right->json[same])
		same++;
	if (same < SHOWN_BYTES / 2)
		return 0;
	for (same -= SHOWN_BYTES / 4; same > 0 && !is_begin_of_character(left->json[same]);)
		same--;
	return same;
}

static void write_value(struct buffer *out, const struct state_field *field, size_t from)
{
	if (field == NULL || field->cleared) {
		buffer_append_text(out, field == NULL ? "-" : "null");
		return;
	}
	size_t to = field->json_length;
	if (to - from > SHOWN_BYTES) {
		to = from + SHOWN_BYTES;
		while (to > from && !is_begin_of_character(field->json[to]))
			to--;
	}
	buffer_append_text(out, from > 0 ? "…" : "");
	buffer_append(out, field->json + from, to - from);
	buffer_append_text(out, to < field->json_length ? "…" : "");
}

/* The fields of two states side by side, in order of name; NULL where one has none. */
struct pair {
	const struct state *left, *right;
	size_t left_at, right_at;
};

static bool next_pair(struct pair *pair, const struct state_field **left,
		      const struct state_field **right)
{
	const struct state_field *one =
		pair->left_at < pair->left->field_count ? &pair->left->fields[pair->left_at] : NULL;
	const struct state_field *two = pair->right_at < pair->right->field_count
						? &pair->right->fields[pair->right_at]
						: NULL;
	if (one == NULL && two == NULL)
		return false;
	int order = one == NULL ? 1 : two == NULL ? -1 : 0;
	if (order == 0) {
		size_t shorter =
			one->name_length < two->name_length ? one->name_length : two->name_length;
		order = memcmp(one->name, two->name, shorter);
		if (order == 0)
			order = one->name_length < two->name_length
					? -1
					: one->name_length > two->name_length;
	}
	*left = order <= 0 ? one : NULL;
	*right = order >= 0 ? two : NULL;
	pair->left_at += order <= 0;
	pair->right_at += order >= 0;
	return true;
}

/* A field that only a create cleared is as if it were absent: see digest.h. */
static bool counts(const struct state_field *field)
{
	return field != NULL && !(field->cleared && field->written_by == SCHEMA_CREATED);
}

static bool differ(const struct state_field *left, const struct state_field *right)
{
	if (!counts(left) || !counts(right))
		return counts(left) || counts(right);
	return !is_same_field(left, right) || left->version != right->version ||
	       left->written_by != right->written_by;
}

static void write_difference(struct buffer *out, const struct state_field *left,
			     const struct state_field *right)
{
	const struct state_field *any = left != NULL ? left : right;
	if (any == NULL)
		return;
	buffer_append(out, any->name, any->name_length);
	if (left != NULL && right != NULL && is_same_field(left, right)) {
		buffer_printf(out, " is the same, of %" PRId64 " | %" PRId64, left->version,
			      right->version);
		return;
	}
	size_t from = first_shown(left, right);
	buffer_append_char(out, ' ');
	write_value(out, left, from);
	buffer_append_text(out, " | ");
	write_value(out, right, from);
}

static void write_delete(struct buffer *out, const struct state *state)
{
	if (state->deleted)
		buffer_printf(out, "%" PRId64, state->delete_version);
	else
		buffer_append_char(out, '-');
}

static bool is_same_delete(const struct state *left, const struct state *right)
{
	return left->deleted == right->deleted &&
	       (!left->deleted || left->delete_version == right->delete_version);
}

static void write_differences(struct buffer *out, const struct state *left,
			      const struct state *right)
{
	struct pair pair = {left, right, 0, 0};
	const struct state_field *one, *two;
	size_t count = 0;
	if (!is_same_delete(left, right)) {
		buffer_append_text(out, "deleted at ");
		write_delete(out, left);
		buffer_append_text(out, " | ");
		write_delete(out, right);
		count++;
	}
	while (next_pair(&pair, &one, &two)) {
		if (!differ(one, two) || count++ >= SHOWN_FIELDS)
			continue;
		buffer_append_text(out, out->length > 0 ? "; " : "");
		write_difference(out, one, two);
	}
	if (count > SHOWN_FIELDS)
		buffer_printf(out, "; and %zu more", count - SHOWN_FIELDS);
	if (count == 0)
		buffer_append_text(out, "the same state, kept under another version or kind");
}

/* What an event is about: its required fields. */
static void write_title(struct buffer *out, const struct schema *schema, const struct state *state)
{
	for (size_t i = 0; i < schema->abi->field_count; i++) {
		const struct state_field *field =
			schema->required[i] ? state_find(state, schema->abi->fields[i]->name)
					    : NULL;
		if (field == NULL)
			continue;
		buffer_append_text(out, out->length > 0 ? "; " : "");
		buffer_printf(out, "%s ", schema->abi->fields[i]->name);
		write_value(out, field, 0);
	}
}

static void add_version(struct table *table, const struct compare_document *document)
{
	char text[24];
	int length = document != NULL ? snprintf(text, sizeof(text), "%" PRId64, document->version)
				      : snprintf(text, sizeof(text), "-");
	table_add(table, text, (size_t)length);
}

static void json_version(struct jsonout *json, const char *name,
			 const struct compare_document *document)
{
	jsonout_name(json, name);
	if (document != NULL)
		jsonout_integer(json, document->version);
	else
		jsonout_null(json);
}

static void json_value(struct jsonout *json, const char *name, const struct state_field *field)
{
	if (field == NULL)
		return;
	jsonout_name(json, name);
	if (field->cleared)
		jsonout_null(json);
	else
		jsonout_raw(json, field->json, field->json_length);
}

static void json_fields(struct jsonout *json, const struct state *left, const struct state *right)
{
	struct pair pair = {left, right, 0, 0};
	const struct state_field *one, *two;
	jsonout_name(json, "fields");
	jsonout_begin(json, '[');
	while (next_pair(&pair, &one, &two)) {
		if (!differ(one, two))
			continue;
		const struct state_field *any = one != NULL ? one : two;
		jsonout_begin(json, '{');
		jsonout_name(json, "field");
		jsonout_string(json, any->name, any->name_length);
		json_value(json, "store", one);
		json_value(json, "index", two);
		jsonout_end(json, '}');
	}
	jsonout_end(json, ']');
}

static weir_status read_state(struct state *state, const struct compare_document *document,
			      struct weir_error *error)
{
	if (document == NULL || document->state == NULL)
		return WEIR_OK;
	return state_read(state, document->state, document->state_length, error);
}

weir_status verify_report_add(struct verify_report *report, enum compare_kind kind,
			      const struct compare_document *truth,
			      const struct compare_document *copy, struct weir_error *error)
{
	WEIR_CLEANUP(state_finish) struct state left = STATE_INIT, right = STATE_INIT;
	WEIR_CLEANUP(buffer_finish) struct buffer fields = BUFFER_INIT;
	const struct compare_document *any = truth != NULL ? truth : copy;
	if (report->listed == report->limit || any == NULL)
		return WEIR_OK;
	report->listed++;
	weir_status status = read_state(&left, truth, error);
	if (status == WEIR_OK)
		status = read_state(&right, copy, error);
	if (status != WEIR_OK)
		return status;
	bool both = truth != NULL && copy != NULL;
	if (both && (truth->state == NULL || copy->state == NULL))
		buffer_append_text(&fields, truth->kind == copy->kind ? "" : "live | hidden");
	else if (both)
		write_differences(&fields, &left, &right);
	else
		write_title(&fields, report->schema, truth != NULL ? &left : &right);
	table_add(&report->table, kinds[kind].words, strlen(kinds[kind].words));
	table_add(&report->table, any->id, any->id_length);
	add_version(&report->table, truth);
	add_version(&report->table, copy);
	table_add(&report->table, fields.data != NULL ? fields.data : "", fields.length);
	jsonout_begin(&report->json, '{');
	jsonout_name(&report->json, "what");
	jsonout_text(&report->json, kinds[kind].name);
	jsonout_name(&report->json, "id");
	jsonout_string(&report->json, any->id, any->id_length);
	json_version(&report->json, "storeVersion", truth);
	json_version(&report->json, "indexVersion", copy);
	json_fields(&report->json, &left, &right);
	jsonout_end(&report->json, '}');
	return buffer_failed(&fields) || buffer_failed(&report->list) ? err_no_memory(error)
								      : WEIR_OK;
}
