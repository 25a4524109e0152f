/* SPDX-License-Identifier: MIT
 * index.c - the index and its head. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "instance.h"

#define FORMAT 2
#define OLDEST_MAJOR 2
#define OLDEST_MINOR 4 /* the first with points in time */

static weir_status ask(const struct weir_instance *instance, struct connection *connection,
		       const char *method, const char *rest, const struct text *body,
		       struct answer *answer, struct weir_error *error)
{
	struct text path = {0};
	text_add(&path, instance->index.path.data);
	text_append(&path, rest, strlen(rest) + 1);
	weir_status status =
		path.failed ? error_no_memory(error)
			    : connection_call(connection, method, path.data, body, answer, error);
	text_finish(&path);
	return status;
}

static bool dump(json_t *json, struct text *out)
{
	char *line = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
	text_clear(out);
	if (line != NULL)
		text_add(out, line);
	free(line);
	json_decref(json);
	return line != NULL && !out->failed;
}

/* Whose node is it? Where one may not ask, one goes on. */
static weir_status check_product(const struct weir_instance *instance, struct weir_error *error)
{
	struct answer answer;
	weir_status status =
		connection_call(instance->connection, "GET", "/", NULL, &answer, error);
	if (status != WEIR_OK)
		return status;
	const json_t *version = json_object_get(answer.json, "version");
	const char *number = json_string_value(json_object_get(version, "number"));
	const char *product = json_string_value(json_object_get(version, "distribution"));
	int major = 0, minor = 0;
	if (answer.status == 401)
		status = answer_failed(&answer, "/", error);
	else if (number != NULL && (product == NULL || strcmp(product, "opensearch") != 0))
		status = error_set(error, WEIR_FATAL,
				   "opensearch: %.200s is not OpenSearch (it calls itself %.40s "
				   "%.20s); this plug-in speaks OpenSearch 2.4 and later",
				   answer.url, product != NULL ? product : "nothing, version",
				   number);
	else if (number != NULL && sscanf(number, "%d.%d", &major, &minor) == 2 &&
		 (major < OLDEST_MAJOR || (major == OLDEST_MAJOR && minor < OLDEST_MINOR)))
		status = error_set(error, WEIR_FATAL,
				   "opensearch: %.200s is OpenSearch %.20s; this plug-in needs 2.4 "
				   "or later",
				   answer.url, number);
	answer_finish(&answer);
	return status;
}

static json_t *creation(const struct weir_instance *instance)
{
	const struct index *index = &instance->index;
	const struct fields *fields = &instance->fields;
	char alias[300];
	snprintf(alias, sizeof(alias), "%.255s.weir", index->name);
	char life[NAME_SIZE];
	name_make(life);
	json_t *mapping = fields_mapping(fields);
	json_t *meta =
		json_pack("{s:{s:i, s:s, s:s, s:s}}", "weir", "format", FORMAT, "collection",
			  fields->collection, "fingerprint", fields->fingerprint, "life", life);
	if (mapping == NULL || json_object_set_new(mapping, "_meta", meta) != 0) {
		json_decref(mapping);
		return NULL;
	}
	/* Commits refresh, nobody else, and often: so small segments are not merged with larger
	 * ones again and again, as by 3.x's default of 16 MB they are. The alias: see
	 * note_description. */
	return json_pack("{s:{s:{s:i, s:i, s:s, s:s, s:{s:s}}}, s:{s:{}}, s:o}", "settings",
			 "index", "number_of_shards", (int)index->shards, "number_of_replicas",
			 (int)index->replicas, "refresh_interval", "-1",
			 "merge.policy.floor_segment", "2mb", "translog", "durability", "request",
			 "aliases", alias, "mappings", mapping);
}

static weir_status create(struct weir_instance *instance, struct weir_error *error)
{
	struct answer answer;
	if (!dump(creation(instance), &instance->body))
		return error_no_memory(error);
	weir_status status =
		ask(instance, instance->connection, "PUT", "", &instance->body, &answer, error);
	if (status != WEIR_OK)
		return status;
	/* Somebody was quicker: it is looked at like any other. */
	if (!answer_is_good(&answer) &&
	    strcmp(answer_error_type(&answer), "resource_already_exists_exception") != 0)
		status = answer_failed(&answer, instance->index.path.data, error);
	answer_finish(&answer);
	return status;
}

static weir_status another(const struct weir_instance *instance, const char *what,
			   struct weir_error *error)
{
	return error_set(
		error, WEIR_FATAL,
		"opensearch: the index %.120s %.200s; it stays as it is: set another index "
		"in [backend.opensearch], or make a new one beside it with weir rebuild",
		instance->index.name, what);
}

static weir_status check_meta(const struct weir_instance *instance, const json_t *description,
			      char life[LIFE_LIMIT], struct weir_error *error)
{
	const struct fields *fields = &instance->fields;
	const json_t *mappings = json_object_get(description, "mappings");
	const json_t *meta = json_object_get(json_object_get(mappings, "_meta"), "weir");
	const char *collection = json_string_value(json_object_get(meta, "collection"));
	const char *fingerprint = json_string_value(json_object_get(meta, "fingerprint"));
	const char *named = json_string_value(json_object_get(meta, "life"));
	char what[200];
	if (collection == NULL || fingerprint == NULL || named == NULL)
		return another(instance, "is not an index of Weir (its mapping has no mark of it)",
			       error);
	json_int_t format = json_integer_value(json_object_get(meta, "format"));
	snprintf(what, sizeof(what), "has format %lld and not %d", (long long)format, FORMAT);
	if (format != FORMAT)
		return another(instance, what, error);
	snprintf(what, sizeof(what),
		 "holds the collection %.40s by another schema (%.40s and not %.40s)", collection,
		 fingerprint, fields->fingerprint);
	if (strcmp(fingerprint, fields->fingerprint) != 0 ||
	    strcmp(collection, fields->collection) != 0)
		return another(instance, what, error);
	snprintf(life, LIFE_LIMIT, "%s", named);
	return WEIR_OK;
}

/* *description: owned; NULL: there is no such index. */
static weir_status describe(const struct weir_instance *instance, struct connection *connection,
			    json_t **description, struct weir_error *error)
{
	struct answer answer = {0};
	weir_status status = ask(instance, connection, "GET", "", NULL, &answer, error);
	if (status != WEIR_OK)
		return status;
	*description = NULL;
	if (answer_is_good(&answer) && json_object_size(answer.json) == 1)
		*description = json_incref(json_object_iter_value(json_object_iter(answer.json)));
	else if (answer_is_good(&answer))
		status = error_set(error, WEIR_FATAL,
				   "opensearch: index in [backend.opensearch] is %.200s and names "
				   "%zu of them; name one",
				   instance->index.name, json_object_size(answer.json));
	else if (strcmp(answer_error_type(&answer), "index_not_found_exception") != 0)
		status = answer_failed(&answer, instance->index.path.data, error);
	answer_finish(&answer);
	return status;
}

/* An index that is deleted under a writer would be made again by the next write, without mapping.
 * What goes to an alias and says so is refused instead. */
static weir_status note_description(struct weir_instance *instance, const json_t *description,
				    struct weir_error *error)
{
	struct index *index = &instance->index;
	const json_t *settings = json_object_get(json_object_get(description, "settings"), "index");
	const char *shards = json_string_value(json_object_get(settings, "number_of_shards"));
	const char *name;
	json_t *alias;
	index->shards = shards != NULL ? strtol(shards, NULL, 10) : 1;
	text_clear(&index->writes);
	text_clear(&index->required);
	json_object_foreach(json_object_get(description, "aliases"), name, alias)
	{
		size_t length = strlen(name);
		if (length <= 5 || strcmp(name + length - 5, ".weir") != 0 ||
		    index->writes.length > 0)
			continue;
		text_append(&index->writes, "/", 1);
		text_percent(&index->writes, name, length);
		text_add(&index->required, "&require_alias=true");
	}
	if (index->writes.length == 0)
		text_add(&index->writes, index->path.data);
	text_append(&index->writes, "", 1);
	text_append(&index->required, "", 1);
	return index->writes.failed || index->required.failed ? error_no_memory(error) : WEIR_OK;
}

static weir_status missing(const struct weir_instance *instance, struct weir_error *error)
{
	return error_set(error, WEIR_RETRY,
			 "opensearch: there is no index %.200s at %.200s yet; wait for the indexer",
			 instance->index.name, instance->cluster.urls[0]);
}

weir_status index_gone(const struct weir_instance *instance, struct weir_error *error)
{
	return error_set(error, WEIR_FATAL,
			 "opensearch: the index %.200s was deleted or replaced while it was "
			 "written to; start the indexer again, which makes it anew from the log",
			 instance->index.name);
}

weir_status index_check(const struct weir_instance *instance, struct connection *connection,
			char life[LIFE_LIMIT], struct weir_error *error)
{
	json_t *description = NULL;
	weir_status status = describe(instance, connection, &description, error);
	if (status == WEIR_OK)
		status = description != NULL ? check_meta(instance, description, life, error)
					     : missing(instance, error);
	json_decref(description);
	return status;
}

static weir_status create_head(struct weir_instance *instance, struct weir_error *error)
{
	struct answer answer;
	struct text path = {0};
	text_add(&path, instance->index.writes.data);
	text_add(&path, "/_create/" HEAD_PREFIX);
	text_add(&path, instance->index.life);
	text_add(&path, "?refresh=true");
	text_append(&path, instance->index.required.data, instance->index.required.length);
	bool good = dump(json_pack("{s:s, s:{s:{}}}", "kind", "head", "head", "positions"),
			 &instance->body) &&
		    !path.failed;
	weir_status status = good ? connection_call(instance->connection, "PUT", path.data,
						    &instance->body, &answer, error)
				  : error_no_memory(error);
	text_finish(&path);
	if (status != WEIR_OK)
		return status;
	if (!answer_is_good(&answer) && answer.status != 409)
		status = answer_failed(&answer, instance->index.path.data, error);
	answer_finish(&answer);
	return status;
}

weir_status index_open(struct weir_instance *instance, uint32_t mode, struct weir_error *error)
{
	bool writer = mode == WEIR_MODE_WRITER;
	json_t *description = NULL;
	struct head head = {0};
	weir_status status = check_product(instance, error);
	if (status == WEIR_OK)
		status = describe(instance, instance->connection, &description, error);
	if (status == WEIR_OK && description == NULL && writer) {
		status = create(instance, error);
		if (status == WEIR_OK)
			status = describe(instance, instance->connection, &description, error);
	}
	if (status == WEIR_OK && description == NULL)
		status = missing(instance, error);
	if (status == WEIR_OK)
		status = check_meta(instance, description, instance->index.life, error);
	if (status == WEIR_OK)
		status = note_description(instance, description, error);
	json_decref(description);
	if (status == WEIR_OK && writer)
		status = create_head(instance, error);
	if (status == WEIR_OK)
		status = head_read(instance, instance->connection, instance->index.life, writer,
				   &head, error);
	head_finish(&head);
	return status;
}
