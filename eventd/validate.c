/* SPDX-License-Identifier: MIT */
#include "validate.h"

#include <errno.h>
#include <string.h>
#include <utf8proc.h>

#include "decimal.h"
#include "json.h"
#include "json_tree.h"
#include "moment.h"

enum { TITLE_LIMIT = 500, DESCRIPTION_LIMIT = 100000, NAME_LIMIT = 200 };

enum member_type { TYPE_TITLE, TYPE_TEXT, TYPE_PRICE, TYPE_DATE };

const char *const member_names[MEMBER_COUNT] = {
	"title",   "description", "category",  "location", "city",
	"country", "price",	  "startDate", "endDate",
};

static const struct {
	enum member_type type;
	size_t limit; /* characters */
} rules[MEMBER_COUNT] = {
	[MEMBER_TITLE] = {TYPE_TITLE, TITLE_LIMIT},
	[MEMBER_DESCRIPTION] = {TYPE_TEXT, DESCRIPTION_LIMIT},
	[MEMBER_CATEGORY] = {TYPE_TEXT, NAME_LIMIT},
	[MEMBER_LOCATION] = {TYPE_TEXT, NAME_LIMIT},
	[MEMBER_CITY] = {TYPE_TEXT, NAME_LIMIT},
	[MEMBER_COUNTRY] = {TYPE_TEXT, NAME_LIMIT},
	[MEMBER_PRICE] = {TYPE_PRICE, 0},
	[MEMBER_START_DATE] = {TYPE_DATE, 0},
	[MEMBER_END_DATE] = {TYPE_DATE, 0},
};

/* One body on its way. */
struct validation {
	enum draft_kind kind;
	struct draft *draft;
	struct problem *problem;
};

bool validate_id(const char *text, size_t length, char id[STORE_ID_SIZE])
{
	char normal[EVENT_ID_LIMIT + 1];
	size_t normal_length;
	bool is_guid = false;
	if (!event_id_normalize(text, length, normal, &normal_length, &is_guid) || !is_guid)
		return false;
	memcpy(id, normal, STORE_ID_SIZE);
	return true;
}

static size_t count_characters(const char *text, size_t length)
{
	size_t count = 0;
	for (size_t i = 0; i < length; i++)
		count += ((unsigned char)text[i] & 0xC0) != 0x80;
	return count;
}

/* Blank: nothing but white space and characters that show nothing. */
static void check_title(const char *text, size_t length, struct problem *problem)
{
	bool blank = true;
	for (size_t at = 0; at < length;) {
		utf8proc_int32_t point;
		utf8proc_ssize_t size = utf8proc_iterate((const utf8proc_uint8_t *)text + at,
							 (utf8proc_ssize_t)(length - at), &point);
		if (size <= 0)
			break;
		at += (size_t)size;
		switch (utf8proc_category(point)) {
		case UTF8PROC_CATEGORY_CC:
			problem_add(problem, "title", "has the control character U+%04X",
				    (unsigned)point);
			return;
		case UTF8PROC_CATEGORY_ZS:
		case UTF8PROC_CATEGORY_ZL:
		case UTF8PROC_CATEGORY_ZP:
		case UTF8PROC_CATEGORY_CF:
			break;
		default:
			blank = false;
		}
	}
	if (blank)
		problem_add(problem, "title", "is blank");
}

static void keep(struct problem *problem, struct value *value, const struct buffer *json)
{
	value->json = (struct store_text){
		arena_copy(problem->arena, json->data != NULL ? json->data : "", json->length),
		json->length};
	if (buffer_failed(json) || value->json.bytes == NULL)
		problem_failure(problem, WEIR_NO_MEMORY);
}

/* The node's canonical form: where it stands, when it is written so. bytes NULL: no memory. */
static struct store_text canonical(const struct jsonnode *node, struct arena *arena)
{
	WEIR_CLEANUP(buffer_finish) struct buffer json = BUFFER_INIT;
	if (node->kind == JSONNODE_NUMBER)
		return (struct store_text){node->text, node->length};
	if (node->kind == JSONNODE_STRING && node->canonical)
		return (struct store_text){node->text - 1, node->length + 2};
	jsonnode_canonical(node, &json);
	if (buffer_failed(&json))
		return (struct store_text){0};
	return (struct store_text){arena_copy(arena, json.data, json.length), json.length};
}

static void keep_node(struct validation *validation, struct value *value,
		      const struct jsonnode *node)
{
	value->json = canonical(node, validation->problem->arena);
	if (value->json.bytes == NULL)
		problem_failure(validation->problem, WEIR_NO_MEMORY);
}

/* NULL: it is no string, or there was no memory for it, which is said. */
static const char *string_of(struct problem *problem, const struct jsonnode *node, size_t *length)
{
	if (node->kind != JSONNODE_STRING)
		return NULL;
	const char *text = jsonnode_string(node, problem->arena, length);
	if (text == NULL)
		problem_failure(problem, WEIR_NO_MEMORY);
	return text;
}

static void read_text(struct validation *validation, const char *name, size_t limit, bool is_title,
		      struct value *value, const struct jsonnode *node)
{
	size_t length;
	const char *text = string_of(validation->problem, node, &length);
	if (text == NULL) {
		if (node->kind != JSONNODE_STRING)
			problem_add(validation->problem, name, "is not a string");
		return;
	}
	size_t characters = count_characters(text, length);
	if (characters > limit)
		problem_add(validation->problem, name,
			    "has %zu characters, at most %zu are allowed", characters, limit);
	keep_node(validation, value, node);
	if (is_title)
		check_title(text, length, validation->problem);
}

static void read_price(struct validation *validation, struct value *value,
		       const struct jsonnode *node)
{
	if (node->kind != JSONNODE_NUMBER) {
		problem_add(validation->problem, "price", "is not a number");
		return;
	}
	switch (decimal_check(node->text, node->length)) {
	case DECIMAL_NEGATIVE:
		problem_add(validation->problem, "price", "is below 0");
		return;
	case DECIMAL_TOO_LARGE:
		problem_add(validation->problem, "price",
			    "is above 79228162514264337593543950335, the largest decimal");
		return;
	case DECIMAL_TOO_LONG:
		problem_add(validation->problem, "price", "has more than %d characters",
			    DECIMAL_LENGTH_LIMIT);
		return;
	case DECIMAL_GOOD:
		break;
	}
	keep_node(validation, value, node);
}

/* .NET's old /Date(ms)/ is for messages, not for people. */
static bool read_moment(struct validation *validation, const struct jsonnode *node, int64_t *moment)
{
	size_t length;
	const char *text = string_of(validation->problem, node, &length);
	return text != NULL && length > 0 && text[0] != '/' &&
	       moment_parse(text, length, moment, NULL);
}

static void read_date(struct validation *validation, const char *name, struct value *value,
		      const struct jsonnode *node)
{
	int64_t moment;
	if (!read_moment(validation, node, &moment)) {
		problem_add(validation->problem, name,
			    "is not a date and time such as 2026-01-01T10:00:00Z");
		return;
	}
	WEIR_CLEANUP(buffer_finish) struct buffer json = BUFFER_INIT;
	char text[MOMENT_TEXT_SIZE];
	moment_format(moment, text);
	buffer_printf(&json, "\"%s\"", text);
	keep(validation->problem, value, &json);
}

static void read_value(struct validation *validation, enum event_member member,
		       const struct jsonnode *node)
{
	struct value *value = &validation->draft->members[member];
	enum member_type type = rules[member].type;
	value->given = true;
	if (node->kind == JSONNODE_NULL)
		return;
	switch (type) {
	case TYPE_TITLE:
	case TYPE_TEXT:
		read_text(validation, member_names[member], rules[member].limit, type == TYPE_TITLE,
			  value, node);
		break;
	case TYPE_PRICE:
		read_price(validation, value, node);
		break;
	case TYPE_DATE:
		read_date(validation, member_names[member], value, node);
		break;
	}
}

static void read_id(struct validation *validation, const struct jsonnode *node)
{
	size_t length;
	const char *text = string_of(validation->problem, node, &length);
	if (text == NULL || !validate_id(text, length, validation->draft->id))
		problem_add(validation->problem, "id",
			    "is not a GUID such as 0d9e6f3a-5b1c-4d7e-8f20-3c4b5a697887");
}

static void read_by(struct validation *validation, const char *name, struct value *value,
		    const struct jsonnode *node)
{
	value->given = true;
	read_text(validation, name, NAME_LIMIT, false, value, node);
}

static bool read_version(const struct jsonnode *node, int64_t *version)
{
	char digits[24], *end;
	if (node->kind != JSONNODE_NUMBER || node->length >= sizeof(digits))
		return false;
	memcpy(digits, node->text, node->length);
	digits[node->length] = '\0';
	errno = 0;
	*version = strtoll(digits, &end, 10);
	return *end == '\0' && errno == 0;
}

static void read_assigned(struct validation *validation, const char *name,
			  const struct jsonnode *node)
{
	struct draft *draft = validation->draft;
	if (validation->kind == DRAFT_CREATE) {
		problem_add(validation->problem, name, "is assigned by the server; leave it out");
		return;
	}
	if (strcmp(name, "version") != 0) {
		bool created = strcmp(name, "createdAt") == 0;
		*(created ? &draft->has_created_at : &draft->has_updated_at) = true;
		if (!read_moment(validation, node,
				 created ? &draft->created_at : &draft->updated_at))
			problem_add(validation->problem, name,
				    "is not a date and time such as 2026-01-01T10:00:00Z");
		return;
	}
	draft->has_version = true;
	if (!read_version(node, &draft->version))
		problem_add(validation->problem, name, "is not a 64-bit whole number");
}

/* A null is "not there" for everything but the members, where a patch removes with it. */
static void read_member(struct validation *validation, const struct jsonnode *node)
{
	struct draft *draft = validation->draft;
	const char *name = node->name;
	bool is_null = node->kind == JSONNODE_NULL;
	for (size_t i = 0; i < MEMBER_COUNT; i++)
		if (strcmp(name, member_names[i]) == 0) {
			read_value(validation, (enum event_member)i, node);
			return;
		}
	bool known = true;
	if (strcmp(name, "id") == 0) {
		if (!is_null)
			read_id(validation, node);
	} else if (strcmp(name, "createdBy") == 0) {
		if (!is_null)
			read_by(validation, name, &draft->created_by, node);
	} else if (strcmp(name, "updatedBy") == 0) {
		if (!is_null && validation->kind == DRAFT_CREATE)
			problem_add(validation->problem, name,
				    "is for updates; a new event has createdBy");
		else if (!is_null)
			read_by(validation, name, &draft->updated_by, node);
	} else if (strcmp(name, "createdAt") == 0 || strcmp(name, "updatedAt") == 0 ||
		   strcmp(name, "version") == 0) {
		if (!is_null)
			read_assigned(validation, name, node);
	} else {
		known = false;
	}
	if (!known)
		problem_add(validation->problem, name, "is not a field of an event");
}

bool validate_draft(const char *body, size_t length, enum draft_kind kind, struct draft *draft,
		    struct problem *problem)
{
	const struct jsonnode *root = NULL;
	struct weir_error error;
	*draft = (struct draft){0};
	weir_status status = jsontree_parse(body, length, problem->arena, &root, &error);
	if (status == WEIR_INVALID)
		problem_set(problem, 400, "%s", error.message);
	else if (status != WEIR_OK)
		problem_failure(problem, status);
	if (status != WEIR_OK)
		return false;
	if (root->kind != JSONNODE_OBJECT) {
		problem_set(problem, 400, "the body is JSON, but not an object");
		return false;
	}
	struct validation validation = {kind, draft, problem};
	for (const struct jsonnode *member = root->first; member != NULL; member = member->next)
		read_member(&validation, member);
	/* A patch is whole only with what is stored; the others are now. */
	if (kind != DRAFT_PATCH)
		validate_whole(draft->members, problem);
	return problem->status == 0;
}

static bool member_moment(const struct value *value, int64_t *moment)
{
	return value->json.length > 2 &&
	       moment_parse(value->json.bytes + 1, value->json.length - 2, moment, NULL);
}

bool validate_whole(const struct value members[MEMBER_COUNT], struct problem *problem)
{
	bool named = false;
	for (size_t i = 0; i < problem->error_count; i++)
		named = named || strcmp(problem->errors[i].field, "title") == 0;
	if (members[MEMBER_TITLE].json.bytes == NULL && !named)
		problem_add(problem, "title", "is required");
	int64_t start, end;
	if (member_moment(&members[MEMBER_START_DATE], &start) &&
	    member_moment(&members[MEMBER_END_DATE], &end) && end < start)
		problem_add(problem, "endDate", "is before startDate");
	return problem->status == 0;
}

bool validate_assigned(const struct draft *draft, const struct store_event *event,
		       struct problem *problem)
{
	if (draft->id[0] != '\0' && strcmp(draft->id, event->id) != 0)
		problem_add(problem, "id", "is not the id in the path");
	if (draft->has_version && draft->version != event->version)
		problem_add(problem, "version",
			    "is not the event's version %lld; leave it out, or use If-Match",
			    (long long)event->version);
	if (draft->has_created_at && draft->created_at != event->created_at)
		problem_add(problem, "createdAt", "is assigned by the server; leave it out");
	if (draft->has_updated_at && draft->updated_at != event->updated_at)
		problem_add(problem, "updatedAt", "is assigned by the server; leave it out");
	const struct store_text *given = &draft->created_by.json, *kept = &event->created_by;
	if (draft->created_by.given && (kept->bytes == NULL || given->length != kept->length ||
					memcmp(given->bytes, kept->bytes, kept->length) != 0))
		problem_add(problem, "createdBy", "does not change after an event was made");
	return problem->status == 0;
}

bool validate_read(const struct store_text *fields, struct value members[MEMBER_COUNT],
		   struct arena *arena)
{
	const struct jsonnode *root = NULL;
	memset(members, 0, MEMBER_COUNT * sizeof(*members));
	if (jsontree_parse(fields->bytes, fields->length, arena, &root, NULL) != WEIR_OK)
		return false;
	for (size_t i = 0; i < MEMBER_COUNT; i++) {
		const struct jsonnode *node = jsonnode_get(root, member_names[i]);
		members[i].given = node != NULL;
		if (node == NULL || node->kind == JSONNODE_NULL)
			continue;
		members[i].json = canonical(node, arena);
		if (members[i].json.bytes == NULL)
			return false;
	}
	return true;
}

struct store_text validate_write(const struct value members[MEMBER_COUNT], bool given_only,
				 struct arena *arena)
{
	WEIR_CLEANUP(buffer_finish) struct buffer out = BUFFER_INIT;
	struct jsonout json = JSONOUT_INIT(&out);
	jsonout_begin(&json, '{');
	for (size_t i = 0; i < MEMBER_COUNT; i++) {
		bool has_value = members[i].json.bytes != NULL;
		if (given_only ? !members[i].given : !has_value)
			continue;
		jsonout_name(&json, member_names[i]);
		if (has_value)
			jsonout_raw(&json, members[i].json.bytes, members[i].json.length);
		else
			jsonout_null(&json);
	}
	jsonout_end(&json, '}');
	if (buffer_failed(&out))
		return (struct store_text){0};
	return (struct store_text){arena_copy(arena, out.data, out.length), out.length};
}
