/* SPDX-License-Identifier: MIT */
#include "sight.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"

/* To look at a whole chunk costs as much as to ask for so many documents one by one. */
#define FEW (CHUNK_DOCIDS / 8)

enum { UNKNOWN, ALL, SOME };

weir_status sight_move(struct sight *sight, uint64_t generation, uint32_t commit, uint32_t limit,
		       struct weir_error *error)
{
	size_t count = limit > 1 ? (limit - 2) / CHUNK_DOCIDS + 1 : 0;
	if (sight->states != NULL && sight->generation == generation && sight->count >= count)
		return WEIR_OK;
	if (sight->states == NULL || count > sight->count) {
		sight_finish(sight);
		/* Memory that is not touched is not there: most chunks need no bits. */
		sight->states = malloc(count + 1);
		sight->bits = malloc((count * BITS_WORDS + 1) * sizeof(uint64_t));
		if (sight->states == NULL || sight->bits == NULL) {
			sight_finish(sight);
			return error_no_memory(error);
		}
		sight->count = count;
	}
	memset(sight->states, UNKNOWN, sight->count);
	sight->generation = generation;
	sight->commit = commit;
	return WEIR_OK;
}

void sight_finish(struct sight *sight)
{
	free(sight->states);
	free(sight->bits);
	*sight = (struct sight){0};
}

static const uint32_t *column_of(const struct rows *rows, size_t column, uint32_t base)
{
	return (const uint32_t *)(const void *)rows_at(rows, column, base, sizeof(uint32_t));
}

/* One is taken from births and deaths, so that 0, which is never, becomes the largest. */
static bool is_seen(uint32_t born, uint32_t dead, uint32_t commit)
{
	return (born - 1 < commit) & (dead - 1 >= commit);
}

static bool all_seen(const uint32_t *born, const uint32_t *dead, uint32_t commit)
{
	uint32_t deaths = 0, unborn = 0;
	for (size_t i = 0; i < CHUNK_DOCIDS; i++)
		deaths |= dead[i];
	for (size_t i = 0; i < CHUNK_DOCIDS && deaths == 0; i++)
		unborn |= born[i] - 1 >= commit;
	return deaths == 0 && unborn == 0;
}

static void look(struct sight *sight, const struct rows *rows, uint32_t base)
{
	size_t chunk = (base - 1) / CHUNK_DOCIDS;
	const uint32_t *born = column_of(rows, COLUMN_BORN, base);
	const uint32_t *dead = column_of(rows, COLUMN_DEAD, base);
	uint64_t *bits = sight->bits + chunk * BITS_WORDS;
	if (all_seen(born, dead, sight->commit)) {
		sight->states[chunk] = ALL;
		return;
	}
	memset(bits, 0, BITS_WORDS * sizeof(*bits));
	for (size_t i = 0; i < CHUNK_DOCIDS; i++)
		bits[i / 64] |= (uint64_t)is_seen(born[i], dead[i], sight->commit) << i % 64;
	sight->states[chunk] = SOME;
}

static void ask_each(const struct sight *sight, const struct rows *rows, uint32_t base,
		     uint64_t *bits)
{
	const uint32_t *born = column_of(rows, COLUMN_BORN, base);
	const uint32_t *dead = column_of(rows, COLUMN_DEAD, base);
	uint32_t index;
	EACH_BIT(bits, index)
	if (!is_seen(born[index], dead[index], sight->commit))
		bits[index / 64] &= ~(UINT64_C(1) << index % 64);
}

void sight_mask(struct sight *sight, const struct rows *rows, uint32_t base, uint64_t *bits)
{
	size_t chunk = (base - 1) / CHUNK_DOCIDS;
	if (sight->states[chunk] == UNKNOWN) {
		if (bits_count(bits) < FEW) {
			ask_each(sight, rows, base, bits);
			return;
		}
		look(sight, rows, base);
	}
	const uint64_t *seen = sight->bits + chunk * BITS_WORDS;
	for (size_t i = 0; sight->states[chunk] == SOME && i < BITS_WORDS; i++)
		bits[i] &= seen[i];
}
