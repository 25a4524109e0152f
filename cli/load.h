/* SPDX-License-Identifier: MIT
 * load.h - what the parts of `weir load` share: where lines come from, where events go. */
#ifndef LOAD_H
#define LOAD_H

#include "buffer.h"
#include "command.h"
#include "err.h"
#include "terminal.h"

#define LOAD_ID_SIZE 37 /* a GUID and its NUL */

struct load_source;

/* path: a file, gzip or not, or "-" for stdin. WEIR_INVALID when it cannot be opened. */
weir_status load_source_open(const char *path, struct load_source **source,
			     struct weir_error *error) WEIR_MUST_CHECK;
void load_source_destroy(struct load_source *source); /* takes NULL */

enum load_line {
	LOAD_EVENT, /* event holds the object as eventd takes it, id its GUID */
	LOAD_BAD,   /* error says what is wrong with the line */
	LOAD_END,
	LOAD_BROKEN, /* error: the file cannot be read on, or there is no memory */
};
/* The next line that is not blank. number: which one of the file, from 1. event is appended to;
 * unless the answer is LOAD_EVENT it is as before. */
enum load_line load_source_next(struct load_source *source, struct buffer *event,
				char id[LOAD_ID_SIZE], uint64_t *number, struct weir_error *error);
/* How much of the file was read, 0 to 1; below 0: unknown. */
double load_source_fraction(const struct load_source *source);
/* "currency (263 times), url (1,979 times)": fields that were left out; "" when none was. */
void load_source_left_out(const struct load_source *source, struct buffer *out);

struct load {
	const char *path;
	const char *url;      /* of eventd */
	const char *wait_for; /* of searchd; NULL: nothing is waited for */
	int64_t rate;	      /* events a second; 0: as fast as it goes */
	bool kafka, quiet;
	struct settings settings;

	struct load_source *source;
	struct bar bar;
	int64_t started_at;
	uint64_t taken;	  /* events read for sending */
	uint64_t created; /* new in the store, or produced */
	uint64_t there;	  /* were there already */
	uint64_t bad;	  /* lines that were refused, here or there */
};

/* How many more events the rate allows to be taken now. */
uint64_t load_allowed(const struct load *load);
/* Counts a bad line; the first ten are printed. */
void load_report_bad(struct load *load, uint64_t number, const char *reason);
void load_draw(struct load *load);
/* Takes the next event, passing over (and reporting) bad lines: LOAD_EVENT, LOAD_END, LOAD_BROKEN.
 */
enum load_line load_take(struct load *load, struct buffer *event, char id[LOAD_ID_SIZE],
			 uint64_t *number, struct weir_error *error);

/* Both send all that the source has. */
weir_status load_to_eventd(struct load *load, struct weir_error *error) WEIR_MUST_CHECK;
weir_status load_to_kafka(struct load *load, struct weir_error *error) WEIR_MUST_CHECK;

#endif
