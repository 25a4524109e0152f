/* SPDX-License-Identifier: MIT
 * eventd's store as a source: GET /api/v1/digests, and Kafka for what has been sent. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "compare_internal.h"
#include "http_client.h"
#include "json.h"
#include "kafka.h"
#include "moment.h"

enum { ANSWER_MS = 60000, KAFKA_MS = 10000, PAGE = 1000, IDS = 100 };

struct store_source {
	struct compare_source source;
	struct compare_store store;
	CURL *handle; /* keeps its connection */
	struct http_answer answer;
	struct buffer url, state;
	rd_kafka_t *client; /* NULL: not needed yet */
	char *cluster;
};

static void destroy(struct compare_source *source)
{
	struct store_source *store = (struct store_source *)source;
	curl_easy_cleanup(store->handle);
	http_answer_finish(&store->answer);
	buffer_finish(&store->url);
	buffer_finish(&store->state);
	if (store->client != NULL)
		rd_kafka_destroy(store->client);
	free(store->cluster);
	free(store);
}

static weir_status unexpected(const struct store_source *store, const char *what,
			      struct weir_error *error)
{
	return err_set(error, WEIR_AWAY,
		       "eventd at %s: its answer %s: is it an eventd of this Weir?",
		       store->store.url, what);
}

static weir_status perform(struct store_source *store, struct weir_error *error)
{
	char line[400];
	buffer_clear(&store->answer.body);
	if (buffer_failed(&store->url))
		return err_no_memory(error);
	curl_easy_setopt(store->handle, CURLOPT_URL, store->url.data);
	CURLcode code = curl_easy_perform(store->handle);
	if (buffer_failed(&store->answer.body))
		return err_no_memory(error);
	if (code != CURLE_OK)
		return err_set(error,
			       code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL
				       ? WEIR_INVALID
				       : WEIR_AWAY,
			       "eventd at %s: %s", store->store.url, curl_easy_strerror(code));
	http_client_read_head(store->handle, &store->answer);
	if (store->answer.status == 200)
		return WEIR_OK;
	http_client_problem(store->answer.body.data, store->answer.body.length, line, sizeof(line));
	return err_set(error, WEIR_AWAY, "eventd at %s: status %ld %s", store->store.url,
		       store->answer.status, line);
}

/* Writes the beginning of a question. */
static void ask(struct store_source *store, const struct compare_scope *scope, const char *as)
{
	char version[24];
	http_client_url(&store->url, store->store.url, "/api/v1/digests");
	http_client_argument(&store->url, "as", 2, as);
	if (scope->versions_only)
		http_client_argument(&store->url, "of", 2, "versions");
	if (scope->tombstones_before == INT64_MIN)
		return;
	snprintf(version, sizeof(version), "%" PRId64, scope->tombstones_before);
	http_client_argument(&store->url, "before", 6, version);
}

static weir_status answer(struct store_source *store, struct jsondoc **document,
			  struct weir_error *error)
{
	struct weir_error inner;
	weir_status status = perform(store, error);
	if (status != WEIR_OK)
		return status;
	status = jsondoc_parse(store->answer.body.data != NULL ? store->answer.body.data : "",
			       store->answer.body.length, document, &inner);
	return status == WEIR_INVALID ? unexpected(store, "is no JSON", error) : status;
}

static bool read_number(const struct jsondoc *document, const json_t *node, const char *name,
			int64_t *number)
{
	const json_t *value = json_object_get(node, name);
	if (!json_is_integer(value))
		return false;
	char *end;
	*number = strtoll(jsondoc_number(document, value, NULL), &end, 10);
	return *end == '\0';
}

static bool read_digest(const json_t *node, hash128 *digest)
{
	const json_t *value = json_object_get(node, "digest");
	return json_is_string(value) &&
	       digest_read(json_string_value(value), json_string_length(value), digest);
}

/* Where the page ended. */
static bool read_end(const json_t *root, char to[EVENT_ID_LIMIT + 1], bool *more)
{
	const json_t *last = json_object_get(root, "to"), *flag = json_object_get(root, "more");
	if (!json_is_string(last) || json_string_length(last) > EVENT_ID_LIMIT ||
	    !json_is_boolean(flag))
		return false;
	snprintf(to, EVENT_ID_LIMIT + 1, "%s", json_string_value(last));
	*more = json_is_true(flag);
	return !*more || to[0] != '\0';
}

static weir_status range(struct compare_source *source, const struct compare_scope *scope,
			 const char *after, const char *upto, size_t limit,
			 struct compare_range *made, struct weir_error *error)
{
	struct store_source *store = (struct store_source *)source;
	JSONDOC_SCOPED struct jsondoc *document = NULL;
	char number[24];
	int64_t count;
	ask(store, scope, "range");
	http_client_argument(&store->url, "after", 5, after);
	if (upto != NULL)
		http_client_argument(&store->url, "upto", 4, upto);
	snprintf(number, sizeof(number), "%zu", limit > 0 && limit < PAGE ? limit : (size_t)PAGE);
	http_client_argument(&store->url, "limit", 5, number);
	weir_status status = answer(store, &document, error);
	if (status != WEIR_OK)
		return status;
	const json_t *root = jsondoc_root(document);
	if (!read_number(document, root, "count", &count) || !read_digest(root, &made->digest) ||
	    !read_end(root, made->to, &made->more))
		return unexpected(store, "is no range", error);
	made->count = (uint64_t)count;
	return WEIR_OK;
}

/* Several pages, where one does not hold all. */
struct listing {
	struct store_source *store;
	compare_on_document on_document;
	void *context;
	bool ended, more;
	char to[EVENT_ID_LIMIT + 1];
};

static bool read_document(struct listing *listing, const struct jsondoc *document,
			  const json_t *node, struct compare_document *made)
{
	struct buffer *bytes = &listing->store->state;
	const json_t *id = json_object_get(node, "id"), *kind = json_object_get(node, "kind");
	const json_t *at = json_object_get(node, "changedAt");
	const json_t *state = json_object_get(node, "state");
	if (!json_is_string(id) || json_string_length(id) > EVENT_ID_LIMIT ||
	    !json_is_string(kind) || !json_is_string(at) || !read_digest(node, &made->digest) ||
	    !read_number(document, node, "version", &made->version) ||
	    !read_number(document, node, "sequence", &made->sequence) ||
	    !moment_parse(json_string_value(at), json_string_length(at), &made->changed_at, NULL))
		return false;
	made->id = json_string_value(id);
	made->id_length = json_string_length(id);
	made->kind =
		strcmp(json_string_value(kind), "live") == 0 ? WEIR_KIND_LIVE : WEIR_KIND_HIDDEN;
	if (!json_is_string(state))
		return true;
	buffer_clear(bytes);
	if (!digest_read_bytes(json_string_value(state), json_string_length(state), bytes))
		return false;
	made->state = bytes->data;
	made->state_length = bytes->length;
	return bytes->length > 0;
}

/* One page of what store->url asks for. */
static weir_status read_page(struct listing *listing, struct weir_error *error)
{
	struct store_source *store = listing->store;
	JSONDOC_SCOPED struct jsondoc *document = NULL;
	weir_status status = answer(store, &document, error);
	if (status != WEIR_OK)
		return status;
	const json_t *root = jsondoc_root(document), *node;
	const json_t *list = json_object_get(root, "documents");
	size_t index;
	if (!json_is_array(list) || !read_end(root, listing->to, &listing->more))
		return unexpected(store, "is no list", error);
	json_array_foreach(list, index, node)
	{
		struct compare_document made = {0};
		if (!read_document(listing, document, node, &made))
			return unexpected(store, "has a document that is incomplete", error);
		listing->ended = listing->on_document(listing->context, &made) != 0;
		if (listing->ended)
			break;
	}
	return WEIR_OK;
}

static weir_status list(struct compare_source *source, const struct compare_scope *scope,
			const char *after, const char *upto, compare_on_document on_document,
			void *context, struct weir_error *error)
{
	struct store_source *store = (struct store_source *)source;
	struct listing listing = {
		.store = store, .on_document = on_document, .context = context, .more = true};
	weir_status status = WEIR_OK;
	snprintf(listing.to, sizeof(listing.to), "%s", after);
	while (status == WEIR_OK && listing.more && !listing.ended) {
		ask(store, scope, "documents");
		http_client_argument(&store->url, "after", 5, listing.to);
		if (upto != NULL)
			http_client_argument(&store->url, "upto", 4, upto);
		status = read_page(&listing, error);
	}
	return status;
}

static weir_status find(struct compare_source *source, const struct compare_scope *scope,
			const char *const *ids, size_t count, compare_on_document on_document,
			void *context, struct weir_error *error)
{
	struct store_source *store = (struct store_source *)source;
	struct compare_scope all = {INT64_MIN, scope->versions_only};
	struct listing listing = {.store = store, .on_document = on_document, .context = context};
	weir_status status = WEIR_OK;
	for (size_t at = 0; at < count && status == WEIR_OK && !listing.ended;) {
		size_t end = count - at < IDS ? count : at + IDS;
		ask(store, &all, "states");
		for (size_t i = at; i < end; i++)
			http_client_argument(&store->url, "id", 2, ids[i]);
		status = read_page(&listing, error);
		/* A page that was cut says up to which id it came. */
		while (status == WEIR_OK && listing.more && at < end &&
		       strcmp(ids[at], listing.to) != 0)
			at++;
		at = listing.more ? at + 1 : end;
	}
	return status;
}

/* The newest change, and up to which all have left the outbox. */
static weir_status read_sequences(struct store_source *store, int64_t *newest, int64_t *sent,
				  struct weir_error *error)
{
	JSONDOC_SCOPED struct jsondoc *document = NULL;
	struct compare_scope scope = {INT64_MIN, false};
	ask(store, &scope, "range");
	http_client_argument(&store->url, "limit", 5, "1");
	weir_status status = answer(store, &document, error);
	if (status != WEIR_OK)
		return status;
	const json_t *root = jsondoc_root(document);
	if (!read_number(document, root, "sequence", newest) ||
	    !read_number(document, root, "sent", sent))
		return unexpected(store, "has no sequences", error);
	return WEIR_OK;
}

static weir_status wait_until_sent(struct store_source *store, int64_t *sequence,
				   struct weir_error *error)
{
	int64_t wanted = INT64_MIN, last = INT64_MIN, moved = moment_monotonic();
	for (;;) {
		int64_t newest, sent, now = moment_monotonic();
		weir_status status = read_sequences(store, &newest, &sent, error);
		if (status != WEIR_OK)
			return status;
		if (wanted == INT64_MIN)
			wanted = newest;
		*sequence = wanted;
		if (sent >= wanted)
			return WEIR_OK;
		if (sent != last)
			moved = now;
		last = sent;
		if (now - moved > store->store.patience)
			return err_set(error, WEIR_AWAY,
				       "%" PRId64 " changes wait in eventd's outbox, and none left "
				       "it for %" PRId64 " s; is Kafka there?",
				       wanted - sent, store->store.patience / 1000000);
		compare_pause();
	}
}

static weir_status connect_kafka(struct store_source *store, struct weir_error *error)
{
	char reason[300];
	rd_kafka_conf_t *conf;
	if (store->client == NULL) {
		weir_status status = kafka_configure(store->store.config, "verify", &conf, error);
		if (status != WEIR_OK)
			return status;
		store->client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof(reason));
		if (store->client == NULL) {
			rd_kafka_conf_destroy(conf);
			return err_set(error, WEIR_INVALID, "librdkafka: %s", reason);
		}
	}
	if (store->cluster != NULL)
		return WEIR_OK;
	return kafka_cluster_id(store->client, store->store.config, KAFKA_MS, &store->cluster,
				error);
}

struct marking {
	const struct store_source *store;
	struct compare_mark *mark;
	weir_status status;
	struct weir_error *error;
};

static void on_partition(void *context, const char *topic, int32_t partition, int64_t begin,
			 int64_t end)
{
	struct marking *marking = context;
	if (marking->status == WEIR_OK && begin < end)
		marking->status = compare_mark_add(marking->mark, marking->store->cluster, topic,
						   partition, end, marking->error);
}

static weir_status mark(struct compare_source *source, struct compare_mark *made,
			struct weir_error *error)
{
	struct store_source *store = (struct store_source *)source;
	const struct schema *schema = store->store.schema;
	struct marking marking = {store, made, WEIR_OK, error};
	weir_status status = wait_until_sent(store, &made->sequence, error);
	if (status == WEIR_OK)
		status = connect_kafka(store, error);
	for (size_t i = 0; i < schema->message_count && status == WEIR_OK; i++) {
		int32_t partitions;
		status = kafka_topic_ends(store->client, schema->messages[i].topic, KAFKA_MS,
					  on_partition, &marking, &partitions, error);
		if (status == WEIR_OK)
			status = marking.status;
	}
	return status;
}

/* Nothing is in the index that was not in the store before. */
static weir_status reach(struct compare_source *source, const struct compare_mark *wanted,
			 struct weir_error *error)
{
	(void)source;
	(void)wanted;
	(void)error;
	return WEIR_OK;
}

/* Whose schema the states are made with, and whether there is anything. */
static weir_status read_fingerprint(struct store_source *store, struct weir_error *error)
{
	JSONDOC_SCOPED struct jsondoc *document = NULL;
	struct compare_scope scope = {INT64_MIN, false};
	ask(store, &scope, "range");
	http_client_argument(&store->url, "limit", 5, "1");
	weir_status status = answer(store, &document, error);
	if (status != WEIR_OK)
		return status;
	const json_t *value = json_object_get(jsondoc_root(document), "schema");
	int64_t newest;
	if (!json_is_string(value) ||
	    !read_number(document, jsondoc_root(document), "sequence", &newest))
		return unexpected(store, "names no schema", error);
	store->source.is_empty_store = newest == 0;
	snprintf(store->source.fingerprint, sizeof(store->source.fingerprint), "%s",
		 json_string_value(value));
	return WEIR_OK;
}

static const struct compare_operations operations = {
	.destroy = destroy,
	.range = range,
	.list = list,
	.find = find,
	.mark = mark,
	.reach = reach,
};

weir_status compare_open_store(const struct compare_store *options, struct compare_source **source,
			       struct weir_error *error)
{
	struct store_source *made = calloc(1, sizeof(*made));
	if (made == NULL)
		return err_no_memory(error);
	made->source.operations = &operations;
	made->source.has_states = made->source.counts_changes = true;
	made->store = *options;
	if (made->store.patience == 0)
		made->store.patience = COMPARE_PATIENCE;
	made->handle = http_client_handle(options->url, ANSWER_MS, &made->answer);
	weir_status status =
		made->handle != NULL ? read_fingerprint(made, error) : err_no_memory(error);
	if (status != WEIR_OK) {
		destroy(&made->source);
		return status;
	}
	*source = &made->source;
	return WEIR_OK;
}
