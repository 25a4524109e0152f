/* SPDX-License-Identifier: MIT
 * match.h - finds the documents that a plan matches, a chunk of docids at a time.
 *
 * A chunk is a bitmap. Lists of postings set bits in it, columns are compared with, and what is
 * not visible at the session's commit is taken out; a score is added up beside each bit. In an AND
 * the rarest part comes first, and the others are only asked for what it has left.
 *
 * Scores are BM25 (Robertson and Zaragoza 2009): the words of one node count as one term, whose
 * share is added up over the fields that have it, with their boosts. How rare it is, is asked of
 * all fields together; a document's length is that of all its words. */
#ifndef MATCH_H
#define MATCH_H

#include "bits.h"
#include "bytes.h"
#include "cache.h"
#include "pairs.h"
#include "postings.h"
#include "query.h"
#include "reader.h"
#include "sight.h"

#define NORM_COUNT 1024
#define BM25_K1 1.0
#define BM25_B 0.5

/* A segment as a session has it open. */
struct open_segment {
	struct segment segment;
	struct segment_reader *reader;
	bool is_final;	     /* was filled when it was read last: it does not change any more */
	struct pairs *pairs; /* NULL: nobody asked yet, or there are none */
	bool has_asked;	     /* for pairs */
	bool is_measured, is_lasting; /* at this commit; at later ones, too */
	uint64_t documents;	      /* dead ones too */
	double words;		      /* of a document, on average: of some that were looked at */
};

/* A plan under way. */
struct match_side {
	struct plan *plan;
	uint32_t *frequencies;		   /* by segment and term: documents */
	struct cached **cached;		   /* the same: kept, or NULL */
	struct list {			   /* by term, of the segment under way */
		const struct cached *kept; /* run: how far it was read */
		uint32_t run;
		struct postings *postings; /* where there is no cached one */
		uint32_t next;		   /* docid that those stand at */
		uint32_t limit;		   /* docids below it were asked for */
	} * lists;
	struct match_node {
		bool is_scored;
		/* Boost and rarity of each field; and their sums by the fields of a tally. */
		float weights[TALLY_FIELDS], sums[TALLY_MASK + 1];
		uint64_t expected; /* documents in the segment under way */
		struct bytes bits; /* BEGINNING: of the whole segment ... */
		/* ... and tallies, where it scores. PHRASE: tallies of the chunk. */
		struct bytes tallies;
		bool is_spread;
	} * nodes;
	size_t node_capacity, list_capacity, frequency_capacity, cached_capacity;
	size_t cached_count;
};

struct match {
	/* Borrowed. */
	struct reader *reader;
	const struct head *head;
	struct open_segment *segments;
	size_t segment_count;
	const struct weir_host *host;

	struct match_side query, filter;
	bool has_filter, is_scored;
	struct open_segment *segment; /* under way */
	uint64_t segment_documents;
	uint32_t base; /* docid of the chunk's first bit */
	double average_length;
	float norms[NORM_COUNT]; /* by a document's length */
	float scores[CHUNK_DOCIDS];
	uint16_t tallies[CHUNK_DOCIDS]; /* scratch, all 0 between uses */
	/* Whoever takes the chunks may raise it from 0: matches that score less need not be found
	 * any more. Then has_passed_over says whether some were not. */
	float floor;
	bool has_passed_over;
	struct sight sight;
	struct match_window { /* of the log, read last */
		uint64_t place;
		struct bytes bytes;
	} window;
};

struct match_chunk {
	uint32_t base;
	uint64_t bits[BITS_WORDS];
	const float *scores; /* NULL: nothing scores */
};

/* Returns 0 to go on. */
typedef int match_on_chunk(void *context, const struct match_chunk *chunk);

/* Readies the match for the plans. filter: NULL for none. */
weir_status match_begin(struct match *match, struct plan *query, struct plan *filter,
			bool is_scored, struct weir_error *error);
/* Calls on_chunk for each chunk with a match. WEIR_RETRY: the host cancelled, or the index moved
 * on. */
weir_status match_run(struct match *match, match_on_chunk *on_chunk, void *context,
		      struct weir_error *error);
/* Lets go what the plans needed. To be called behind each match_begin that was well. */
void match_end(struct match *match);
void match_finish(struct match *match);

weir_status match_cancelled(struct match *match, struct weir_error *error); /* WEIR_OK: it is not */

/* Takes away the bits of what cannot be seen at the session's commit. base: as of a chunk. */
void match_mask(struct match *match, uint32_t base, uint64_t bits[BITS_WORDS]);
/* The beginning of the record of a visible document, up to its words; good until the next call. */
weir_status match_record(struct match *match, uint32_t docid, struct record *record,
			 struct weir_error *error);
/* All of it, in bytes. */
weir_status match_whole_record(const struct match *match, uint32_t docid, struct bytes *bytes,
			       struct record *record, struct weir_error *error);

/* For match.c: */
struct match_task {
	struct match *match;
	struct match_side *side;
	struct weir_error *error;
	bool is_hopeful; /* phrases stand wherever their words are */
};
/* leaves.c. The bits of a node without children, of those within (NULL: any); adds to scores (NULL:
 * not). */
weir_status leaf_evaluate(struct match_task *task, const struct node *node,
			  struct match_node *state, const uint64_t *within, uint64_t *out,
			  float *scores);
/* Leaves of bits those where the words of a PHRASE may stand. False: it cannot be told. */
bool leaf_promising(struct match_task *task, const struct node *node, uint64_t *bits);
/* A PHRASE: the bits of documents that have its words in one field, of those within (NULL: any). */
weir_status leaf_words(struct match_task *task, const struct node *node, struct match_node *state,
		       const uint64_t *within, uint64_t *out);
/* Behind leaf_words: takes away where the words do not stand as the PHRASE wants them, unless the
 * task is hopeful; adds to scores (NULL: not). */
weir_status leaf_phrase(struct match_task *task, const struct node *node, struct match_node *state,
			uint64_t *bits, float *scores);
/* How a document scores that has a node's words so, among so many in all. */
float match_score_often(const struct match_node *node, uint32_t tally, float norm);
static inline float match_score(const struct match *match, const struct match_node *node,
				uint32_t tally, uint32_t length)
{
	float norm = match->norms[length < NORM_COUNT ? length : NORM_COUNT - 1];
	uint32_t mask = tally & TALLY_MASK, more = tally >> TALLY_FIELDS;
	if (more != 0 && (mask & (mask - 1)) != 0)
		return match_score_often(node, tally, norm);
	/* One field, or once in each of several. */
	float often = (float)(more + 1);
	return node->sums[mask] * often * (float)(BM25_K1 + 1) / (often + norm);
}

/* lists.c. Looks the side's terms up in all segments. */
weir_status lists_read(struct match *match, struct match_side *side, struct weir_error *error);
/* What the postings of a node's terms are put into, for the chunk under way. */
struct taking {
	const struct match_node *node;
	const uint64_t *within; /* NULL: any */
	uint64_t *out;
	float *scores;		 /* NULL: does not score */
	uint16_t *tallies;	 /* several terms count as one: all 0 before */
	const uint32_t *lengths; /* of the chunk's documents, in words */
	size_t within_count;	 /* SIZE_MAX: not counted yet */
	bool has_any;		 /* something may have been put */
};
weir_status lists_take(struct match_task *task, size_t term, struct taking *taking);
void lists_close(struct match_side *side); /* what is open of the segment under way */
void lists_release(struct match *match, struct match_side *side);

#endif
