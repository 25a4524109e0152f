/* SPDX-License-Identifier: MIT
 * Values: what the schema's types take, and what Kafka Connect's and Debezium's logical types stand
 * for. Numbers keep their digits. */
#include <string.h>

#include "base64.h"
#include "event_internal.h"
#include "json.h"
#include "moment.h"

enum { DECIMAL_BYTES = 1024, SCALE_LIMIT = 1000, LIMB = 1000000000 };

#define FIRST_MOMENT (-INT64_C(62135596800000000)) /* 0001-01-01T00:00:00Z */
#define LAST_MOMENT INT64_C(253402300799999999)	   /* 9999-12-31T23:59:59.999999Z */

const char *event_string_of(struct event_memory *memory, const struct jsonnode *node,
			    size_t *length)
{
	if (!jsonnode_is(node, JSONNODE_STRING))
		return NULL;
	const char *text = jsonnode_string(node, &memory->arena, length);
	if (text == NULL)
		memory->failed = true;
	return text;
}

const char *event_text_of(struct event_memory *memory, const struct jsonnode *node, size_t *length)
{
	if (!jsonnode_is(node, JSONNODE_NUMBER))
		return event_string_of(memory, node, length);
	*length = node->length;
	return node->text;
}

bool event_is_text(struct event_memory *memory, const struct jsonnode *node, const char *text)
{
	size_t length = 0, wanted = strlen(text);
	const char *found = event_string_of(memory, node, &length);
	return found != NULL && length == wanted && memcmp(found, text, length) == 0;
}

static int64_t unit_size(enum schema_unit unit)
{
	switch (unit) {
	case SCHEMA_DAYS:
		return INT64_C(86400000000);
	case SCHEMA_SECONDS:
		return 1000000;
	case SCHEMA_MILLISECONDS:
		return 1000;
	default:
		return 1;
	}
}

/* The digits behind the point, in microseconds. */
static bool take_fraction(const char *at, const char *end, int64_t size, int64_t *microseconds)
{
	int64_t value = 0;
	if (at == end)
		return false;
	for (; at < end; at++) {
		if (*at < '0' || *at > '9')
			return false;
		size /= 10;
		value += (*at - '0') * size;
	}
	*microseconds = value;
	return true;
}

bool event_scale(const char *text, size_t length, enum schema_unit unit, int64_t *microseconds)
{
	const char *at = text, *end = text + length;
	bool negative = at < end && *at == '-';
	int64_t value = 0, size = unit_size(unit), fraction = 0;
	at += negative;
	const char *digits = at;
	/* Downwards, because the least number has no positive counterpart. */
	for (; at < end && *at >= '0' && *at <= '9'; at++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_sub_overflow(value, *at - '0', &value))
			return false;
	if (at == digits)
		return false;
	if (at < end && (*at != '.' || !take_fraction(at + 1, end, size, &fraction)))
		return false;
	if (__builtin_mul_overflow(value, size, &value) ||
	    __builtin_sub_overflow(value, fraction, &value))
		return false;
	if (!negative && __builtin_sub_overflow(0, value, &value))
		return false;
	if (unit == SCHEMA_NANOSECONDS) /* towards the past */
		value = value / 1000 - (value % 1000 < 0);
	*microseconds = value;
	return true;
}

static weir_status wrong_type(const struct weir_field *field, const char *expected,
			      struct weir_error *error)
{
	return err_set(error, WEIR_INVALID, "field %s: expected %s",
		       field != NULL ? field->name : "that the schema does not name", expected);
}

/* PostgreSQL's infinity, and what else lies beyond what can be written, stays at the edge. */
static void write_moment(int64_t moment, struct buffer *out)
{
	char text[MOMENT_TEXT_SIZE];
	if (moment < FIRST_MOMENT)
		moment = FIRST_MOMENT;
	if (moment > LAST_MOMENT)
		moment = LAST_MOMENT;
	moment_format(moment, text);
	buffer_printf(out, "\"%s\"", text);
}

static weir_status write_date(struct event_memory *memory, const struct weir_field *field,
			      const struct jsonnode *node, struct buffer *out,
			      struct weir_error *error)
{
	int64_t moment;
	size_t length = 0;
	const char *text = event_string_of(memory, node, &length);
	/* Debezium's IsoDate is a date with a zone and no time: "2026-01-01Z". */
	if (length == 11 && text[10] == 'Z')
		length = 10;
	if (text == NULL || !moment_parse(text, length, &moment, NULL))
		return wrong_type(field, "a date such as 2026-01-01T10:00:00Z", error);
	write_moment(moment, out);
	return WEIR_OK;
}

static weir_status write_counted(struct event_memory *memory, const struct weir_field *field,
				 const struct jsonnode *node, enum schema_unit unit,
				 struct buffer *out, struct weir_error *error)
{
	int64_t moment;
	size_t length = 0;
	const char *text = event_text_of(memory, node, &length);
	if (text == NULL || !event_scale(text, length, unit, &moment))
		return wrong_type(field, "a number that counts time since 1970", error);
	write_moment(moment, out);
	return WEIR_OK;
}

/* Big-endian two's complement to limbs of nine digits, the least first. */
static size_t make_limbs(const unsigned char *bytes, size_t count, bool negative, uint32_t *limbs)
{
	size_t used = 0, last = count;
	while (negative && last > 0 && bytes[last - 1] == 0)
		last--; /* of -x, the bits from the lowest 1 on stay, those above are turned */
	for (size_t i = 0; i < count; i++) {
		unsigned byte = bytes[i];
		if (negative && i < last)
			byte = i + 1 == last ? 256 - byte : 255 - byte;
		uint64_t carry = byte;
		for (size_t limb = 0; limb < used; limb++) {
			carry += (uint64_t)limbs[limb] * 256;
			limbs[limb] = (uint32_t)(carry % LIMB);
			carry /= LIMB;
		}
		if (carry > 0)
			limbs[used++] = (uint32_t)carry;
	}
	return used;
}

/* The point goes in front of the last scale digits; a scale below zero appends zeros. */
static void write_scaled(const char *digits, size_t length, long scale, struct buffer *out)
{
	size_t behind = scale > 0 ? (size_t)scale : 0;
	if (behind == 0) {
		buffer_append(out, digits, length);
		for (; scale < 0 && *digits != '0'; scale++)
			buffer_append_char(out, '0');
		return;
	}
	if (length > behind)
		buffer_append(out, digits, length - behind);
	else
		buffer_append_char(out, '0');
	buffer_append_char(out, '.');
	for (size_t i = length; i < behind; i++)
		buffer_append_char(out, '0');
	size_t fraction = length < behind ? length : behind;
	buffer_append(out, digits + length - fraction, fraction);
}

static bool write_decimal(const char *text, size_t length, long scale, struct buffer *out)
{
	WEIR_CLEANUP(buffer_finish) struct buffer bytes = BUFFER_INIT;
	WEIR_CLEANUP(buffer_finish) struct buffer digits = BUFFER_INIT;
	uint32_t limbs[(DECIMAL_BYTES + 2) * 8 / 29 + 1]; /* a limb holds more than 29 bits */
	if (scale < -SCALE_LIMIT || scale > SCALE_LIMIT || length > (DECIMAL_BYTES + 2) / 3 * 4 ||
	    !base64_decode(text, length, &bytes) || bytes.length == 0 ||
	    bytes.length > DECIMAL_BYTES)
		return false;
	bool negative = ((unsigned char)bytes.data[0] & 0x80) != 0;
	size_t count = make_limbs((const unsigned char *)bytes.data, bytes.length, negative, limbs);
	buffer_printf(&digits, "%u", count > 0 ? (unsigned)limbs[count - 1] : 0);
	for (size_t i = count; i > 1; i--)
		buffer_printf(&digits, "%09u", (unsigned)limbs[i - 2]);
	if (buffer_failed(&bytes) || buffer_failed(&digits)) {
		out->failed = true;
		return true;
	}
	if (negative)
		buffer_append_char(out, '-');
	write_scaled(digits.data, digits.length, scale, out);
	return true;
}

static bool parse_scale(const char *text, size_t length, long *scale)
{
	int64_t value = 0;
	if (text == NULL || !event_parse_version(text, length, &value) || value < -SCALE_LIMIT ||
	    value > SCALE_LIMIT)
		return false;
	*scale = (long)value;
	return true;
}

/* Bytes in base64 with the scale in the type's parameters, or in the value beside the bytes. */
static weir_status write_bytes(struct event_memory *memory, const struct weir_field *field,
			       const struct jsonnode *bytes, const struct jsonnode *scale_node,
			       struct buffer *out, struct weir_error *error)
{
	size_t length = 0;
	long scale = 0;
	const char *text = event_text_of(memory, scale_node, &length);
	bool scaled = parse_scale(text, length, &scale);
	text = event_string_of(memory, bytes, &length);
	if ((field != NULL && field->type != WEIR_TYPE_NUMBER) || text == NULL || !scaled ||
	    !write_decimal(text, length, scale, out))
		return wrong_type(field,
				  field == NULL || field->type == WEIR_TYPE_NUMBER
					  ? "a decimal: base64 of at most 1024 bytes, and a scale "
					    "from -1000 to 1000"
					  : "no decimal",
				  error);
	return WEIR_OK;
}

static const struct {
	const char *name;
	enum schema_unit unit;
} counted_types[] = {
	{"org.apache.kafka.connect.data.Date", SCHEMA_DAYS},
	{"org.apache.kafka.connect.data.Timestamp", SCHEMA_MILLISECONDS},
	{"io.debezium.time.Date", SCHEMA_DAYS},
	{"io.debezium.time.Timestamp", SCHEMA_MILLISECONDS},
	{"io.debezium.time.MicroTimestamp", SCHEMA_MICROSECONDS},
	{"io.debezium.time.NanoTimestamp", SCHEMA_NANOSECONDS},
};

static enum schema_unit counted_in(struct event_memory *memory, const struct jsonnode *name)
{
	for (size_t i = 0; i < sizeof(counted_types) / sizeof(counted_types[0]); i++)
		if (event_is_text(memory, name, counted_types[i].name))
			return counted_types[i].unit;
	return SCHEMA_AS_IS;
}

const struct jsonnode *event_member_type(struct event_memory *memory, const struct jsonnode *types,
					 const char *name)
{
	const struct jsonnode *fields = jsonnode_get(types, "fields");
	size_t left = EVENT_MEMBER_LIMIT;
	if (!jsonnode_is(fields, JSONNODE_ARRAY))
		return NULL;
	for (const struct jsonnode *type = fields->first; type != NULL && left > 0;
	     type = type->next, left--)
		if (event_is_text(memory, jsonnode_get(type, "field"), name))
			return type;
	return NULL;
}

const struct jsonnode *event_type_at(struct event_memory *memory, const struct jsonnode *types,
				     const char *pointer)
{
	char name[JSON_POINTER_LIMIT];
	while (types != NULL && *pointer == '/') {
		size_t length = strcspn(++pointer, "/");
		memcpy(name, pointer, length);
		name[length] = '\0';
		pointer += length;
		const struct jsonnode *items = jsonnode_get(types, "items");
		types = items != NULL ? items : event_member_type(memory, types, name);
	}
	return types;
}

/* *done: the logical type says what the value is, and it was written. */
static weir_status write_logical(struct event_memory *memory, const struct jsonnode *node,
				 const struct weir_field *field, const struct jsonnode *type,
				 struct buffer *out, bool *done, struct weir_error *error)
{
	const struct jsonnode *name = jsonnode_get(type, "name");
	if (!jsonnode_is(name, JSONNODE_STRING))
		return WEIR_OK;
	enum schema_unit unit = counted_in(memory, name);
	*done = true;
	if (unit != SCHEMA_AS_IS && jsonnode_is(node, JSONNODE_NUMBER) &&
	    (field == NULL || field->type != WEIR_TYPE_NUMBER))
		return write_counted(memory, field, node, unit, out, error);
	if (jsonnode_is(node, JSONNODE_STRING) &&
	    event_is_text(memory, name, "org.apache.kafka.connect.data.Decimal"))
		return write_bytes(memory, field, node,
				   jsonnode_get(jsonnode_get(type, "parameters"), "scale"), out,
				   error);
	if (jsonnode_is(node, JSONNODE_OBJECT) &&
	    event_is_text(memory, name, "io.debezium.data.VariableScaleDecimal"))
		return write_bytes(memory, field, jsonnode_get(node, "value"),
				   jsonnode_get(node, "scale"), out, error);
	*done = false;
	return WEIR_OK;
}

static weir_status write_number(struct event_memory *memory, const struct weir_field *field,
				const struct jsonnode *node, struct buffer *out,
				struct weir_error *error)
{
	size_t length = 0;
	const char *text = event_text_of(memory, node, &length);
	if (text == NULL || !json_is_number_text(text, length))
		return wrong_type(field, "a number", error);
	buffer_append(out, text, length);
	return WEIR_OK;
}

weir_status event_value_write(struct event_memory *memory, const struct jsonnode *node,
			      const struct weir_field *field, const struct jsonnode *type,
			      enum schema_unit unit, struct buffer *out, struct weir_error *error)
{
	bool done = false;
	if (unit != SCHEMA_AS_IS)
		return write_counted(memory, field, node, unit, out, error);
	weir_status status = write_logical(memory, node, field, type, out, &done, error);
	if (status != WEIR_OK || done)
		return status;
	switch (field != NULL ? field->type : 0) {
	case 0:
		break;
	case WEIR_TYPE_NUMBER:
		return write_number(memory, field, node, out, error);
	case WEIR_TYPE_DATE:
		return write_date(memory, field, node, out, error);
	case WEIR_TYPE_BOOLEAN:
		if (node->kind != JSONNODE_TRUE && node->kind != JSONNODE_FALSE)
			return wrong_type(field, "true or false", error);
		break;
	default:
		if (node->kind != JSONNODE_STRING)
			return wrong_type(field, "a string", error);
	}
	jsonnode_canonical(node, out);
	return WEIR_OK;
}
