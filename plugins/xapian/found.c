/* SPDX-License-Identifier: MIT */
#include "found.h"

#include <string.h>

#define DEPTH_LIMIT 64		/* what is nested deeper is not kept */
#define KEY_LIMIT 8192		/* bytes; a longer question is not kept */
#define CHUNKS_LIMIT (1U << 20) /* bytes: more than 8 million docids */

struct found_chunk {
	uint64_t base;
	uint64_t bits[BITS_WORDS];
};

void found_finish(struct found *found)
{
	bytes_finish(&found->key);
	bytes_finish(&found->chunks);
	bytes_finish(&found->asked);
	*found = (struct found){0};
}

static bool add_number(struct bytes *key, uint64_t number)
{
	return bytes_append(key, &number, sizeof(number));
}

static bool add_text(struct bytes *key, const char *text, size_t length)
{
	return add_number(key, length) && length < KEY_LIMIT && bytes_append(key, text, length);
}

static bool add_value(struct bytes *key, const struct weir_value *value, uint32_t type)
{
	uint64_t number = 0;
	if (type == WEIR_TYPE_KEYWORD)
		return add_text(key, value->text, value->text_length);
	if (type == WEIR_TYPE_TEXT)
		return false;
	if (type == WEIR_TYPE_NUMBER)
		memcpy(&number, &value->number, sizeof(number));
	else
		number = (uint64_t)value->integer;
	return add_number(key, number);
}

static bool add_query(struct bytes *key, const struct fields *fields,
		      const struct weir_query *query, unsigned depth)
{
	bool is_text = query->kind == WEIR_QUERY_TERM || query->kind == WEIR_QUERY_PHRASE ||
		       query->kind == WEIR_QUERY_PREFIX;
	bool is_exact = query->kind == WEIR_QUERY_EXACT, is_range = query->kind == WEIR_QUERY_RANGE;
	bool good = depth < DEPTH_LIMIT && key->length < KEY_LIMIT && add_number(key, query->kind);
	if (good && (is_text || is_exact || is_range))
		good = add_number(key, (uint64_t)query->field);
	if (good && is_text)
		good = add_number(key, query->distance) &&
		       add_text(key, query->text, query->text_length);
	if (good && (is_exact || is_range)) {
		if (query->field < 0 || (size_t)query->field >= fields->count)
			return false;
		uint32_t type = fields->fields[query->field].type, flags = query->range_flags;
		if (is_range && type == WEIR_TYPE_KEYWORD)
			return false;
		good = !is_range || add_number(key, flags);
		if (good && (is_exact || (flags & WEIR_RANGE_HAS_LOWER) != 0))
			good = add_value(key, &query->lower, type);
		if (good && is_range && (flags & WEIR_RANGE_HAS_UPPER) != 0)
			good = add_value(key, &query->upper, type);
	}
	if (is_text || is_exact || is_range)
		return good;
	good = good && add_number(key, query->child_count);
	for (size_t i = 0; good && i < query->child_count; i++)
		good = add_query(key, fields, query->children[i], depth + 1);
	return good;
}

/* What decides which documents match, and nothing else. */
static bool make_key(struct bytes *key, const struct question *question)
{
	key->length = 0;
	return add_number(key, question->generation) &&
	       add_query(key, question->fields, question->query, 0) &&
	       (question->filter == NULL || add_query(key, question->fields, question->filter, 0));
}

void found_begin(struct found *found, const struct question *question)
{
	found->chunks.length = 0;
	found->is_whole = false;
	found->has_failed = !make_key(&found->key, question);
}

void found_add(struct found *found, const struct match_chunk *chunk)
{
	if (found->has_failed)
		return;
	struct found_chunk kept = {.base = chunk->base};
	memcpy(kept.bits, chunk->bits, sizeof(kept.bits));
	found->has_failed = found->chunks.length + sizeof(kept) > CHUNKS_LIMIT ||
			    !bytes_append(&found->chunks, &kept, sizeof(kept));
}

void found_end(struct found *found)
{
	found->is_whole = !found->has_failed;
}

static bool is_same(const struct bytes *left, const struct bytes *right)
{
	return left->length == right->length && memcmp(left->data, right->data, left->length) == 0;
}

bool found_each(struct found *found, const struct question *question, match_on_chunk *on_chunk,
		void *context)
{
	if (!found->is_whole || !make_key(&found->asked, question) ||
	    !is_same(&found->key, &found->asked))
		return false;
	int stop = 0;
	for (size_t at = 0; at < found->chunks.length && stop == 0;) {
		struct found_chunk kept;
		struct match_chunk chunk = {.scores = NULL};
		memcpy(&kept, found->chunks.data + at, sizeof(kept));
		chunk.base = (uint32_t)kept.base;
		memcpy(chunk.bits, kept.bits, sizeof(kept.bits));
		stop = on_chunk(context, &chunk);
		at += sizeof(kept);
	}
	return true;
}
