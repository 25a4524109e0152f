/* SPDX-License-Identifier: MIT
 * reader.h - the reading thread: collects messages into a batch and decodes them while the indexing
 * thread commits the batch before. Batches come in the order of the log, one after the other.
 *
 * Concurrency: there are two batches. One is filled here, one is the indexing thread's or waits to
 * be filled. What belongs to whom:
 *
 *   reading thread, while it runs      consumer, the batch that is filled, mode and limit
 *   indexing thread, always            the engine, applier, dead letters; the batch that it took
 *   indexing thread, after reader_hold all of it, until reader_release
 *
 * A batch changes hands under the lock, and only while the indexing thread waits for one in
 * reader_take; so between two calls of it nothing is on its way, and what was collected is in the
 * batch that is filled. Who drops a batch drops all that was collected behind it, and has the
 * partitions assigned anew, which reads them from the index's positions: nothing is ever passed
 * over. */
#ifndef READER_H
#define READER_H

#include "batch.h"
#include "config.h"
#include "consumer.h"
#include "decode.h"

struct reader;

struct reader_options {
	const struct config *config;
	const struct schema *schema;
	struct consumer *consumer;
	struct type_log *types;
};

/* Starts the thread, held. */
weir_status reader_create(const struct reader_options *options, struct reader **reader,
			  struct weir_error *error) WEIR_MUST_CHECK;
/* Ends the thread, which is held, and drops what was collected. Takes NULL. */
void reader_destroy(struct reader *reader);

/* The thread stands still when this returns, after a poll at most. */
void reader_hold(struct reader *reader);
void reader_release(struct reader *reader);

/* The next batch, to be given back; it may have ends and no messages. NULL: none is due within
 * timeout_ms; held: nothing was collected. */
struct batch *reader_take(struct reader *reader, int timeout_ms);
/* The batch is empty. */
void reader_give_back(struct reader *reader, struct batch *batch);

/* The consumer has news (consumer_has_news), and is to be looked after: hold. */
bool reader_has_news(const struct reader *reader);
/* The group moves partitions, and its other members wait for us. */
bool reader_group_waits(const struct reader *reader);
/* Waits, while Kafka's client is served: by the thread, or held by the caller; what was on its way
 * is kept. Ends sooner when the group waits. */
void reader_wait(struct reader *reader, int timeout_ms);
/* Batches are full before their time is over. */
bool reader_is_behind(const struct reader *reader);
/* Held: messages in the batch that is filled. */
size_t reader_collected(const struct reader *reader);
/* Held: forgets all that was collected. */
void reader_drop(struct reader *reader);

#endif
