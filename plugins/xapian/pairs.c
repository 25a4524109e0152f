/* SPDX-License-Identifier: MIT
 * pairs.c
 *
 * The file: struct pairs_head, a u64 for each chunk (where its table begins; 0: it has none), the
 * tables. A table: a u32 for each bucket and one more, where the bucket begins among the table's
 * entries; the entries, u16 each. A bucket begins with a checksum; the others are a document's
 * place in the chunk and CHECK_BITS of the pair's hash. Byte order is the machine's. */
#include "pairs.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "record.h"

#define PAIRS_NAME "pairs"
#define MAGIC UINT64_C(0x3172696170726977) /* "wirpair1" in little endian */
#define BUCKETS (2 * CHUNK_DOCIDS)
#define CHECK_BITS 4
#define CHUNK_LIMIT 4096U /* of a segment; to be sure that memory for their places is sane */
/* A chunk of so many words is looked up in its records: making its table would need 4 bytes for
 * each. */
#define PAIR_LIMIT (1U << 23)
#define WINDOW (64U << 10) /* of the log, read at once */

_Static_assert(CHUNK_DOCIDS <= 1U << (16 - CHECK_BITS), "a place and a check are 16 bits");

struct pairs_head {
	uint64_t magic, checksum; /* of the rest, and the places */
	uint32_t first_chunk, chunk_count;
};

struct pairs {
	struct file file;
	struct pairs_head head;
	uint64_t *places;
	struct bytes bucket; /* scratch */
};

static uint32_t bucket_of(uint64_t pair)
{
	return (uint32_t)((pair >> 32) * BUCKETS >> 32);
}

static uint16_t entry_of(uint64_t pair, uint32_t index)
{
	return (uint16_t)(index << CHECK_BITS | (pair & ((1U << CHECK_BITS) - 1)));
}

static uint16_t bucket_checksum(uint32_t bucket, const uint16_t *entries, size_t count)
{
	return (uint16_t)hash_bytes(bucket, entries, count * sizeof(*entries));
}

static uint64_t head_checksum(const struct pairs_head *head, const uint64_t *places)
{
	uint64_t hash = hash_bytes(head->first_chunk, places, head->chunk_count * sizeof(*places));
	return hash_bytes(hash, &head->chunk_count, sizeof(head->chunk_count));
}

/* Reading */

static bool read_at(const struct file *file, uint64_t offset, void *out, size_t length)
{
	struct weir_error none;
	size_t got = 0;
	return file_read(file, offset, out, length, &got, &none) == WEIR_OK && got == length;
}

static bool read_head(struct pairs *pairs)
{
	struct pairs_head *head = &pairs->head;
	if (!read_at(&pairs->file, 0, head, sizeof(*head)) || head->magic != MAGIC ||
	    head->chunk_count == 0 || head->chunk_count > CHUNK_LIMIT)
		return false;
	size_t length = head->chunk_count * sizeof(*pairs->places);
	pairs->places = malloc(length);
	return pairs->places != NULL &&
	       read_at(&pairs->file, sizeof(*head), pairs->places, length) &&
	       head_checksum(head, pairs->places) == head->checksum;
}

struct pairs *pairs_open(const char *folder)
{
	struct weir_error none;
	struct pairs *pairs = calloc(1, sizeof(*pairs));
	if (pairs == NULL)
		return NULL;
	pairs->file = FILE_CLOSED;
	if (file_open(&pairs->file, folder, PAIRS_NAME, O_RDONLY, &none) == WEIR_OK &&
	    read_head(pairs))
		return pairs;
	pairs_close(pairs);
	return NULL;
}

void pairs_close(struct pairs *pairs)
{
	if (pairs == NULL)
		return;
	file_close(&pairs->file);
	bytes_finish(&pairs->bucket);
	free(pairs->places);
	free(pairs);
}

/* Where the chunk's table begins; 0: there is none. */
static uint64_t table_of(const struct pairs *pairs, uint32_t chunk)
{
	uint32_t index = chunk - pairs->head.first_chunk;
	return index < pairs->head.chunk_count ? pairs->places[index] : 0;
}

/* The bucket's entries, checksum first. *count: 0 when it is damaged. */
static const uint16_t *read_bucket(struct pairs *pairs, uint64_t table, uint32_t bucket,
				   size_t *count)
{
	uint32_t range[2];
	uint64_t place = table + bucket * sizeof(uint32_t);
	*count = 0;
	if (!read_at(&pairs->file, place, range, sizeof(range)) || range[0] >= range[1] ||
	    range[1] > PAIR_LIMIT + BUCKETS)
		return NULL;
	size_t wanted = range[1] - range[0];
	uint64_t entries = table + (BUCKETS + 1) * sizeof(uint32_t);
	if (!bytes_reserve(&pairs->bucket, wanted * sizeof(uint16_t)) ||
	    !read_at(&pairs->file, entries + range[0] * sizeof(uint16_t), pairs->bucket.data,
		     wanted * sizeof(uint16_t)))
		return NULL;
	const uint16_t *found = (const uint16_t *)(const void *)pairs->bucket.data;
	if (bucket_checksum(bucket, found + 1, wanted - 1) != found[0])
		return NULL;
	*count = wanted;
	return found;
}

bool pairs_keep(struct pairs *pairs, uint32_t chunk, uint64_t pair, uint64_t *bits)
{
	uint64_t table = table_of(pairs, chunk), having[(CHUNK_DOCIDS + 63) / 64] = {0};
	size_t count = 0;
	const uint16_t *entries =
		table != 0 ? read_bucket(pairs, table, bucket_of(pair), &count) : NULL;
	if (count == 0)
		return false;
	for (size_t i = 1; i < count; i++) {
		uint32_t index = entries[i] >> CHECK_BITS;
		if (entries[i] == entry_of(pair, index))
			having[index / 64] |= UINT64_C(1) << index % 64;
	}
	for (size_t i = 0; i < sizeof(having) / sizeof(having[0]); i++)
		bits[i] &= having[i];
	return true;
}

/* Making */

struct making {
	const struct pairs_source *source;
	struct file file;
	uint64_t end; /* of what is written */
	/* Of the chunk under way: bucket << 16 | entry. */
	uint32_t *pairs;
	size_t count, capacity;
	uint32_t starts[BUCKETS + 1];
	struct bytes window, out;
	uint64_t window_place;
};

_Static_assert(BUCKETS <= 1U << 16, "a bucket and an entry are 32 bits");

static bool add_pair(struct making *making, uint64_t pair, uint32_t index)
{
	uint32_t *pairs = making->pairs;
	if (making->count == making->capacity) {
		pairs = array_grow(pairs, making->count, &making->capacity, sizeof(*pairs));
		if (pairs == NULL)
			return false;
		making->pairs = pairs;
	}
	pairs[making->count++] = bucket_of(pair) << 16 | entry_of(pair, index);
	return making->count < PAIR_LIMIT;
}

/* words: NUL, a word, NUL, a word, NUL ... */
static bool add_words(struct making *making, const char *words, size_t length, uint32_t index)
{
	const char *end = words + length;
	uint64_t left = 0;
	bool is_first = true;
	for (const char *at = words + 1, *stop; at < end; at = stop + 1, is_first = false) {
		stop = memchr(at, '\0', (size_t)(end - at));
		if (stop == NULL)
			return false;
		uint64_t word = pairs_of_word(at, (size_t)(stop - at));
		if (!is_first && !add_pair(making, pairs_join(left, word), index))
			return false;
		left = word;
	}
	return true;
}

/* The beginning of the record, up to its words. */
static bool read_record(struct making *making, uint64_t place, struct record *record)
{
	struct weir_error none;
	struct bytes *window = &making->window;
	uint64_t ahead = place - making->window_place;
	if (ahead < window->length &&
	    record_read(window->data + ahead, window->length - (size_t)ahead, false, record))
		return true;
	for (size_t wanted = WINDOW; wanted <= UINT32_MAX; wanted *= 8) {
		size_t got = 0;
		window->length = 0;
		if (!bytes_reserve(window, wanted) ||
		    log_read(making->source->log, place, window->data, wanted, &got, &none) !=
			    WEIR_OK)
			return false;
		window->length = got;
		making->window_place = place;
		if (record_read(window->data, got, false, record))
			return true;
		if (got < wanted)
			return false;
	}
	return false;
}

static bool add_document(struct making *making, uint32_t docid)
{
	struct record record;
	uint64_t place = rows_u64(making->source->rows, COLUMN_LOCATION, docid) & ~LOCATION_HIDDEN;
	if (!read_record(making, place, &record) || record.head.docid != docid)
		return false;
	const char *words;
	size_t at = 0, field, length;
	bool good = true;
	while (good && record_next_words(&record, &at, &field, &words, &length))
		good = add_words(making, words, length, (docid - 1) % CHUNK_DOCIDS);
	return good;
}

/* Puts the pairs into their buckets; the first entry of each is its checksum. */
static bool fill_table(struct making *making)
{
	uint32_t *starts = making->starts;
	size_t count = making->count + BUCKETS;
	if (!bytes_reserve(&making->out, count * sizeof(uint16_t)))
		return false;
	uint16_t *entries = (uint16_t *)(void *)making->out.data;
	memset(starts, 0, sizeof(making->starts));
	for (size_t i = 0; i < making->count; i++)
		starts[(making->pairs[i] >> 16) + 1]++;
	for (uint32_t bucket = 0; bucket < BUCKETS; bucket++)
		starts[bucket + 1] += starts[bucket] + 1;
	/* starts[] is where the next one goes, until it is where the bucket ends. */
	for (size_t i = 0; i < making->count; i++)
		entries[++starts[making->pairs[i] >> 16]] = (uint16_t)making->pairs[i];
	for (uint32_t bucket = BUCKETS; bucket > 0; bucket--)
		starts[bucket] = starts[bucket - 1] + 1;
	starts[0] = 0;
	for (uint32_t bucket = 0; bucket < BUCKETS; bucket++)
		entries[starts[bucket]] = bucket_checksum(bucket, entries + starts[bucket] + 1,
							  starts[bucket + 1] - starts[bucket] - 1);
	making->out.length = count * sizeof(uint16_t);
	return true;
}

/* *place: where the table of the chunk is; 0: it has none. */
static weir_status make_table(struct making *making, uint32_t chunk, uint64_t *place,
			      struct weir_error *error)
{
	bool good = true;
	making->count = 0;
	*place = 0;
	for (uint32_t docid = chunk * CHUNK_DOCIDS + 1; docid <= (chunk + 1) * CHUNK_DOCIDS && good;
	     docid++)
		good = rows_u32(making->source->rows, COLUMN_BORN, docid) == 0 ||
		       add_document(making, docid);
	if (!good || !fill_table(making))
		return WEIR_OK;
	struct iovec parts[] = {{making->starts, sizeof(making->starts)},
				{making->out.data, making->out.length}};
	weir_status status = file_write_parts(&making->file, making->end, parts, 2, error);
	if (status == WEIR_OK) {
		*place = making->end;
		making->end += sizeof(making->starts) + making->out.length;
	}
	return status;
}

/* Copies the chunk's table, if the input has it. */
static weir_status copy_table(struct making *making, const struct pairs *input, uint32_t chunk,
			      uint64_t *place, struct weir_error *error)
{
	uint64_t table = input != NULL ? table_of(input, chunk) : 0;
	uint32_t entries = 0;
	if (table == 0 ||
	    !read_at(&input->file, table + BUCKETS * sizeof(uint32_t), &entries, sizeof(entries)) ||
	    entries > PAIR_LIMIT + BUCKETS)
		return WEIR_OK;
	uint64_t length = sizeof(making->starts) + entries * sizeof(uint16_t), done = 0;
	if (!bytes_reserve(&making->window, WINDOW))
		return error_no_memory(error);
	making->window.length = 0; /* is not of the log any more */
	while (done < length) {
		size_t part = length - done < WINDOW ? (size_t)(length - done) : WINDOW;
		if (!read_at(&input->file, table + done, making->window.data, part))
			return WEIR_OK;
		weir_status status = file_write(&making->file, making->end + done,
						making->window.data, part, error);
		if (status != WEIR_OK)
			return status;
		done += part;
	}
	*place = making->end;
	making->end += length;
	return WEIR_OK;
}

static weir_status make_tables(struct making *making, const struct pairs_head *head,
			       struct pairs *const *inputs, size_t input_count, uint64_t *places,
			       struct weir_error *error)
{
	weir_status status = WEIR_OK;
	making->end = sizeof(*head) + head->chunk_count * sizeof(*places);
	for (uint32_t i = 0; i < head->chunk_count && status == WEIR_OK; i++) {
		uint32_t chunk = head->first_chunk + i;
		for (size_t j = 0; j < input_count && status == WEIR_OK && places[i] == 0; j++)
			status = copy_table(making, inputs[j], chunk, &places[i], error);
		if (status == WEIR_OK && places[i] == 0)
			status = make_table(making, chunk, &places[i], error);
	}
	return status;
}

/* The head comes last: without it the file is none. */
static weir_status write_file(struct making *making, struct pairs_head *head,
			      struct pairs *const *inputs, size_t input_count, uint64_t *places,
			      struct weir_error *error)
{
	weir_status status = make_tables(making, head, inputs, input_count, places, error);
	head->checksum = head_checksum(head, places);
	struct iovec parts[] = {{head, sizeof(*head)},
				{places, head->chunk_count * sizeof(*places)}};
	return status == WEIR_OK ? file_write_parts(&making->file, 0, parts, 2, error) : status;
}

static void finish_making(struct making *making)
{
	file_close(&making->file);
	bytes_finish(&making->window);
	bytes_finish(&making->out);
	free(making->pairs);
	free(making);
}

weir_status pairs_make(const struct pairs_source *source, const char *folder, uint32_t first_chunk,
		       uint32_t last_chunk, char *const *inputs, size_t input_count,
		       struct weir_error *error)
{
	struct pairs_head head = {MAGIC, 0, first_chunk, last_chunk - first_chunk + 1};
	struct making *making = calloc(1, sizeof(*making));
	uint64_t *places = calloc(head.chunk_count, sizeof(*places));
	struct pairs **opened = calloc(input_count + 1, sizeof(struct pairs *));
	weir_status status;
	if (making == NULL || places == NULL || opened == NULL) {
		free(making);
		free(places);
		free(opened);
		return error_no_memory(error);
	}
	making->source = source;
	for (size_t i = 0; i < input_count; i++)
		opened[i] = pairs_open(inputs[i]);
	status = file_open(&making->file, folder, PAIRS_NAME, O_RDWR | O_CREAT | O_TRUNC, error);
	if (status == WEIR_OK) {
		status = write_file(making, &head, opened, input_count, places, error);
		if (status != WEIR_OK)
			(void)unlink(making->file.path);
	} else {
		making->file = FILE_CLOSED;
	}
	for (size_t i = 0; i < input_count; i++)
		pairs_close(opened[i]);
	finish_making(making);
	free(places);
	free(opened);
	return status;
}
