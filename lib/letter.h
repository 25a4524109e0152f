/* SPDX-License-Identifier: MIT
 * letter.h - the headers of the dead-letter topic, which the indexer writes and `weir dlq` reads.
 * What begins with weir- is ours: of a name that stands there twice the last counts, and a replay
 * leaves those of the dead letter out. */
#ifndef LETTER_H
#define LETTER_H

#define LETTER_PREFIX "weir-"

/* Of a dead letter. Only it has LETTER_ERROR. */
#define LETTER_ERROR "weir-error" /* why, for people */
#define LETTER_TOPIC "weir-topic" /* where the message was */
#define LETTER_PARTITION "weir-partition"
#define LETTER_OFFSET "weir-offset"
#define LETTER_TIMESTAMP "weir-timestamp" /* its Kafka timestamp, milliseconds; -1: none */
#define LETTER_TRUNCATED "weir-truncated" /* the value's full length, where it was cut */

/* Of a message that was replayed: "<the dead letter's place> <the message's place>", once for each
 * time, and the Kafka timestamp of the first message, which stands for its own. */
#define LETTER_REPLAYED "weir-replayed"
#define LETTER_ORIGINAL_TIMESTAMP "weir-original-timestamp"

/* Of a mark, which says what became of a dead letter; its key is the letter's identity. */
#define LETTER_HANDLED "weir-handled"	    /* "replayed" or "dropped" */
#define LETTER_HANDLED_BY "weir-handled-by" /* user@host */
#define LETTER_SENT_TO "weir-sent-to"	    /* where the replayed message is */

#endif
