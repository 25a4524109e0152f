/* SPDX-License-Identifier: MIT */
#include "fulltext.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "error.h"

#define K1 1.2
#define B 0.75
#define ASK_EVERY 4096 /* documents between two questions whether to go on */

struct fulltext_place {
	uint64_t at; /* column and, below it, the word's number */
	uint32_t phrase;
};

static int create_tokenizer(void *context, const char **arguments, int count, Fts5Tokenizer **out)
{
	static char none;
	(void)context, (void)arguments, (void)count;
	*out = (Fts5Tokenizer *)(void *)&none;
	return SQLITE_OK;
}

static void delete_tokenizer(Fts5Tokenizer *tokenizer)
{
	(void)tokenizer;
}

/* The byte that says how much a stem shares with its word: no space, line feed or mark. */
#define SHARED 0x40

bool fulltext_append(struct bytes *text, const char *word, size_t word_length, const char *stem,
		     size_t stem_length)
{
	if (!bytes_append(text, word, word_length))
		return false;
	if (stem == NULL)
		return true;
	size_t shared = 0;
	while (shared < word_length && shared < stem_length && word[shared] == stem[shared])
		shared++;
	const char head[] = {FULLTEXT_MARK, (char)(SHARED + shared)};
	return bytes_append(text, head, sizeof(head)) &&
	       bytes_append(text, stem + shared, stem_length - shared);
}

typedef int on_token(void *context, int flags, const char *token, int length, int start, int end);

/* The stem of the word, as it is written behind it. */
static int give_stem(void *context, on_token *give, const char *word, int word_length,
		     const char *written, int written_length, int start)
{
	char token[1 + 2 * WEIR_WORD_LIMIT] = {FULLTEXT_MARK};
	int shared = written_length > 0 ? (unsigned char)written[0] - SHARED : -1;
	int rest = written_length - 1;
	if (shared < 0 || shared > word_length || shared > WEIR_WORD_LIMIT ||
	    rest > WEIR_WORD_LIMIT)
		return SQLITE_OK;
	memcpy(token + 1, word, (size_t)shared);
	memcpy(token + 1 + shared, written + 1, (size_t)rest);
	return give(context, FTS5_TOKEN_COLOCATED, token, 1 + shared + rest, start,
		    start + word_length);
}

static int give_word(void *context, on_token *give, const char *text, int start, int end)
{
	const char *word = text + start;
	/* A query asks for a stem by itself, in the form that it has in the index. */
	const char *mark = memchr(word + 1, FULLTEXT_MARK, (size_t)(end - start - 1));
	int length = mark != NULL ? (int)(mark - word) : end - start;
	int code = give(context, 0, word, length, start, start + length);
	if (code != SQLITE_OK || mark == NULL)
		return code;
	return give_stem(context, give, word, length, mark + 1, end - start - length - 1, start);
}

static int cut_at_spaces(Fts5Tokenizer *tokenizer, void *context, int reason, const char *text,
			 int length, on_token *give)
{
	(void)tokenizer, (void)reason;
	int code = SQLITE_OK;
	for (int start = 0; start < length && code == SQLITE_OK;) {
		const char *space = memchr(text + start, ' ', (size_t)(length - start));
		int end = space != NULL ? (int)(space - text) : length;
		if (end > start)
			code = give_word(context, give, text, start, end);
		start = end + 1;
	}
	return code;
}

struct counting {
	const struct weir_host *host;
	int64_t documents;
};

static int count_document(const Fts5ExtensionApi *api, Fts5Context *fts, void *context)
{
	struct counting *counting = context;
	(void)api, (void)fts;
	if (++counting->documents % ASK_EVERY == 0 &&
	    counting->host->cancelled(counting->host->context) != 0)
		return SQLITE_INTERRUPT;
	return SQLITE_OK;
}

static int prepare_score(const Fts5ExtensionApi *api, Fts5Context *fts,
			 struct fulltext_score *score)
{
	sqlite3_int64 rows = 0, words = 0;
	int code = api->xRowCount(fts, &rows);
	if (code == SQLITE_OK)
		code = api->xColumnTotalSize(fts, -1, &words);
	for (size_t i = 0; i < score->phrase_count && code == SQLITE_OK; i++) {
		struct counting counting = {score->host, 0};
		score->rarities[i] = 0;
		if (score->phrases[i] == 0)
			continue;
		code = api->xQueryPhrase(fts, (int)i, &counting, count_document);
		double without = (double)(rows - counting.documents);
		score->rarities[i] = log1p((without < 0 ? 0.5 : without + 0.5) /
					   ((double)counting.documents + 0.5));
	}
	score->average_length = rows > 0 && words > 0 ? (double)words / (double)rows : 1;
	score->is_ready = code == SQLITE_OK;
	return code;
}

/* How often the phrase occurs, each time by the weight of its column. */
static int frequency(const Fts5ExtensionApi *api, Fts5Context *fts, int phrase,
		     const double *columns, double *sum)
{
	Fts5PhraseIter iterator;
	int column = -1, offset = -1;
	int code = api->xPhraseFirst(fts, phrase, &iterator, &column, &offset);
	for (*sum = 0; code == SQLITE_OK && column >= 0;
	     api->xPhraseNext(fts, &iterator, &column, &offset))
		*sum += columns[column];
	return code;
}

/* BM25 of a document that is so long, in multiples of the average. */
static double sum_up(const struct fulltext_score *score, double length)
{
	double longer = K1 * (1 - B + B * length), sum = 0;
	for (size_t i = 0; i < score->phrase_count; i++) {
		double found = score->frequencies[i];
		if (found > 0)
			sum += score->phrases[i] * score->rarities[i] * found * (K1 + 1) /
			       (found + longer);
	}
	return sum;
}

/* To ask for a length is the dearest part: only where it may matter. */
static int score_one(const Fts5ExtensionApi *api, Fts5Context *fts, struct fulltext_score *score,
		     double *sum)
{
	int code = score->is_ready ? SQLITE_OK : prepare_score(api, fts, score);
	for (size_t i = 0; i < score->phrase_count && code == SQLITE_OK; i++) {
		score->frequencies[i] = 0;
		if (score->phrases[i] != 0)
			code = frequency(api, fts, (int)i, score->columns, &score->frequencies[i]);
	}
	if (code != SQLITE_OK)
		return code;
	*sum = sum_up(score, 0);
	if (*sum < score->threshold)
		return SQLITE_OK;
	int length = 0;
	code = api->xColumnSize(fts, -1, &length);
	*sum = sum_up(score, length / score->average_length);
	return code;
}

static void score_document(const Fts5ExtensionApi *api, Fts5Context *fts, sqlite3_context *out,
			   int count, sqlite3_value **arguments)
{
	struct fulltext_score *score =
		count == 1 ? sqlite3_value_pointer(arguments[0], FULLTEXT_SCORE) : NULL;
	if (score == NULL || (score->among != NULL && !bits_has(score->among, api->xRowid(fts))))
		return;
	double sum = 0;
	int code = score_one(api, fts, score, &sum);
	if (code == SQLITE_OK)
		sqlite3_result_double(out, sum);
	else
		sqlite3_result_error_code(out, code);
}

void fulltext_near_finish(struct fulltext_near *near)
{
	free(near->places);
	near->places = NULL;
	near->place_count = near->place_capacity = 0;
}

static int compare_places(const void *left, const void *right)
{
	uint64_t a = ((const struct fulltext_place *)left)->at;
	uint64_t b = ((const struct fulltext_place *)right)->at;
	return a < b ? -1 : a > b;
}

static int gather_places(const Fts5ExtensionApi *api, Fts5Context *fts, struct fulltext_near *near)
{
	near->place_count = 0;
	for (size_t i = 0; i < near->phrase_count; i++) {
		Fts5PhraseIter iterator;
		int column = -1, offset = -1;
		int code = api->xPhraseFirst(fts, (int)i, &iterator, &column, &offset);
		for (; code == SQLITE_OK && column >= 0;
		     api->xPhraseNext(fts, &iterator, &column, &offset)) {
			struct fulltext_place *places =
				array_grow(near->places, near->place_count, &near->place_capacity,
					   sizeof(*places));
			if (places == NULL)
				return SQLITE_NOMEM;
			near->places = places;
			places[near->place_count++] = (struct fulltext_place){
				(uint64_t)column << 32 | (uint32_t)offset, (uint32_t)i};
		}
		if (code != SQLITE_OK)
			return code;
	}
	if (near->place_count > 1)
		qsort(near->places, near->place_count, sizeof(*near->places), compare_places);
	return SQLITE_OK;
}

/* Slides a window over the places and counts what it lacks; a word that is wanted twice must stand
 * there twice. */
static bool window_holds(const struct fulltext_near *near)
{
	uint64_t missing = near->missing;
	size_t left = 0;
	memcpy(near->lacking, near->wanted, near->phrase_count * sizeof(*near->lacking));
	int32_t *lacking = (int32_t *)near->lacking;
	for (size_t right = 0; right < near->place_count; right++) {
		const struct fulltext_place *place = &near->places[right];
		missing -= lacking[place->phrase]-- > 0;
		while (near->places[left].at >> 32 != place->at >> 32 ||
		       place->at - near->places[left].at >= near->window)
			missing += ++lacking[near->places[left++].phrase] > 0;
		if (missing == 0)
			return true;
	}
	return false;
}

static void near_document(const Fts5ExtensionApi *api, Fts5Context *fts, sqlite3_context *out,
			  int count, sqlite3_value **arguments)
{
	struct fulltext_near *near =
		count == 1 ? sqlite3_value_pointer(arguments[0], FULLTEXT_NEAR) : NULL;
	if (near == NULL)
		return;
	int code = gather_places(api, fts, near);
	if (code == SQLITE_OK)
		sqlite3_result_int(out, window_holds(near));
	else
		sqlite3_result_error_code(out, code);
}

weir_status fulltext_register(const struct database *database, struct weir_error *error)
{
	fts5_api *api = NULL;
	sqlite3_stmt *statement = NULL;
	if (sqlite3_prepare_v2(database->handle, "SELECT fts5(?1)", -1, &statement, NULL) ==
	    SQLITE_OK) {
		sqlite3_bind_pointer(statement, 1, (void *)&api, "fts5_api_ptr", NULL);
		sqlite3_step(statement);
	}
	sqlite3_finalize(statement);
	if (api == NULL || api->iVersion < 2)
		return error_set(error, WEIR_FATAL,
				 "sqlite: this libsqlite3 (%s) has no FTS5; install one with it",
				 sqlite3_libversion());
	fts5_tokenizer tokenizer = {create_tokenizer, delete_tokenizer, cut_at_spaces};
	if (api->xCreateTokenizer(api, "weir", NULL, &tokenizer, NULL) != SQLITE_OK ||
	    api->xCreateFunction(api, FULLTEXT_SCORE, NULL, score_document, NULL) != SQLITE_OK ||
	    api->xCreateFunction(api, FULLTEXT_NEAR, NULL, near_document, NULL) != SQLITE_OK)
		return error_no_memory(error);
	return WEIR_OK;
}
