/* SPDX-License-Identifier: MIT */
#include "http.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "error.h"

#define ANSWER_LIMIT ((size_t)192 << 20)
#define KEPT_LIMIT ((size_t)4 << 20) /* of a buffer, from one call to the next */

struct connection {
	const struct cluster *cluster;
	const struct weir_host *host;
	CURL *curl;
	struct curl_slist *json_headers, *bulk_headers;
	size_t current; /* the URL that is tried first */
	struct text url, received;
	bool too_large, cancelled;
	char reason[CURL_ERROR_SIZE];
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static CURLcode started;

static void start_curl(void)
{
	started = curl_global_init(CURL_GLOBAL_DEFAULT);
}

void answer_finish(struct answer *answer)
{
	json_decref(answer->json);
	*answer = (struct answer){0};
}

static weir_status check_url(const char *url, struct weir_error *error)
{
	const char *rest = strstr(url, "://");
	bool known = strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0;
	if (!known || rest[3] == '\0' || rest[3] == '/')
		return error_set(error, WEIR_FATAL,
				 "opensearch: one of the urls in [backend.opensearch] url is no "
				 "URL; write them as https://host:9200, separated by commas");
	if (strchr(rest, '@') != NULL)
		return error_set(error, WEIR_FATAL,
				 "opensearch: a URL with a user in it would show the password; set "
				 "user and password in [backend.opensearch]");
	if (strpbrk(rest, "?#") != NULL)
		return error_set(error, WEIR_FATAL,
				 "opensearch: the url %.200s has a query; leave it out", url);
	return WEIR_OK;
}

weir_status cluster_set_urls(struct cluster *cluster, const char *list, struct weir_error *error)
{
	char *copy = strdup(list), *rest = NULL;
	cluster->urls = calloc(strlen(list) + 1, sizeof(*cluster->urls));
	if (copy == NULL || cluster->urls == NULL) {
		free(copy);
		return error_no_memory(error);
	}
	weir_status status = WEIR_OK;
	for (char *url = strtok_r(copy, ", \t", &rest); url != NULL && status == WEIR_OK;
	     url = strtok_r(NULL, ", \t", &rest)) {
		for (size_t length = strlen(url); length > 0 && url[length - 1] == '/'; length--)
			url[length - 1] = '\0';
		status = check_url(url, error);
		if (status == WEIR_OK && (cluster->urls[cluster->url_count] = strdup(url)) == NULL)
			status = error_no_memory(error);
		if (status == WEIR_OK)
			cluster->url_count++;
	}
	free(copy);
	if (status == WEIR_OK && cluster->url_count == 0)
		return error_set(error, WEIR_FATAL,
				 "opensearch: url in [backend.opensearch] is empty; set it");
	return status;
}

void cluster_finish(struct cluster *cluster)
{
	for (size_t i = 0; i < cluster->url_count; i++)
		free(cluster->urls[i]);
	free((void *)cluster->urls);
	free(cluster->user);
	free(cluster->password);
	free(cluster->api_key);
	free(cluster->ca_path);
	*cluster = (struct cluster){0};
}

static size_t receive(char *data, size_t size, size_t count, void *context)
{
	struct connection *connection = context;
	size_t length = size * count;
	if (length > ANSWER_LIMIT - connection->received.length) {
		connection->too_large = true;
		return 0;
	}
	text_append(&connection->received, data, length);
	return connection->received.failed ? 0 : length;
}

static int on_progress(void *context, curl_off_t expected, curl_off_t received, curl_off_t to_send,
		       curl_off_t sent)
{
	struct connection *connection = context;
	(void)expected, (void)received, (void)to_send, (void)sent;
	if (connection->host->cancelled(connection->host->context) != 0)
		connection->cancelled = true;
	return connection->cancelled;
}

static bool add_header(struct curl_slist **list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*list, line);
	if (longer != NULL)
		*list = longer;
	return longer != NULL;
}

/* "Expect:" empty: curl would wait a second for a server that does not answer it. */
static bool make_headers(struct connection *connection)
{
	const char *api_key = connection->cluster->api_key;
	struct curl_slist **lists[] = {&connection->json_headers, &connection->bulk_headers};
	const char *const types[] = {"Content-Type: application/json",
				     "Content-Type: application/x-ndjson"};
	struct text key = {0};
	text_add(&key, "Authorization: ApiKey ");
	text_append(&key, api_key, strlen(api_key) + 1);
	bool good = !key.failed;
	for (size_t i = 0; i < 2 && good; i++)
		good = add_header(lists[i], types[i]) && add_header(lists[i], "Expect:") &&
		       (api_key[0] == '\0' || add_header(lists[i], key.data));
	text_finish(&key);
	return good;
}

/* What holds for every call. */
static bool set_options(struct connection *connection)
{
	const struct cluster *cluster = connection->cluster;
	CURL *curl = connection->curl;
	bool good = curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK;
	good = good && curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive) == CURLE_OK;
	good = good && curl_easy_setopt(curl, CURLOPT_WRITEDATA, connection) == CURLE_OK;
	good = good && curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L) == CURLE_OK;
	good = good && curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress) == CURLE_OK;
	good = good && curl_easy_setopt(curl, CURLOPT_XFERINFODATA, connection) == CURLE_OK;
	good = good && curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, connection->reason) == CURLE_OK;
	good = good &&
	       curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, cluster->connect_ms) == CURLE_OK;
	good = good && curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, cluster->total_ms) == CURLE_OK;
	good = good && curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L) == CURLE_OK;
	good = good && curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK;
	if (good && cluster->ca_path[0] != '\0')
		good = curl_easy_setopt(curl, CURLOPT_CAINFO, cluster->ca_path) == CURLE_OK;
	if (good && cluster->user[0] != '\0')
		good = curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC) == CURLE_OK &&
		       curl_easy_setopt(curl, CURLOPT_USERNAME, cluster->user) == CURLE_OK &&
		       curl_easy_setopt(curl, CURLOPT_PASSWORD, cluster->password) == CURLE_OK;
	return good;
}

weir_status connection_create(const struct cluster *cluster, const struct weir_host *host,
			      struct connection **out, struct weir_error *error)
{
	pthread_once(&once, start_curl);
	struct connection *connection = calloc(1, sizeof(*connection));
	if (connection == NULL || started != CURLE_OK) {
		free(connection);
		return error_no_memory(error);
	}
	connection->cluster = cluster;
	connection->host = host;
	connection->curl = curl_easy_init();
	if (connection->curl == NULL || !make_headers(connection) || !set_options(connection)) {
		connection_destroy(connection);
		return error_no_memory(error);
	}
	*out = connection;
	return WEIR_OK;
}

void connection_destroy(struct connection *connection)
{
	if (connection == NULL)
		return;
	curl_easy_cleanup(connection->curl);
	curl_slist_free_all(connection->json_headers);
	curl_slist_free_all(connection->bulk_headers);
	text_finish(&connection->url);
	text_finish(&connection->received);
	free(connection);
}

static bool prepare(struct connection *connection, const char *method, const char *path,
		    const struct text *body)
{
	CURL *curl = connection->curl;
	const char *slash = strrchr(path, '/');
	bool bulk = slash != NULL && strncmp(slash, "/_bulk", 6) == 0;
	if (connection->received.capacity > KEPT_LIMIT)
		text_finish(&connection->received);
	text_clear(&connection->received);
	text_clear(&connection->url);
	text_add(&connection->url, connection->cluster->urls[connection->current]);
	text_append(&connection->url, path, strlen(path) + 1);
	connection->reason[0] = '\0';
	connection->too_large = connection->cancelled = false;
	bool good = !connection->url.failed &&
		    curl_easy_setopt(curl, CURLOPT_URL, connection->url.data) == CURLE_OK;
	good = good && curl_easy_setopt(curl, CURLOPT_HTTPHEADER,
					bulk ? connection->bulk_headers
					     : connection->json_headers) == CURLE_OK;
	/* With a body curl posts; the method's name is put over that. */
	good = good &&
	       (body == NULL ? curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L) == CURLE_OK
			     : curl_easy_setopt(curl, CURLOPT_POST, 1L) == CURLE_OK &&
				       curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body->data) ==
					       CURLE_OK &&
				       curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
							(curl_off_t)body->length) == CURLE_OK);
	return good && curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method) == CURLE_OK;
}

/* Nobody was there, or he went away: another node may answer. One that has the request and is slow
 * is waited for once. */
static bool is_unreachable(const struct connection *connection, CURLcode code)
{
	curl_off_t connected = 0;
	if (code == CURLE_OPERATION_TIMEDOUT)
		return curl_easy_getinfo(connection->curl, CURLINFO_PRETRANSFER_TIME_T,
					 &connected) == CURLE_OK &&
		       connected == 0;
	return code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
	       code == CURLE_GOT_NOTHING || code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR ||
	       code == CURLE_SSL_CONNECT_ERROR;
}

/* curl's own words have times in them; a line that stays the same is logged once. */
static weir_status unreachable(const struct connection *connection, CURLcode code,
			       struct weir_error *error)
{
	const struct cluster *cluster = connection->cluster;
	const char *url = cluster->urls[connection->current];
	if (code == CURLE_SSL_CACERT_BADFILE)
		return error_set(error, WEIR_FATAL,
				 "opensearch: the file ca_path %.200s cannot be read; set it in "
				 "[backend.opensearch] to a PEM file",
				 cluster->ca_path);
	if (code == CURLE_PEER_FAILED_VERIFICATION)
		return error_set(error, WEIR_RETRY,
				 "opensearch: %.150s: its certificate is not trusted (%.120s); "
				 "set ca_path in [backend.opensearch] to the CA that signed it",
				 url, connection->reason);
	if (code == CURLE_OPERATION_TIMEDOUT)
		return error_set(error, WEIR_RETRY,
				 "opensearch: %.200s: no answer in time (connect_timeout %ld ms, "
				 "timeout %ld ms); is the node overloaded?",
				 url, cluster->connect_ms, cluster->total_ms);
	return error_set(error, WEIR_RETRY,
			 "opensearch: %.200s%s: %s; is the node running, and is url in "
			 "[backend.opensearch] right?",
			 url, cluster->url_count > 1 ? " and every other url" : "",
			 curl_easy_strerror(code));
}

static weir_status read_answer(struct connection *connection, struct answer *answer,
			       struct weir_error *error)
{
	answer->url = connection->cluster->urls[connection->current];
	curl_easy_getinfo(connection->curl, CURLINFO_RESPONSE_CODE, &answer->status);
	if (answer->status >= 502 && answer->status <= 504)
		connection->current = (connection->current + 1) % connection->cluster->url_count;
	if (connection->too_large) {
		answer->too_large = true;
		return WEIR_OK;
	}
	answer->json = json_loadb(connection->received.data, connection->received.length,
				  JSON_ALLOW_NUL, NULL);
	if (answer->json == NULL && answer->status >= 200 && answer->status < 300)
		return error_set(error, WEIR_RETRY,
				 "opensearch: %.200s: answers something that is not JSON; is url "
				 "in [backend.opensearch] right?",
				 answer->url);
	return WEIR_OK;
}

weir_status connection_call(struct connection *connection, const char *method, const char *path,
			    const struct text *body, struct answer *answer,
			    struct weir_error *error)
{
	CURLcode code = CURLE_OK;
	*answer = (struct answer){0};
	if (body != NULL && body->failed)
		return error_no_memory(error);
	for (size_t tries = 0; tries < connection->cluster->url_count; tries++) {
		if (!prepare(connection, method, path, body))
			return error_no_memory(error);
		code = curl_easy_perform(connection->curl);
		if (code == CURLE_OK || connection->too_large)
			return read_answer(connection, answer, error);
		if (connection->cancelled)
			return error_set(
				error, WEIR_RETRY,
				"opensearch: %.200s: no answer before the deadline of who asked",
				connection->cluster->urls[connection->current]);
		if (connection->received.failed)
			return error_no_memory(error);
		unreachable(connection, code, error);
		if (!is_unreachable(connection, code))
			break;
		connection->current = (connection->current + 1) % connection->cluster->url_count;
	}
	return code == CURLE_SSL_CACERT_BADFILE ? WEIR_FATAL : WEIR_RETRY;
}

weir_status connection_ask(struct connection *connection, const char *method, const char *path,
			   const struct text *body, struct answer *answer, struct weir_error *error)
{
	weir_status status = connection_call(connection, method, path, body, answer, error);
	if (status == WEIR_OK && !answer->too_large && !answer_is_good(answer)) {
		status = answer_failed(answer, path, error);
		answer_finish(answer);
	}
	return status;
}

bool connection_wait(struct connection *connection, int milliseconds)
{
	const struct weir_host *host = connection->host;
	for (int left = milliseconds; left > 0; left -= 10) {
		if (host->cancelled(host->context) != 0)
			return false;
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
	}
	return host->cancelled(host->context) == 0;
}

bool answer_is_good(const struct answer *answer)
{
	return answer->status >= 200 && answer->status < 300 && answer->json != NULL;
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));
	return value != NULL ? value : "";
}

const char *answer_error_type(const struct answer *answer)
{
	return text_of(json_object_get(answer->json, "error"), "type");
}

bool failure_is_block(const json_t *failure)
{
	return strcmp(text_of(failure, "type"), "cluster_block_exception") == 0;
}

weir_status failure_block(const struct answer *answer, const json_t *failure,
			  struct weir_error *error)
{
	return error_set(error, WEIR_RETRY,
			 "opensearch: %.120s refuses to write (%.180s): at the disk's flood-stage "
			 "watermark an index becomes read-only; free disk space on the nodes, or "
			 "lift the block index.blocks.read_only_allow_delete",
			 answer->url, text_of(failure, "reason"));
}

/* The cause is more telling than what it led to. */
static const char *reason_of(const json_t *failure)
{
	const json_t *cause = json_object_get(failure, "caused_by");
	const char *reason = text_of(cause, "reason");
	if (reason[0] == '\0')
		reason = text_of(json_array_get(json_object_get(failure, "root_cause"), 0),
				 "reason");
	if (reason[0] == '\0')
		reason = text_of(failure, "reason");
	return reason[0] != '\0' ? reason : "it gives no reason";
}

weir_status answer_failed(const struct answer *answer, const char *path, struct weir_error *error)
{
	const json_t *failure = json_object_get(answer->json, "error");
	long code = answer->status;
	if (failure_is_block(failure))
		return failure_block(answer, failure, error);
	if (code == 401 || code == 403)
		return error_set(error, WEIR_RETRY,
				 "opensearch: %.150s lets us not in (status %ld: %.150s); set user "
				 "and password, or api_key, in [backend.opensearch] to those of a "
				 "user with rights to the index",
				 answer->url, code, reason_of(failure));
	if (strcmp(text_of(failure, "type"), "index_not_found_exception") == 0)
		return error_set(error, WEIR_RETRY,
				 "opensearch: %.150s has no index %.150s; the indexer makes it",
				 answer->url, text_of(failure, "index"));
	bool later = code == 404 || code == 408 || code == 409 || code == 429 || code >= 500;
	return error_set(error, later ? WEIR_RETRY : WEIR_FATAL,
			 "opensearch: %.120s answers status %ld to %.100s: %.60s: %.150s",
			 answer->url, code, path, text_of(failure, "type"), reason_of(failure));
}
