/* SPDX-License-Identifier: MIT
 * progress_internal.h - what progress.c and progress_log.c share. */
#ifndef PROGRESS_INTERNAL_H
#define PROGRESS_INTERNAL_H

#include <pthread.h>

#include "log_age.h"
#include "metrics.h"
#include "progress.h"

#define UNKNOWN (-1)

struct partition {
	char *cluster, *topic;
	int32_t number;
	int64_t position;   /* the first offset that is not in the index; UNKNOWN: none is */
	int64_t stored;	    /* what the index said last of it; UNKNOWN: nothing */
	int64_t begin, end; /* of the log; UNKNOWN */
	struct log_age age; /* of the oldest message that is not in the index */
	int64_t looked;	    /* when the log was asked for end, at the latest */
	int64_t whole;	    /* what the log held then is in the index; INT64_MIN: unknown */
	int64_t moved;	    /* moment_monotonic, when position last changed */
	bool in_log;	    /* the broker has it now */
	/* Is the log still the one that the position was taken in? */
	struct log_marks marks;	       /* of messages before position */
	struct log_marks stored_marks; /* what the index said last of them */
	int64_t seen;		       /* position, when the look began that found begin and end */
	bool verified;		       /* yes, when it was asked last */
	bool stuck;		       /* the brokers do not have position any more */
	bool odd;		       /* the log became shorter, or begins earlier */
	bool asked;		       /* in this look */
	int64_t checked;	       /* moment_monotonic, when it was asked last */
	int64_t target;		       /* where to go on instead of at position; UNKNOWN: there */
	struct log_marks target_marks;
	bool owned; /* shared only: the group gave it to this indexer */
	struct metric *lag_gauge, *position_gauge;
};

struct topic {
	const char *name;   /* the schema's */
	bool missing, told; /* by the brokers */
};

struct cluster_name {
	struct cluster_name *before;
	char text[];
};

struct progress {
	pthread_mutex_t lock;
	_Atomic(const char *) cluster;
	struct cluster_name *clusters; /* all that there were */
	struct cluster_name *coming;   /* offered, and not taken yet; NULL: none */
	struct partition *partitions;
	size_t count, capacity;
	struct topic *topics;
	size_t topic_count;
	unsigned generation, rewinds;
	int64_t looked; /* when the watching thread began this look */
	int64_t looked_monotonic;
	unsigned checks;	   /* of it */
	const char *group;	   /* NULL: nobody shares the index */
	const char *group_trouble; /* why it does not answer; NULL */
	bool answered;		   /* the group said which partitions are ours, maybe none */
	int64_t waiting;	   /* moment_monotonic, since when it has not */
	bool ever_answered, orphan_told;
	int64_t ready_lag;
	int64_t moved; /* moment_monotonic of the last commit, or of the last time without lag */
};

/* All with the lock held. Finds or adds; NULL: no memory. */
struct partition *progress_partition(struct progress *progress, const char *cluster,
				     const char *topic, int32_t number);
/* Its messages are this indexer's to read. */
bool progress_is_ours(const struct progress *progress, const struct partition *partition);

#endif
