/* SPDX-License-Identifier: MIT
 * harness.h - what the cases need: the plug-in under test, a collection, documents in a few words,
 * queries in a few words, and answers as text to compare. */
#ifndef HARNESS_H
#define HARNESS_H

#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "weir/backend.h"

/* The fields of the collection that all cases use. */
enum {
	TITLE, /* text, en, boost 3, searched, sorted, suggested */
	BODY,  /* text, en, searched */
	PLACE, /* text, no language, searched */
	TAG,   /* keyword, boost 2, searched, filtered, sorted, counted */
	CODE,  /* keyword, filtered */
	PRICE, /* number, filtered, sorted */
	DAY,   /* date, filtered, sorted */
	FREE,  /* boolean, filtered, sorted, counted */
	LABEL, /* keyword, counted */
	FIELD_COUNT,
	ANY = WEIR_FIELD_DEFAULT,
};

extern const struct weir_operations *backend;
extern const struct weir_manifest *manifest;
extern const struct weir_schema collection;
extern struct weir_host host;
/* From so many askings on, host.cancelled says yes; 0: never. */
void host_cancel_at(int asking);

struct plugin;
void harness_use(const struct plugin *plugin, unsigned seed);
bool harness_can(uint64_t capabilities); /* all of them */
uint64_t harness_offered(void);		 /* with what suite.h adds */
void harness_setup(void);		 /* a fresh folder for each case */
void harness_teardown(void);
void harness_remove(const char *folder);
extern unsigned harness_seed; /* of the random cases */

weir_status try_open(uint32_t mode, const struct weir_schema *schema, weir_instance **instance,
		     struct weir_error *error);
weir_instance *open_writer(void);
weir_instance *open_reader(void);
weir_session *open_session(weir_instance *instance);

#define MUST(call)                                                                                 \
	do {                                                                                       \
		struct weir_error error = {""};                                                    \
		weir_status must_status = (call);                                                  \
		if (must_status != WEIR_OK)                                                        \
			ck_abort_msg("%s: %d: %s", #call, (int)must_status, error.message);        \
	} while (0)

/* As ck_assert, without telling check where it is each time (a write): for what happens often. */
#define REQUIRE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition))                                                                  \
			ck_abort_msg("%s", #condition);                                            \
	} while (0)

/* A document; absent members are absent fields. */
struct item {
	const char *id;
	const char *title, *body, *place, *tag, *code;
	const char *price, *day, *free; /* written as numbers */
	const char *label;
	size_t title_length, tag_length, label_length; /* 0: up to the NUL */
	size_t id_length;			       /* the same */
	bool hidden;
	int64_t version, applied_at;
	const char *state;   /* NULL: the id */
	size_t state_length; /* the same */
};
/* Fetches and applies, as the indexer does, in one call each; kinds gets the verdicts. */
void put_items(weir_instance *writer, const struct item *items, size_t count, uint32_t *kinds);
uint32_t put_item(weir_instance *writer, const struct item *item); /* the verdict */
#define PUT(writer, ...)                                                                           \
	ck_assert_uint_eq(put_item(writer, &(struct item){__VA_ARGS__}), WEIR_ACCEPTED)
void commit(weir_instance *writer); /* without positions */
void commit_at(weir_instance *writer, const char *topic, int32_t partition, int64_t next_offset);
uint64_t refresh(weir_session *session); /* the generation */

/* As put_item for many, a few hundred in one call: put when there are enough, and before a commit.
 * What the item points to is copied. All of them must be accepted. */
void put_later(weir_instance *writer, const struct item *item);
void flush_later(weir_instance *writer);
#define LATER(writer, ...) put_later(writer, &(struct item){__VA_ARGS__})
/* The item's values; what they point to is the item's. Returns how many. */
size_t item_values(const struct item *item, struct weir_value values[FIELD_COUNT]);

/* An opaque revision, and an apply that hands in this one. */
struct revision {
	char bytes[256];
	size_t length;
};
void fetch_revision(weir_instance *writer, const char *id, struct revision *revision);
uint32_t put_revised(weir_instance *writer, const struct item *item,
		     const struct revision *revision); /* the verdict */

/* Answers as text; it lives until the next but seven of them, in the calling thread. */
const char *fetched(weir_instance *writer, const char *id); /* the state; "-" for none */
const char *positions(weir_instance *writer);		    /* "cluster/topic/0=17 ..." sorted */
const char *session_places(weir_session *session);
const char *found(weir_session *session, const char *id); /* "state@version"; "-" for none */
int found_hit(void *context, const struct weir_hit *hit); /* appends the same; 64 bytes or more */
const char *scanned(weir_session *session, const char *from);
double stat_of(weir_instance *writer, const char *name);

/* Queries (queries.c); all are freed at the end of the case. */
const struct weir_query *all(void);
const struct weir_query *none(void);
const struct weir_query *term(int32_t field, const char *text);
const struct weir_query *phrase(int32_t field, const char *text);
const struct weir_query *near(int32_t field, const char *text, uint32_t distance);
const struct weir_query *prefix(int32_t field, const char *text);
const struct weir_query *exact(int32_t field, const char *text);
const struct weir_query *exact_bytes(int32_t field, const char *text, size_t length);
const struct weir_query *is(int32_t field, int value);
/* "[1 5]" with both ends, "(1 5)" without, "[1 *" without an upper end. */
const struct weir_query *range(int32_t field, const char *ends);
#define NO_MORE ((const struct weir_query *)NULL)
const struct weir_query *combine(uint32_t kind, ...); /* children, then NO_MORE */
const struct weir_query *join(uint32_t kind, const struct weir_query *const *children,
			      size_t count); /* many children */
#define AND(...) combine(WEIR_QUERY_AND, __VA_ARGS__, NO_MORE)
#define OR(...) combine(WEIR_QUERY_OR, __VA_ARGS__, NO_MORE)
#define NOT(child) combine(WEIR_QUERY_NOT, child, NO_MORE)
const struct weir_query *boosted(const struct weir_query *child, double boost);
void queries_free(void);

/* Checks the result's total against weir/backend.h. limit: the search's; count: the matches. */
void check_total(const struct weir_search_result *result, size_t limit, uint64_t count);
/* The ids of all hits, sorted, with spaces between; checks that total is their number. */
const char *matches(weir_session *session, const struct weir_query *query);
const char *filtered(weir_session *session, const struct weir_query *query,
		     const struct weir_query *filter);
const char *ordered_filtered(weir_session *session, const struct weir_query *query,
			     const struct weir_query *filter, const char *sort, size_t offset,
			     size_t limit);
/* "tag: jazz=3 rock=2; free: true=1": what facets answers, checked for what every answer of it has
 * to be. What is no letter or digit of a value is written as %41. */
const char *counted_filtered(weir_session *session, const struct weir_query *query,
			     const struct weir_query *filter, const int32_t *fields,
			     size_t field_count, size_t limit);
const char *counted(weir_session *session, const struct weir_query *query, int32_t field,
		    size_t limit);
/* A value in that form; out: 64 KiB. */
void write_value(char *out, const char *value, size_t length);
/* Reads "price -tag relevance" into keys; returns how many. */
size_t read_sort(const char *sort, struct weir_sort_key keys[8]);
/* The ids in the order of the answer. sort: "price -tag relevance", "" for by score. */
const char *ordered(weir_session *session, const struct weir_query *query, const char *sort,
		    size_t offset, size_t limit);

#endif
