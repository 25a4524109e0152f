/* SPDX-License-Identifier: MIT */
#include "harness.h"

static size_t length_of(const char *text, size_t length)
{
	return length != 0 ? length : strlen(text);
}

size_t item_values(const struct item *item, struct weir_value values[FIELD_COUNT])
{
	const char *texts[] = {item->title, item->body, item->place, item->tag,	 item->code,
			       item->price, item->day,	item->free,  item->label};
	size_t count = 0;
	for (int field = 0; field < FIELD_COUNT; field++) {
		if (texts[field] == NULL)
			continue;
		size_t given = field == TITLE	? item->title_length
			       : field == TAG	? item->tag_length
			       : field == LABEL ? item->label_length
						: 0;
		values[count++] = (struct weir_value){
			.field = field,
			.type = collection.fields[field]->type,
			.text = texts[field],
			.text_length = length_of(texts[field], given),
			.number = field == PRICE ? strtod(texts[field], NULL) : 0,
			.integer =
				field == DAY || field == FREE ? strtoll(texts[field], NULL, 10) : 0,
		};
	}
	return count;
}

static int on_revision(void *context, size_t index, int is_found, const void *state,
		       size_t state_length, const void *bytes, size_t length)
{
	struct revision *revision = (struct revision *)context + index;
	(void)is_found, (void)state, (void)state_length;
	REQUIRE(length <= sizeof(revision->bytes));
	if (length > 0)
		memcpy(revision->bytes, bytes, length);
	revision->length = length;
	return 0;
}

void fetch_revision(weir_instance *writer, const char *id, struct revision *revision)
{
	size_t length = strlen(id);
	MUST(backend->fetch(writer, &id, &length, 1, on_revision, revision, &error));
}

/* What put_items holds of an item while it applies it. */
struct put {
	struct weir_document document;
	struct weir_value values[FIELD_COUNT];
	const struct weir_value *pointers[FIELD_COUNT];
	struct weir_verdict verdict;
};

static void fill_put(struct put *put, const struct item *item, const struct revision *revision)
{
	const char *state = item->state != NULL ? item->state : item->id;
	put->document = (struct weir_document){
		.id = item->id,
		.id_length = length_of(item->id, item->id_length),
		.kind = item->hidden ? WEIR_KIND_HIDDEN : WEIR_KIND_LIVE,
		.version = item->version,
		.applied_at = item->applied_at,
		.revision = revision->bytes,
		.revision_length = revision->length,
		.state = state,
		.state_length = length_of(state, item->state_length),
		.values = put->pointers,
		.value_count = item->hidden ? 0 : item_values(item, put->values),
	};
	for (size_t i = 0; i < FIELD_COUNT; i++)
		put->pointers[i] = &put->values[i];
}

static void fetch_revisions(weir_instance *writer, const struct item *items, size_t count,
			    struct revision *revisions)
{
	const char **ids = calloc(count, sizeof(*ids));
	size_t *lengths = calloc(count, sizeof(*lengths));
	REQUIRE(count == 0 || (ids != NULL && lengths != NULL));
	for (size_t i = 0; i < count; i++) {
		ids[i] = items[i].id;
		lengths[i] = length_of(items[i].id, items[i].id_length);
	}
	MUST(backend->fetch(writer, ids, lengths, count, on_revision, revisions, &error));
	free((void *)ids);
	free(lengths);
}

static void apply_revised(weir_instance *writer, const struct item *items, size_t count,
			  const struct revision *revisions, uint32_t *kinds)
{
	struct put *puts = calloc(count, sizeof(*puts));
	const struct weir_document **documents = calloc(count, sizeof(*documents));
	struct weir_verdict **verdicts = calloc(count, sizeof(*verdicts));
	REQUIRE(count == 0 || (puts != NULL && documents != NULL && verdicts != NULL));
	for (size_t i = 0; i < count; i++) {
		fill_put(&puts[i], &items[i], &revisions[i]);
		documents[i] = &puts[i].document;
		verdicts[i] = &puts[i].verdict;
	}
	MUST(backend->apply(writer, documents, count, verdicts, &error));
	for (size_t i = 0; i < count; i++) {
		kinds[i] = puts[i].verdict.kind;
		if (kinds[i] == WEIR_REJECTED)
			ck_assert_str_ne(puts[i].verdict.reason, "");
	}
	free((void *)documents);
	free(verdicts);
	free(puts);
}

void put_items(weir_instance *writer, const struct item *items, size_t count, uint32_t *kinds)
{
	struct revision *revisions = calloc(count, sizeof(*revisions));
	REQUIRE(count == 0 || revisions != NULL);
	fetch_revisions(writer, items, count, revisions);
	apply_revised(writer, items, count, revisions, kinds);
	free(revisions);
}

uint32_t put_revised(weir_instance *writer, const struct item *item,
		     const struct revision *revision)
{
	uint32_t kind;
	apply_revised(writer, item, 1, revision, &kind);
	return kind;
}

uint32_t put_item(weir_instance *writer, const struct item *item)
{
	uint32_t kind;
	put_items(writer, item, 1, &kind);
	return kind;
}

enum { LATER_LIMIT = 400 };
static struct item later[LATER_LIMIT];
static size_t later_count;

/* The texts of an item, to be copied and freed. */
static const char **text_of(struct item *item, size_t index)
{
	const char **texts[] = {&item->id,   &item->title, &item->body,	 &item->place,
				&item->tag,  &item->code,  &item->price, &item->day,
				&item->free, &item->label, &item->state};
	return index < sizeof(texts) / sizeof(texts[0]) ? texts[index] : NULL;
}

void flush_later(weir_instance *writer)
{
	uint32_t kinds[LATER_LIMIT];
	if (later_count == 0)
		return;
	put_items(writer, later, later_count, kinds);
	for (size_t i = 0; i < later_count; i++) {
		REQUIRE(kinds[i] == WEIR_ACCEPTED);
		for (size_t j = 0; text_of(&later[i], j) != NULL; j++)
			free((void *)*text_of(&later[i], j));
	}
	later_count = 0;
}

void put_later(weir_instance *writer, const struct item *item)
{
	bool twice = false;
	for (size_t i = 0; i < later_count && !twice; i++)
		twice = strcmp(later[i].id, item->id) == 0;
	if (twice || later_count == LATER_LIMIT)
		flush_later(writer);
	struct item *copy = &later[later_count++];
	*copy = *item;
	for (size_t i = 0; text_of(copy, i) != NULL; i++) {
		const char **text = text_of(copy, i);
		if (*text != NULL)
			REQUIRE((*text = strdup(*text)) != NULL);
	}
}

void commit(weir_instance *writer)
{
	flush_later(writer);
	MUST(backend->commit(writer, NULL, 0, &error));
}

void commit_at(weir_instance *writer, const char *topic, int32_t partition, int64_t next_offset)
{
	flush_later(writer);
	struct weir_position position = {"cluster", topic, "topic-id", partition, next_offset};
	const struct weir_position *pointers[] = {&position};
	MUST(backend->commit(writer, pointers, 1, &error));
}

uint64_t refresh(weir_session *session)
{
	uint64_t generation = 0;
	MUST(backend->refresh(session, &generation, &error));
	return generation;
}
