/* SPDX-License-Identifier: MIT
 * options.c - every option of every process. --help, docs/options.md, docs/weir.conf, the checks
 * and the environment names all come from this table. */
#include "config.h"

#define DAY (INT64_C(86400) * 1000000)

const struct config_option config_options[] = {
	{"log", "level", CONFIG_TEXT, "info", 0, 0, "debug, info, warning or error", true},

	{"kafka", "brokers", CONFIG_TEXT, "127.0.0.1:9092", 0, 0,
	 "Bootstrap servers, host:port separated by commas"},
	{"kafka", "group", CONFIG_TEXT, "eventsearch-group", 0, 0,
	 "Consumer group of the indexer; its offsets are for lag monitors, the index holds the "
	 "true positions. Indexers that share an index divide the partitions in it: one group an "
	 "index"},
	{"kafka", "cluster", CONFIG_TEXT, NULL, 0, 0,
	 "Name under which the index keeps this cluster's positions; unset: the id that the "
	 "brokers give"},
	{"kafka", "dead_letter_topic", CONFIG_TEXT, "events.dlq", 0, 0,
	 "Where messages go that cannot be read or indexed"},
	{"kafka", "rdkafka.*", CONFIG_TEXT, NULL, 0, 0,
	 "Any librdkafka property, passed through: rdkafka.security.protocol = SASL_SSL"},

	{"schema", "file", CONFIG_PATH, NULL, 0, 0,
	 "The schema; unset: the one that is installed with Weir"},

	{"eventd", "address", CONFIG_TEXT, "127.0.0.1", 0, 0, "Address to listen on"},
	{"eventd", "port", CONFIG_INTEGER, "8080", 0, 65535, "Port to listen on; 0: any free one"},
	{"eventd", "database", CONFIG_PATH, "weir-data/events.db", 0, 0,
	 "SQLite file of events and outbox; made when missing"},
	{"eventd", "connections", CONFIG_INTEGER, "1000", 1, 100000,
	 "HTTP connections at the same time"},
	{"eventd", "idle_timeout", CONFIG_DURATION, "60s", 1000000, DAY,
	 "An HTTP connection on which nothing comes or goes for so long is closed"},
	{"eventd", "queue", CONFIG_INTEGER, "1000", 1, 100000,
	 "Requests that may wait; more are answered 503"},
	{"eventd", "readers", CONFIG_INTEGER, "2", 1, 64, "Threads that answer reads"},
	{"eventd", "deadline", CONFIG_DURATION, "10s", 1000, DAY,
	 "A request not answered by then is answered 503"},
	{"eventd", "group_commit", CONFIG_INTEGER, "256", 1, 10000,
	 "Write requests committed together at most"},
	{"eventd", "relay_inflight", CONFIG_INTEGER, "10000", 1, 1000000,
	 "Messages given to Kafka and not yet acknowledged, at most"},
	{"eventd", "follow", CONFIG_TEXT, NULL, 0, 0,
	 "URL of the indexer, for a broker that forgets (weir up): the relay stays within "
	 "follow_bytes of the index and sends again what the index has not"},
	{"eventd", "follow_bytes", CONFIG_SIZE, "2MiB", 65536, INT64_C(1) << 40,
	 "With follow: bytes sent that the index may not hold yet"},

	{"indexer", "address", CONFIG_TEXT, "127.0.0.1", 0, 0, "Address to listen on"},
	{"indexer", "port", CONFIG_INTEGER, "8082", 0, 65535, "Port to listen on; 0: any free one"},
	{"indexer", "idle_timeout", CONFIG_DURATION, "60s", 1000000, DAY,
	 "An HTTP connection on which nothing comes or goes for so long is closed"},
	{"indexer", "batch_count", CONFIG_INTEGER, "2048", 1, 1000000,
	 "Messages in a batch (one commit) at most; more than 1,024 only while the index is "
	 "behind, "
	 "and never more than a quarter of what it is behind"},
	{"indexer", "batch_bytes", CONFIG_SIZE, "4MiB", 1024, INT64_C(1) << 40,
	 "Bytes of values in a batch at most; one is collected while another is committed"},
	{"indexer", "batch_time", CONFIG_DURATION, "30ms", 0, 60000000,
	 "A batch is committed this long after its first message, or as soon as the one before it "
	 "is"},
	{"indexer", "tombstone_retention", CONFIG_DURATION, "7d", 0, 3650 * DAY,
	 "How long a deleted event's tombstone is kept after it was applied"},
	{"indexer", "ready_lag", CONFIG_DURATION, "10s", 1000, DAY,
	 "Ready while the oldest unread message is younger than this and the index moves"},
	{"indexer", "beside", CONFIG_BOOLEAN, "false", 0, 0,
	 "For weir rebuild: fill the configured index whatever the catalog says, send no dead "
	 "letters, commit no offsets of a group"},

	{"searchd", "address", CONFIG_TEXT, "127.0.0.1", 0, 0, "Address to listen on"},
	{"searchd", "port", CONFIG_INTEGER, "8081", 0, 65535, "Port to listen on; 0: any free one"},
	{"searchd", "workers", CONFIG_INTEGER, "2", 1, 256,
	 "Threads that search, each with a reader session"},
	{"searchd", "connections", CONFIG_INTEGER, "1000", 1, 100000,
	 "HTTP connections at the same time"},
	{"searchd", "idle_timeout", CONFIG_DURATION, "60s", 1000000, DAY,
	 "An HTTP connection on which nothing comes or goes for so long is closed"},
	{"searchd", "queue", CONFIG_INTEGER, "256", 1, 100000,
	 "Requests that may wait; more are answered 503"},
	{"searchd", "waiting", CONFIG_INTEGER, "2000", 1, 100000,
	 "Requests that may wait for the index (waitFor); more are answered 503"},
	{"searchd", "deadline", CONFIG_DURATION, "2s", 1000, DAY,
	 "A search not answered by then is answered 503"},
	{"searchd", "refresh", CONFIG_DURATION, "50ms", 0, 60000000,
	 "A request sees every commit that is older than this"},

	{"backend", "plugin", CONFIG_TEXT, "xapian", 0, 0,
	 "The engine: a name looked up in plugin_dir, or a path"},
	{"backend", "plugin_dir", CONFIG_PATH, NULL, 0, 0,
	 "Folder of the plug-ins; unset: the one they were installed in, or beside the executable"},
	{"backend", "catalog_dir", CONFIG_PATH, NULL, 0, 0,
	 "Folder of the catalog, which says what index is live; unset: the one that the index is "
	 "in"},
};

const size_t config_option_count = sizeof(config_options) / sizeof(config_options[0]);
