/* SPDX-License-Identifier: MIT
 * Values: what the schema's types take, and what Kafka Connect's and Debezium's logical types stand
 * for. Numbers keep their digits. */
#include <string.h>

#include "base64.h"
#include "event_internal.h"
#include "moment.h"

enum { DECIMAL_BYTES = 1024, SCALE_LIMIT = 1000, LIMB = 1000000000 };

#define FIRST_MOMENT (-INT64_C(62135596800000000)) /* 0001-01-01T00:00:00Z */
#define LAST_MOMENT INT64_C(253402300799999999)	   /* 9999-12-31T23:59:59.999999Z */

const char *event_text_of(const struct jsondoc *document, const json_t *node, size_t *length)
{
	if (json_is_integer(node))
		return jsondoc_number(document, node, length);
	if (!json_is_string(node))
		return NULL;
	*length = json_string_length(node);
	return json_string_value(node);
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

static weir_status write_date(const struct weir_field *field, const json_t *node,
			      struct buffer *out, struct weir_error *error)
{
	int64_t moment;
	size_t length = json_string_length(node);
	const char *text = json_string_value(node);
	/* Debezium's IsoDate is a date with a zone and no time: "2026-01-01Z". */
	if (length == 11 && text[10] == 'Z')
		length = 10;
	if (!json_is_string(node) || !moment_parse(text, length, &moment, NULL))
		return wrong_type(field, "a date such as 2026-01-01T10:00:00Z", error);
	write_moment(moment, out);
	return WEIR_OK;
}

static weir_status write_counted(const struct jsondoc *document, const struct weir_field *field,
				 const json_t *node, enum schema_unit unit, struct buffer *out,
				 struct weir_error *error)
{
	int64_t moment;
	size_t length = 0;
	const char *text = event_text_of(document, node, &length);
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
static weir_status write_bytes(const struct jsondoc *document, const struct weir_field *field,
			       const json_t *bytes, const json_t *scale_node, struct buffer *out,
			       struct weir_error *error)
{
	size_t length = 0;
	long scale = 0;
	const char *text = event_text_of(document, scale_node, &length);
	if ((field != NULL && field->type != WEIR_TYPE_NUMBER) || !json_is_string(bytes) ||
	    !parse_scale(text, length, &scale) ||
	    !write_decimal(json_string_value(bytes), json_string_length(bytes), scale, out))
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

static enum schema_unit counted_in(const char *name)
{
	for (size_t i = 0; i < sizeof(counted_types) / sizeof(counted_types[0]); i++)
		if (strcmp(counted_types[i].name, name) == 0)
			return counted_types[i].unit;
	return SCHEMA_AS_IS;
}

const json_t *event_member_type(const json_t *types, const char *name)
{
	const json_t *fields = json_object_get(types, "fields");
	for (size_t i = 0; i < json_array_size(fields) && i < EVENT_MEMBER_LIMIT; i++) {
		const json_t *type = json_array_get(fields, i);
		const json_t *field = json_object_get(type, "field");
		if (json_is_string(field) && strcmp(json_string_value(field), name) == 0)
			return type;
	}
	return NULL;
}

const json_t *event_type_at(const json_t *types, const char *pointer)
{
	char name[JSON_POINTER_LIMIT];
	while (types != NULL && *pointer == '/') {
		size_t length = strcspn(++pointer, "/");
		memcpy(name, pointer, length);
		name[length] = '\0';
		pointer += length;
		const json_t *items = json_object_get(types, "items");
		types = items != NULL ? items : event_member_type(types, name);
	}
	return types;
}

/* *done: the logical type says what the value is, and it was written. */
static weir_status write_logical(const struct jsondoc *document, const json_t *node,
				 const struct weir_field *field, const json_t *type,
				 struct buffer *out, bool *done, struct weir_error *error)
{
	const char *name = json_string_value(json_object_get(type, "name"));
	if (name == NULL)
		return WEIR_OK;
	enum schema_unit unit = counted_in(name);
	*done = true;
	if (unit != SCHEMA_AS_IS && json_is_integer(node) &&
	    (field == NULL || field->type != WEIR_TYPE_NUMBER))
		return write_counted(document, field, node, unit, out, error);
	if (strcmp(name, "org.apache.kafka.connect.data.Decimal") == 0 && json_is_string(node))
		return write_bytes(document, field, node,
				   json_object_get(json_object_get(type, "parameters"), "scale"),
				   out, error);
	if (strcmp(name, "io.debezium.data.VariableScaleDecimal") == 0 && json_is_object(node))
		return write_bytes(document, field, json_object_get(node, "value"),
				   json_object_get(node, "scale"), out, error);
	*done = false;
	return WEIR_OK;
}

static weir_status write_number(const struct jsondoc *document, const struct weir_field *field,
				const json_t *node, struct buffer *out, struct weir_error *error)
{
	size_t length = 0;
	const char *text = event_text_of(document, node, &length);
	if (text == NULL || !json_is_number_text(text, length))
		return wrong_type(field, "a number", error);
	buffer_append(out, text, length);
	return WEIR_OK;
}

weir_status event_value_write(const struct jsondoc *document, const json_t *node,
			      const struct weir_field *field, const json_t *type,
			      enum schema_unit unit, struct buffer *out, struct weir_error *error)
{
	bool done = false;
	if (unit != SCHEMA_AS_IS)
		return write_counted(document, field, node, unit, out, error);
	weir_status status = write_logical(document, node, field, type, out, &done, error);
	if (status != WEIR_OK || done)
		return status;
	switch (field != NULL ? field->type : 0) {
	case 0:
		break;
	case WEIR_TYPE_NUMBER:
		return write_number(document, field, node, out, error);
	case WEIR_TYPE_DATE:
		return write_date(field, node, out, error);
	case WEIR_TYPE_BOOLEAN:
		if (!json_is_boolean(node))
			return wrong_type(field, "true or false", error);
		break;
	default:
		if (!json_is_string(node))
			return wrong_type(field, "a string", error);
	}
	jsondoc_canonical(document, node, out);
	return WEIR_OK;
}
