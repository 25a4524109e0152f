/* SPDX-License-Identifier: MIT
 * backend.c - the manifest, and opening and closing.
 *
 * How it holds what the boundary asks:
 *   sets       Words come split, folded and stemmed from the host; fields.h says where they stand.
 *   writing    A document's revision is its _seq_no and _primary_term, and each write says which it
 *              saw: several indexers may share one index, and none loses another's change.
 *   commit     What apply accepted is in the translog, on disk (index.translog.durability:
 * request). A commit refreshes the index and then writes the head (instance.h) with the positions.
 *              Nothing else refreshes (refresh_interval: -1), so a reader sees whole commits, but
 * for those of other indexers that happened meanwhile. Snapshots of an index with more than one
 * shard are not of one moment: after restoring one, replay the log.
 *   reading    Sessions share a point in time, taken after the head was read (instance.h).
 *
 * Elasticsearch 8 is not claimed and was not tried. By its documentation it differs in: points in
 * time (POST /<index>/_pit, DELETE /_pit with {"id"}, and an id that may change with every answer);
 * the answer to GET / (no "distribution", and the header X-Elastic-Product, which its own clients
 * insist on); API keys, which it has built in (Authorization: ApiKey, as here); TLS and passwords,
 * which are on from the start; and the depth of nested queries, of which it takes 30
 * (indices.query.bool.max_nested_depth). */
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "instance.h"

enum {
	PARAMETER_URL,
	PARAMETER_INDEX,
	PARAMETER_USER,
	PARAMETER_PASSWORD,
	PARAMETER_API_KEY,
	PARAMETER_CA_PATH,
	PARAMETER_CONNECT_TIMEOUT,
	PARAMETER_TIMEOUT,
	PARAMETER_BULK_BYTES,
	PARAMETER_SHARDS,
	PARAMETER_REPLICAS,
	PARAMETER_COUNT,
};

static const struct weir_parameter url = {
	.key = "url",
	.type = WEIR_PARAMETER_TEXT,
	.default_value = "http://127.0.0.1:9200",
	.help = "Where the cluster is: one URL, or those of several nodes separated by commas.",
};
static const struct weir_parameter index_name = {
	.key = "index",
	.type = WEIR_PARAMETER_TEXT,
	.default_value = "weir-events",
	.help = "The name of the index; the indexer creates it.",
};
static const struct weir_parameter user = {
	.key = "user",
	.type = WEIR_PARAMETER_TEXT,
	.default_value = "",
	.help = "The user for basic authentication; empty: none.",
};
static const struct weir_parameter password = {
	.key = "password",
	.type = WEIR_PARAMETER_SECRET,
	.default_value = "",
	.help = "The user's password.",
};
static const struct weir_parameter api_key = {
	.key = "api_key",
	.type = WEIR_PARAMETER_SECRET,
	.default_value = "",
	.help = "An API key, sent as Authorization: ApiKey; instead of user and password.",
};
static const struct weir_parameter ca_path = {
	.key = "ca_path",
	.type = WEIR_PARAMETER_PATH,
	.default_value = "",
	.help = "PEM file of the CAs that may sign the cluster's certificate; empty: the system's.",
};
static const struct weir_parameter connect_timeout = {
	.key = "connect_timeout",
	.type = WEIR_PARAMETER_INTEGER,
	.default_value = "2000",
	.minimum = 1,
	.maximum = 600000,
	.help = "Milliseconds to wait for a connection before the next URL is tried.",
};
static const struct weir_parameter timeout = {
	.key = "timeout",
	.type = WEIR_PARAMETER_INTEGER,
	.default_value = "30000",
	.minimum = 1,
	.maximum = 3600000,
	.help = "Milliseconds to wait for an answer.",
};
static const struct weir_parameter bulk_bytes = {
	.key = "bulk_bytes",
	.type = WEIR_PARAMETER_INTEGER,
	.default_value = "8388608",
	.minimum = 1024,
	.maximum = 1073741824,
	.help = "Bytes of one bulk request, about; below the cluster's http.max_content_length.",
};
static const struct weir_parameter shards = {
	.key = "shards",
	.type = WEIR_PARAMETER_INTEGER,
	.default_value = "1",
	.minimum = 1,
	.maximum = 1024,
	.help = "Shards of an index that is created; one that is there keeps its own.",
};
static const struct weir_parameter replicas = {
	.key = "replicas",
	.type = WEIR_PARAMETER_INTEGER,
	.default_value = "1",
	.minimum = 0,
	.maximum = 100,
	.help = "Copies of each shard of an index that is created, besides the first.",
};

static const struct weir_parameter *const parameters[PARAMETER_COUNT] = {
	[PARAMETER_URL] = &url,
	[PARAMETER_INDEX] = &index_name,
	[PARAMETER_USER] = &user,
	[PARAMETER_PASSWORD] = &password,
	[PARAMETER_API_KEY] = &api_key,
	[PARAMETER_CA_PATH] = &ca_path,
	[PARAMETER_CONNECT_TIMEOUT] = &connect_timeout,
	[PARAMETER_TIMEOUT] = &timeout,
	[PARAMETER_BULK_BYTES] = &bulk_bytes,
	[PARAMETER_SHARDS] = &shards,
	[PARAMETER_REPLICAS] = &replicas,
};

static void instance_close(weir_instance *instance)
{
	if (instance == NULL)
		return;
	connection_destroy(instance->connection);
	document_writer_finish(&instance->documents);
	text_finish(&instance->body);
	text_finish(&instance->index.path);
	text_finish(&instance->index.writes);
	text_finish(&instance->index.required);
	free(instance->index.name);
	fields_finish(&instance->fields);
	cluster_finish(&instance->cluster);
	pthread_mutex_destroy(&instance->points);
	free(instance);
}

static bool copy_text(char **out, const struct weir_parameter_value *value)
{
	*out = strdup(value->text != NULL ? value->text : "");
	return *out != NULL;
}

static weir_status take_cluster(struct cluster *cluster,
				const struct weir_parameter_value *const *values,
				struct weir_error *error)
{
	if (!copy_text(&cluster->user, values[PARAMETER_USER]) ||
	    !copy_text(&cluster->password, values[PARAMETER_PASSWORD]) ||
	    !copy_text(&cluster->api_key, values[PARAMETER_API_KEY]) ||
	    !copy_text(&cluster->ca_path, values[PARAMETER_CA_PATH]))
		return error_no_memory(error);
	if (cluster->user[0] != '\0' && cluster->api_key[0] != '\0')
		return error_set(error, WEIR_FATAL,
				 "opensearch: both user and api_key are set in "
				 "[backend.opensearch]; set one");
	if (strpbrk(cluster->api_key, "\r\n") != NULL)
		return error_set(error, WEIR_FATAL,
				 "opensearch: api_key in [backend.opensearch] has more than one "
				 "line");
	cluster->connect_ms = (long)values[PARAMETER_CONNECT_TIMEOUT]->integer;
	cluster->total_ms = (long)values[PARAMETER_TIMEOUT]->integer;
	const char *list = values[PARAMETER_URL]->text;
	return cluster_set_urls(cluster, list != NULL ? list : "", error);
}

static weir_status take_index(struct index *index, const struct weir_parameter_value *const *values,
			      struct weir_error *error)
{
	if (!copy_text(&index->name, values[PARAMETER_INDEX]))
		return error_no_memory(error);
	size_t length = strlen(index->name);
	if (length == 0 || length > 240 || strpbrk(index->name, "*?,/\\<>|\"# ") != NULL ||
	    strchr("_-+.", index->name[0]) != NULL)
		return error_set(
			error, WEIR_FATAL,
			"opensearch: index in [backend.opensearch] is \"%.200s\", which is "
			"no name of an index",
			index->name);
	text_append(&index->path, "/", 1);
	text_percent(&index->path, index->name, length);
	text_append(&index->path, "", 1);
	index->shards = (long)values[PARAMETER_SHARDS]->integer;
	index->replicas = (long)values[PARAMETER_REPLICAS]->integer;
	index->bulk_bytes = (size_t)values[PARAMETER_BULK_BYTES]->integer;
	return index->path.failed ? error_no_memory(error) : WEIR_OK;
}

static weir_status instance_open(const struct weir_parameter_value *const *values,
				 size_t value_count, const struct weir_schema *schema,
				 uint32_t mode, const struct weir_host *host, weir_instance **out,
				 struct weir_error *error)
{
	if (value_count < PARAMETER_COUNT || host->size < sizeof(struct weir_host))
		return error_set(error, WEIR_FATAL,
				 "opensearch: the host is older than this plug-in; they belong to "
				 "one release");
	struct weir_instance *instance = calloc(1, sizeof(*instance));
	if (instance == NULL)
		return error_no_memory(error);
	instance->host = host;
	pthread_mutex_init(&instance->points, NULL);
	name_make(instance->preference);
	weir_status status = take_cluster(&instance->cluster, values, error);
	if (status == WEIR_OK)
		status = take_index(&instance->index, values, error);
	if (status == WEIR_OK)
		status = fields_init(&instance->fields, schema, error);
	if (status == WEIR_OK)
		status = connection_create(&instance->cluster, host, &instance->connection, error);
	if (status == WEIR_OK)
		status = index_open(instance, mode, error);
	/* A writer that was killed may have left documents that no commit made visible. */
	instance->dirty = mode == WEIR_MODE_WRITER;
	if (status != WEIR_OK) {
		instance_close(instance);
		return status;
	}
	*out = instance;
	return WEIR_OK;
}

static struct weir_operations operations = {
	.open = instance_open,
	.close = instance_close,
	.fetch = writer_fetch,
	.apply = writer_apply,
	.commit = writer_commit,
	.abandon = writer_abandon,
	.positions = writer_positions,
	.expire = writer_expire,
	.stats = writer_stats,
	.session_open = session_open,
	.session_close = session_close,
	.refresh = session_refresh,
	.search = session_search,
	.get = session_get,
	.scan = session_scan,
	.session_positions = session_positions,
	.scan_states = session_scan_states,
	.facets = session_facets,
};

WEIR_BACKEND("opensearch", "0.1.0", "MIT AND curl",
	     "OpenSearch: an index on a cluster of nodes, for more than one machine",
	     WEIR_THREADS_PER_SESSION,
	     WEIR_CAN_SEARCH | WEIR_CAN_SHARE | WEIR_CAN_SCAN_STATES | WEIR_CAN_FACET, parameters,
	     operations)
