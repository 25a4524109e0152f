/* SPDX-License-Identifier: MIT
 * convergence.h - an alphabet of messages, and a model of what a set of them comes to. The model
 * knows nothing of merging one by one: it works the state out at once, from the words of
 * docs/contract.md, and writes the blob by itself. */
#ifndef CONVERGENCE_H
#define CONVERGENCE_H

#include <stdio.h>
#include <string.h>

#include "state.h"

enum { ALPHABET = 28, FIELDS = 2 };

/* A message: what it is and what it says of the two fields; NULL: nothing, "": null. */
struct letter {
	enum schema_operation operation;
	int64_t version;
	const char *values[FIELDS];
};

#define C SCHEMA_CREATED
#define U SCHEMA_UPDATED
#define D SCHEMA_DELETED

static const char *const field_names[FIELDS] = {"city", "title"};

/* Versions below zero, zero, above; equal ones between all kinds, and between values of one kind.
 */
static const struct letter alphabet[ALPHABET] = {
	{C, -7, {"\"x\"", "\"a\""}}, {C, 0, {"\"x\"", "\"a\""}}, {C, 4, {"\"x\"", "\"a\""}},
	{C, -7, {NULL, "\"b\""}},    {C, 0, {NULL, "\"b\""}},	 {C, 4, {NULL, "\"b\""}},
	{C, 0, {"", "\"\""}},	     {C, 4, {"\"y\"", ""}},	 {U, -7, {"\"y\"", NULL}},
	{U, 0, {"\"y\"", NULL}},     {U, 4, {"\"y\"", NULL}},	 {U, -7, {"", NULL}},
	{U, 0, {"", NULL}},	     {U, 4, {"", NULL}},	 {U, -7, {NULL, "\"c\""}},
	{U, 0, {NULL, "\"c\""}},     {U, 4, {NULL, "\"c\""}},	 {U, 0, {"\"x\"", "\"ca\""}},
	{U, 4, {"\"z\"", "\"b\""}},  {U, -7, {NULL, ""}},	 {U, 0, {NULL, ""}},
	{U, 4, {NULL, ""}},	     {U, 4, {"\"7\"", "\"c\""}}, {U, 0, {NULL, NULL}},
	{D, -7, {NULL, NULL}},	     {D, 0, {NULL, NULL}},	 {D, 3, {NULL, NULL}},
	{D, 4, {NULL, NULL}},
};

/* What the model says of a set. */
struct model {
	unsigned char blob[64];
	size_t length;
	bool visible;
	int64_t version;
};

static inline void put_number(struct model *model, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		model->blob[model->length++] = (unsigned char)(value | 0x80);
	model->blob[model->length++] = (unsigned char)value;
}

static inline void put_signed(struct model *model, int64_t value)
{
	put_number(model, value < 0 ? (uint64_t) - (value + 1) * 2 + 1 : (uint64_t)value * 2);
}

static inline void put_text(struct model *model, const char *text)
{
	put_number(model, strlen(text));
	memcpy(model->blob + model->length, text, strlen(text));
	model->length += strlen(text);
}

/* Of two that write one field: the newer; an update over a create; the greater value. */
static inline bool better(const struct letter *left, const struct letter *right, size_t field)
{
	if (left->version != right->version)
		return left->version > right->version;
	if (left->operation != right->operation)
		return left->operation == U;
	const char *one = left->values[field], *other = right->values[field];
	return strcmp(*one == '\0' ? "null" : one, *other == '\0' ? "null" : other) > 0;
}

/* Who wrote the field: the best of those that are newer than every delete. NULL: nobody. */
static inline const struct letter *best_writer(uint32_t set, size_t field, bool deleted,
					       int64_t delete_version)
{
	const struct letter *best = NULL;
	for (size_t i = 0; i < ALPHABET; i++) {
		const struct letter *letter = &alphabet[i];
		if ((set >> i & 1) == 0 || letter->values[field] == NULL ||
		    (deleted && letter->version <= delete_version))
			continue;
		if (best == NULL || better(letter, best, field))
			best = letter;
	}
	return best;
}

static inline void make_model(uint32_t set, struct model *model)
{
	const struct letter *writers[FIELDS];
	bool deleted = false;
	int64_t delete_version = INT64_MIN;
	size_t count = 0;
	for (size_t i = 0; i < ALPHABET; i++) {
		if ((set >> i & 1) == 0 || alphabet[i].operation != D)
			continue;
		deleted = true;
		if (alphabet[i].version > delete_version)
			delete_version = alphabet[i].version;
	}
	*model = (struct model){.version = delete_version};
	for (size_t field = 0; field < FIELDS; field++) {
		writers[field] = best_writer(set, field, deleted, delete_version);
		count += writers[field] != NULL;
		if (writers[field] != NULL && writers[field]->version > model->version)
			model->version = writers[field]->version;
	}
	model->visible = writers[1] != NULL && *writers[1]->values[1] != '\0';
	put_number(model, 1);
	put_number(model, deleted);
	if (deleted)
		put_signed(model, delete_version);
	put_number(model, count);
	for (size_t field = 0; field < FIELDS; field++) {
		if (writers[field] == NULL)
			continue;
		bool cleared = *writers[field]->values[field] == '\0';
		put_text(model, field_names[field]);
		put_signed(model, writers[field]->version);
		model->blob[model->length++] =
			(unsigned char)((writers[field]->operation == C ? 10 : 20) |
					(cleared ? 0x80 : 0));
		if (!cleared)
			put_text(model, writers[field]->values[field]);
	}
}

static struct event_change changes[ALPHABET];
static struct event_field change_fields[ALPHABET][FIELDS];

/* The alphabet as the decoder would hand it out. */
static inline void make_changes(void)
{
	for (size_t i = 0; i < ALPHABET; i++) {
		changes[i] = (struct event_change){.operation = alphabet[i].operation,
						   .version = alphabet[i].version,
						   .fields = change_fields[i]};
		for (size_t field = 0; field < FIELDS; field++) {
			const char *value = alphabet[i].values[field];
			if (value == NULL)
				continue;
			change_fields[i][changes[i].field_count++] =
				(struct event_field){.name = field_names[field],
						     .name_length = strlen(field_names[field]),
						     .clears = *value == '\0',
						     .json = value,
						     .json_length = strlen(value)};
		}
	}
}

#endif
