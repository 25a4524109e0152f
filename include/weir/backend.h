/* SPDX-License-Identifier: MIT
 *
 * weir/backend.h - the boundary between Weir and an index engine.
 *
 * A plug-in is a shared object that exports one function, weir_backend_manifest (made by the macro
 * WEIR_BACKEND). It includes this header and nothing else of Weir, imports no symbol of the host,
 * and is linked with -z defs. docs/plugins.md builds one from nothing.
 *
 * ABI changelog
 *   1.2  Operation facets with WEIR_CAN_FACET. Said from how many matches on a total may be a
 *        lower bound: WEIR_TOTAL_EXACT.
 *   1.1  weir_host: split, sort_key. Operation scan_states with WEIR_CAN_SCAN_STATES.
 *        WEIR_CAN_SHARE. Said what holds without WEIR_CAN_COMMIT_POSITIONS.
 *   1.0  First version.
 *
 * Rules that hold for every operation
 *   Memory    Inputs are borrowed for the length of the call. Results are handed to a callback and
 *             are borrowed by the host for the length of the callback. Nothing is freed across the
 *             boundary; what an operation creates (instance, session) its counterpart destroys.
 *   Strings   UTF-8 with an explicit length; not NUL-terminated unless said so. Names (of fields,
 *             parameters, plug-ins) and messages are NUL-terminated.
 *   Arrays    Arrays of pointers, so that a struct may grow at its end in a later minor version.
 *   Times     int64_t microseconds since 1970-01-01T00:00:00Z; may be negative.
 *   Status    WEIR_OK, WEIR_RETRY or WEIR_FATAL, see below. On anything but WEIR_OK the plug-in
 *             writes one line into *error: what failed, where, what to do.
 *   Threads   As the manifest's thread_model says; the host obeys it.
 *   C++       No exception may leave an operation.
 */
#ifndef WEIR_BACKEND_H
#define WEIR_BACKEND_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_BACKEND_MAGIC UINT64_C(0x31444e4542524557) /* "WERBEND1" in little endian */
#define WEIR_ABI_MAJOR 1
#define WEIR_ABI_MINOR 2

/* What an operation answers. Values have gaps; more may be added in a later major version only. */
typedef int32_t weir_status;
enum {
	WEIR_OK = 0,
	/* Writer: nothing since the last commit is durable; the host calls abandon, backs off and
	 * replays. Reader: the answer could not be completed on this session's generation (the
	 * index moved under it, or the host cancelled); the host refreshes and asks again. */
	WEIR_RETRY = 10,
	/* Going on is pointless: wrong format, wrong parameters, damaged index. */
	WEIR_FATAL = 20,
};

/* One line for people, NUL-terminated, without a newline. */
struct weir_error {
	char message[512];
};

/* weir_field.type, weir_value.type */
enum {
	/* words; folded for case and accents, stemmed by the field's language */
	WEIR_TYPE_TEXT = 10,
	/* the whole value byte for byte, and its words folded but not stemmed */
	WEIR_TYPE_KEYWORD = 20,
	WEIR_TYPE_NUMBER = 30,
	WEIR_TYPE_DATE = 40,
	WEIR_TYPE_BOOLEAN = 50,
};

/* weir_field.flags */
enum {
	WEIR_FIELD_SEARCH = 1 << 0, /* searched by a query node whose field is WEIR_FIELD_DEFAULT */
	WEIR_FIELD_FILTER = 1 << 1, /* WEIR_QUERY_EXACT and WEIR_QUERY_RANGE may name it */
	WEIR_FIELD_SORT = 1 << 2,   /* a sort key may name it */
	WEIR_FIELD_FACET = 1 << 3,  /* weir_facets may name it */
	WEIR_FIELD_SUGGEST = 1 << 4, /* source of suggestions */
};

#define WEIR_FIELD_DEFAULT (-1)

struct weir_field {
	const char *name;
	uint32_t type;
	uint32_t flags;
	double boost; /* multiplies the field's share of the score; 1 when the schema is silent */
	/* Of a text field, an ISO 639-1 code such as "en"; NULL: not stemmed. */
	const char *language;
};

struct weir_schema {
	const char *name;	 /* of the collection */
	const char *fingerprint; /* changes when what is indexed changes; hexadecimal */
	const struct weir_field *const *fields; /* an index into this array is a field's number */
	size_t field_count;
};

/* A typed value of a field. Which members count depends on type. */
struct weir_value {
	int32_t field;
	uint32_t type;
	const char *text; /* TEXT, KEYWORD: the value. NUMBER: its digits as they were written */
	size_t text_length;
	double number;	 /* NUMBER: the nearest double */
	int64_t integer; /* DATE: microseconds since 1970. BOOLEAN: 0 or 1 */
};

/* weir_document.kind */
enum {
	WEIR_KIND_LIVE = 10, /* searches find it */
	/* kept for its state only: a tombstone, or an update before its create */
	WEIR_KIND_HIDDEN = 20,
};

struct weir_document {
	const char *id;
	size_t id_length;
	uint32_t kind;
	int64_t version;      /* the newest version in the state; microseconds */
	int64_t applied_at;   /* the host's clock; what expire compares; INT64_MAX: never */
	const void *revision; /* what fetch gave for this id; length 0: it was not there */
	size_t revision_length;
	const void *state; /* stored untouched, handed back by fetch, search and get */
	size_t state_length;
	const struct weir_value *const *values; /* LIVE only; a field may occur once */
	size_t value_count;
};

/* weir_verdict.kind */
enum {
	WEIR_ACCEPTED = 10,
	WEIR_REJECTED = 20, /* the document can never be indexed; reason says why */
	WEIR_CONFLICT = 30, /* somebody else wrote it since fetch: fetch, merge and apply again */
};

struct weir_verdict {
	uint32_t kind;
	char reason[252]; /* one line, NUL-terminated; REJECTED only */
};

/* A place in a Kafka log up to which the index holds everything. Identity is cluster, topic and
 * partition; topic_id is "" where the client library cannot tell it. */
struct weir_position {
	const char *cluster; /* NUL-terminated */
	const char *topic;
	const char *topic_id;
	int32_t partition;
	int64_t next_offset; /* the first offset that is not in the index */
};

/* What matches is fixed by sets, never by scores. "Words" below: the value split into words and
 * folded for case and accents; in TEXT fields a TERM also matches the word's other forms, by the
 * field's language. Of several words of a TERM or PREFIX over the default field, each may stand in
 * another field; a PHRASE stands in one. Of several words of a PREFIX the last is a beginning, the
 * others are as in TERM. Text in which folding leaves no word ("&") matches nothing, and as a child
 * of AND or OR it is as if it were not there; an AND or OR that has only such children is such a
 * child itself. */
/* weir_query.kind */
enum {
	WEIR_QUERY_ALL = 10,	/* every live document */
	WEIR_QUERY_NONE = 15,	/* no document */
	WEIR_QUERY_TERM = 20,	/* text: one word (several, where folding splits it: all of them) */
	WEIR_QUERY_PHRASE = 30, /* text: words in this order, as typed, not their other forms;
				   distance: how many other words may stand between them in all, and
				   from 1 on the order is free */
	WEIR_QUERY_PREFIX = 40, /* text: the beginning of a word */
	WEIR_QUERY_FUZZY = 50,	/* text: a word; distance: edits. Needs WEIR_CAN_FUZZY */
	/* KEYWORD, BOOLEAN: value equals lower; field is never the default */
	WEIR_QUERY_EXACT = 60,
	WEIR_QUERY_RANGE = 70,	/* NUMBER, DATE: lower <= value <= upper; see range_flags */
	WEIR_QUERY_AND = 80,	/* all children; with none: ALL */
	WEIR_QUERY_OR = 90,	/* any child; with none: NONE */
	WEIR_QUERY_NOT = 100,	/* live documents that its one child does not match */
	WEIR_QUERY_BOOST = 110, /* its one child, the score multiplied by boost */
};

/* weir_query.range_flags */
enum {
	WEIR_RANGE_HAS_LOWER = 1 << 0,
	WEIR_RANGE_HAS_UPPER = 1 << 1,
	WEIR_RANGE_LOWER_OPEN = 1 << 2, /* lower itself does not match */
	WEIR_RANGE_UPPER_OPEN = 1 << 3,
};

struct weir_query {
	uint32_t kind;
	int32_t field; /* WEIR_FIELD_DEFAULT: any field that has WEIR_FIELD_SEARCH */
	const char *text;
	size_t text_length;
	uint32_t distance;
	uint32_t range_flags;
	struct weir_value lower;
	struct weir_value upper;
	double boost;
	const struct weir_query *const *children;
	size_t child_count;
};

struct weir_sort_key {
	int32_t field;	     /* WEIR_FIELD_DEFAULT: by score */
	uint32_t descending; /* 0 or 1; documents without the field come last either way */
};

struct weir_search {
	const struct weir_query *query;		 /* decides and scores */
	const struct weir_query *filter;	 /* decides, does not score; NULL: no filter */
	const struct weir_sort_key *const *sort; /* none: by score, highest first. Ties: by id */
	size_t sort_count;
	size_t offset; /* hits to pass over */
	size_t limit;  /* hits to hand out; 0: count only */
};

struct weir_hit {
	const char *id;
	size_t id_length;
	int64_t version;
	double score;
	const void *state;
	size_t state_length;
};

/* Up to so many matches a total is exact. */
#define WEIR_TOTAL_EXACT 10000

struct weir_search_result {
	/* How many live documents match, whatever offset and limit say. With a limit of 0 always
	 * exact. Otherwise an engine may give up counting when it is sure of WEIR_TOTAL_EXACT
	 * matches or more: then total is what it is sure of, at least WEIR_TOTAL_EXACT and at most
	 * the true number. The hits are those of an exact search all the same. */
	uint64_t total;
	uint32_t total_is_lower_bound; /* 0: total is exact */
};

/* Counts of the values that matches have. fields: each one once, of type KEYWORD (a value is the
 * whole value, byte for byte) or BOOLEAN ("true", "false"), with WEIR_FIELD_FACET. */
struct weir_facets {
	const struct weir_query *query;
	const struct weir_query *filter; /* NULL: no filter */
	const int32_t *fields;
	size_t field_count;
	size_t limit; /* values of a field to hand out; 0: none */
};

/* Callbacks return 0 to go on, anything else to stop; the operation then answers WEIR_OK. */

/* fetch: once for each id, in the order given; found is 0 or 1, and without it the rest is empty.
 */
typedef int (*weir_on_state)(void *context, size_t index, int found, const void *state,
			     size_t state_length, const void *revision, size_t revision_length);
typedef int (*weir_on_position)(void *context, const struct weir_position *position);
typedef int (*weir_on_hit)(void *context, const struct weir_hit *hit);
typedef int (*weir_on_scan)(void *context, const char *id, size_t id_length, int64_t version,
			    uint32_t kind);
typedef int (*weir_on_stat)(void *context, const char *name, double value);
typedef int (*weir_on_suggestion)(void *context, const char *text, size_t text_length,
				  uint64_t documents);

/* scan_states: as weir_on_scan, and the state as apply was given it. */
typedef int (*weir_on_scan_state)(void *context, const char *id, size_t id_length, int64_t version,
				  uint32_t kind, const void *state, size_t state_length);
/* split: once for each word, in order. word: folded, 1 to WEIR_WORD_LIMIT bytes, without NUL and
 * spaces. stem: what all of its forms come to, of the same limit; the word itself where nothing is
 * stemmed. */
typedef int (*weir_on_word)(void *context, const char *word, size_t word_length, const char *stem,
			    size_t stem_length);
/* facets: index is into weir_facets.fields; value is as long as the document's was. */
typedef int (*weir_on_facet)(void *context, size_t index, const char *value, size_t value_length,
			     uint64_t count);

/* A longer word is its first WEIR_WORD_CUT bytes and a hash of all of it: of the beginning of a
 * word, as in WEIR_QUERY_PREFIX, only so much is sure to stand in an index. */
#define WEIR_WORD_CUT 128
#define WEIR_WORD_LIMIT 160

enum { WEIR_LOG_DEBUG = 10, WEIR_LOG_INFO = 20, WEIR_LOG_WARNING = 30, WEIR_LOG_ERROR = 40 };

/* Lives until close (given to open) or session_close (given to session_open). */
struct weir_host {
	size_t size; /* sizeof of the host's struct: members beyond it do not exist */
	void *context;
	void (*log)(void *context, uint32_t level, const char *line);
	/* Not 0: the operation under way is to end soon with WEIR_RETRY. Cheap; ask it often. */
	int (*cancelled)(void *context);
	int64_t (*clock)(void *context); /* microseconds since 1970 */
	/* Since 1.1; a host of 1.0 has a smaller size. May be called from any thread.
	 *
	 * Text into words, the same for every backend: folded for case and accents, and stemmed by
	 * language (an ISO 639-1 code; NULL: not at all). What is not UTF-8 stands between words.
	 * Answers 0, what on_word answered when it stopped, or -1: no memory. */
	int (*split)(void *context, const char *text, size_t length, const char *language,
		     weir_on_word on_word, void *word_context);
	/* The folded text whose byte order is the order to sort by: writes at most limit bytes
	 * to out, none of them below a space, and returns how many. */
	size_t (*sort_key)(void *context, const char *text, size_t length, char *out, size_t limit);
};

/* weir_parameter.type */
enum {
	WEIR_PARAMETER_TEXT = 10,
	WEIR_PARAMETER_INTEGER = 20,
	WEIR_PARAMETER_BOOLEAN = 30,
	WEIR_PARAMETER_PATH = 40,   /* made absolute by the host */
	WEIR_PARAMETER_SECRET = 50, /* text that is never logged or shown */
};

/* One line of the plug-in's parameter table: the section [backend.<plug-in name>]. */
struct weir_parameter {
	const char *key;
	uint32_t type;
	const char *default_value; /* as it would be written in the file; NULL: required */
	int64_t minimum, maximum;  /* INTEGER only; equal: no bounds */
	const char *help;	   /* one sentence with the unit */
};

/* A checked value, in the order of the plug-in's table: values[i] belongs to parameters[i]. */
struct weir_parameter_value {
	const char *text; /* TEXT, PATH, SECRET; NUL-terminated */
	int64_t integer;  /* INTEGER; BOOLEAN: 0 or 1 */
};

enum { WEIR_MODE_WRITER = 10, WEIR_MODE_READER = 20 };

/* The plug-in defines them; the host only passes them. */
typedef struct weir_instance weir_instance;
typedef struct weir_session weir_session;

struct weir_operations {
	size_t size; /* set by WEIR_BACKEND */

	/* Lifecycle. Opening as writer creates what is missing and locks the index: a second writer
	 * gets WEIR_RETRY and a message that says who may hold it, unless the engine can share it.
	 * Opening as reader never creates; a missing index is WEIR_RETRY (it may come). An index of
	 * another format, engine or schema fingerprint is WEIR_FATAL and stays as it is. */
	weir_status (*open)(const struct weir_parameter_value *const *values, size_t value_count,
			    const struct weir_schema *schema, uint32_t mode,
			    const struct weir_host *host, weir_instance **instance,
			    struct weir_error *error);
	void (*close)(weir_instance *instance); /* drops what was not committed; takes NULL */

	/* Writer. One caller at a time. fetch sees what was applied, committed or not. */
	weir_status (*fetch)(weir_instance *instance, const char *const *ids,
			     const size_t *id_lengths, size_t count, weir_on_state on_state,
			     void *context, struct weir_error *error);
	/* Replaces whole documents; an id occurs once in a call. verdicts[i] is the host's, to be
	 * filled for each document when the answer is WEIR_OK. */
	weir_status (*apply)(weir_instance *instance, const struct weir_document *const *documents,
			     size_t count, struct weir_verdict *const *verdicts,
			     struct weir_error *error);
	/* Makes visible, and safe from a kill, all that was applied together with the positions. A
	 * position replaces the one of the same cluster, topic and partition; others stay. */
	weir_status (*commit)(weir_instance *instance, const struct weir_position *const *positions,
			      size_t count, struct weir_error *error);
	/* Makes the last commit safe from a power loss. NULL when commit does it. */
	weir_status (*sync)(weir_instance *instance, struct weir_error *error);
	/* Drops what was applied since the last commit. */
	weir_status (*abandon)(weir_instance *instance, struct weir_error *error);
	weir_status (*positions)(weir_instance *instance, weir_on_position on_position,
				 void *context, struct weir_error *error);
	/* Removes hidden documents with applied_at < before; takes effect at the next commit. */
	weir_status (*expire)(weir_instance *instance, int64_t before, uint64_t *removed,
			      struct weir_error *error);
	/* Background work for about budget_ms milliseconds; asks host->cancelled. NULL: none
	 * needed. */
	weir_status (*maintain)(weir_instance *instance, uint32_t budget_ms,
				struct weir_error *error);
	/* Names are Prometheus-safe: documents_live, documents_hidden, bytes_on_disk and whatever
	 * else. */
	weir_status (*stats)(weir_instance *instance, weir_on_stat on_stat, void *context,
			     struct weir_error *error);

	/* Reader sessions: one a worker. A session sees one generation until refresh. */
	weir_status (*session_open)(weir_instance *instance, const struct weir_host *host,
				    weir_session **session, struct weir_error *error);
	void (*session_close)(weir_session *session); /* takes NULL */
	/* Moves to the newest commit; generation changes exactly when what can be seen may have. */
	weir_status (*refresh)(weir_session *session, uint64_t *generation,
			       struct weir_error *error);
	weir_status (*search)(weir_session *session, const struct weir_search *search,
			      weir_on_hit on_hit, void *context, struct weir_search_result *result,
			      struct weir_error *error);
	/* Calls on_hit once when the id is there and live (score 0), never otherwise. */
	weir_status (*get)(weir_session *session, const char *id, size_t id_length,
			   weir_on_hit on_hit, void *context, struct weir_error *error);
	/* Live and hidden documents with id >= from, in byte order of id. */
	weir_status (*scan)(weir_session *session, const char *from, size_t from_length,
			    weir_on_scan on_scan, void *context, struct weir_error *error);
	weir_status (*session_positions)(weir_session *session, weir_on_position on_position,
					 void *context, struct weir_error *error);
	/* Completions of what was typed, best first. Needs WEIR_CAN_SUGGEST. */
	weir_status (*suggest)(weir_session *session, const char *text, size_t text_length,
			       size_t limit, weir_on_suggestion on_suggestion, void *context,
			       struct weir_error *error);
	/* Since 1.1. As scan, with the states. Needs WEIR_CAN_SCAN_STATES. */
	weir_status (*scan_states)(weir_session *session, const char *from, size_t from_length,
				   weir_on_scan_state on_state, void *context,
				   struct weir_error *error);
	/* Since 1.2. How many live documents that query and filter match have each value of the
	 * fields: exact, of the generation that search sees. The fields come in the order given;
	 * the values of one by count, highest first, ties in byte order of value; at most limit of
	 * them, none with a count of 0. What lacks the field is not counted in it. WEIR_FATAL for a
	 * field that cannot have facets. Needs WEIR_CAN_FACET. */
	weir_status (*facets)(weir_session *session, const struct weir_facets *wanted,
			      weir_on_facet on_facet, void *context, struct weir_error *error);
};

/* weir_manifest.thread_model */
enum {
	WEIR_THREADS_SERIAL = 10,      /* one call at a time in the whole instance */
	WEIR_THREADS_PER_SESSION = 20, /* sessions run beside each other, each one call at a time */
	WEIR_THREADS_PARALLEL = 30,    /* any calls beside each other */
};

/* commit: documents and positions atomically. Without it, what apply accepted may be seen and may
 * last before commit, and in spite of abandon and of a kill; commit first makes sure of the
 * documents and then stores the positions, so that positions never promise more than the index
 * holds. */
#define WEIR_CAN_COMMIT_POSITIONS (UINT64_C(1) << 0)
#define WEIR_CAN_SYNC (UINT64_C(1) << 1) /* sync is there and needed */
#define WEIR_CAN_MAINTAIN (UINT64_C(1) << 2)
#define WEIR_CAN_SUGGEST (UINT64_C(1) << 3)
#define WEIR_CAN_FUZZY (UINT64_C(1) << 4)
#define WEIR_CAN_SEARCH                                                                            \
	(UINT64_C(1) << 5) /* keeps documents and answers; the null backend does not */
/* Several writers may have the index open, each for partitions of its own: open does not lock, and
 * apply answers WEIR_CONFLICT where the revision is not the one that fetch gave. */
#define WEIR_CAN_SHARE (UINT64_C(1) << 6)
#define WEIR_CAN_SCAN_STATES (UINT64_C(1) << 7)
#define WEIR_CAN_FACET (UINT64_C(1) << 8)

/* Frozen for ever: every host of any version can read it. */
struct weir_manifest {
	uint64_t magic;
	uint32_t abi_major;
	uint32_t abi_minor;
	uint32_t thread_model;
	uint32_t reserved; /* 0 */
	uint64_t capabilities;
	const char *name; /* [a-z0-9-]+; also the name of its section in the configuration */
	const char *version;
	const char *license; /* SPDX expression for the binary, libraries that it links included */
	const char *description; /* one sentence */
	const struct weir_parameter *const *parameters;
	size_t parameter_count;
	const struct weir_operations *operations;
};

#define WEIR_MANIFEST_SYMBOL "weir_backend_manifest"
typedef const struct weir_manifest *(*weir_manifest_function)(void);

#ifdef __cplusplus
#define WEIR_EXPORT extern "C" __attribute__((visibility("default")))
#else
#define WEIR_EXPORT __attribute__((visibility("default")))
#endif

/* Defines the one exported function. parameter_table: an array of pointers to struct weir_parameter
 * (its size is taken here). operation_table: a struct weir_operations, not const: its size is
 * filled in here. */
#define WEIR_BACKEND(plugin_name, plugin_version, plugin_license, plugin_description, model,       \
		     capability_bits, parameter_table, operation_table)                            \
	WEIR_EXPORT const struct weir_manifest *weir_backend_manifest(void);                       \
	WEIR_EXPORT const struct weir_manifest *weir_backend_manifest(void)                        \
	{                                                                                          \
		static struct weir_manifest manifest;                                              \
		(operation_table).size = sizeof(struct weir_operations);                           \
		manifest.magic = WEIR_BACKEND_MAGIC;                                               \
		manifest.abi_major = WEIR_ABI_MAJOR;                                               \
		manifest.abi_minor = WEIR_ABI_MINOR;                                               \
		manifest.thread_model = (model);                                                   \
		manifest.capabilities = (capability_bits);                                         \
		manifest.name = (plugin_name);                                                     \
		manifest.version = (plugin_version);                                               \
		manifest.license = (plugin_license);                                               \
		manifest.description = (plugin_description);                                       \
		manifest.parameters = (parameter_table);                                           \
		manifest.parameter_count = sizeof(parameter_table) / sizeof((parameter_table)[0]); \
		manifest.operations = &(operation_table);                                          \
		return &manifest;                                                                  \
	}

#ifdef __cplusplus
}
#endif

#endif
