/* SPDX-License-Identifier: MIT
 * test_index_converges PLUGIN.so: random histories, each of an id of its own, through a real index.
 * All messages, each once to three times, come in one random order; they are committed in batches
 * of random sizes, some of which are dropped and come again, or come twice; the index is closed and
 * opened now and then. In the end every document is the model's (convergence.h), byte for byte.
 * WEIR_SEED repeats a run. */
#include <limits.h>
#include <time.h>
#include <unistd.h>

#include "../unit/convergence.h"
#include "../unit/suite.h"
#include "moment.h"
#include "place.h"
#include "plugin.h"

enum { IDS = 1500, HISTORY = 6, TIMES = 3, BATCH = 300 };
enum { MESSAGES = IDS * HISTORY * TIMES };

#define EXPECT(condition)                                                                          \
	do {                                                                                       \
		if (!(condition))                                                                  \
			ck_abort_msg("not so: %s (%s)", #condition, error.message);                \
	} while (0)

struct message {
	size_t id, letter;
};

static const char *plugin_path;
static char folder[] = "/tmp/weir-converges-XXXXXX";
static struct config *config;
static struct schema *schema;
static struct backend writer;
static struct weir_error error;
static uint64_t random_state;
static uint32_t sets[IDS];
static struct message messages[MESSAGES];
static size_t message_count, commits, dropped, repeated, reopened;

static size_t random_below(size_t limit)
{
	random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (size_t)(random_state >> 33) % limit;
}

static void open_writer(void)
{
	EXPECT(backend_open(config, schema->abi, WEIR_MODE_WRITER, &plugin_default_host, &writer,
			    &error) == WEIR_OK);
}

static void set_up(void)
{
	struct plugin *plugin = NULL;
	char sets_text[2][PATH_MAX + 64];
	const char *given[] = {sets_text[0], sets_text[1]};
	WEIR_FREE char *path = place_schema();
	EXPECT(schema_load(path, &schema, &error) == WEIR_OK);
	EXPECT(plugin_load(plugin_path, NULL, &plugin, &error) == WEIR_OK);
	EXPECT(mkdtemp(folder) != NULL);
	snprintf(sets_text[0], sizeof(sets_text[0]), "backend.plugin=%s", plugin_path);
	snprintf(sets_text[1], sizeof(sets_text[1]), "backend.%s.path=%s/index",
		 plugin->manifest->name, folder);
	plugin_destroy(plugin);
	EXPECT(config_load(NULL, given, 2, &config, &error) == WEIR_OK);
	make_changes();
	open_writer();
}

static void tear_down(void)
{
	char command[PATH_MAX];
	backend_close(&writer);
	config_destroy(config);
	schema_destroy(schema);
	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	EXPECT(system(command) == 0);
}

static void make_histories(void)
{
	for (size_t id = 0; id < IDS; id++) {
		for (size_t i = 1 + random_below(HISTORY); i > 0; i--) {
			size_t letter = random_below(ALPHABET);
			sets[id] |= UINT32_C(1) << letter;
			for (size_t times = 1 + random_below(TIMES); times > 0; times--)
				messages[message_count++] = (struct message){id, letter};
		}
	}
	for (size_t i = message_count; i > 1; i--) {
		size_t other = random_below(i);
		struct message swapped = messages[i - 1];
		messages[i - 1] = messages[other];
		messages[other] = swapped;
	}
}

/* What a batch's ids come to. */
struct slot {
	size_t id;
	char name[16];
	struct state state;
	struct buffer stored, revision, blob;
	struct state_values values;
	struct weir_document document;
	struct weir_verdict verdict;
	bool changed;
};

static struct slot slots[BATCH];
static size_t slot_count;

static int on_state(void *context, size_t index, int found, const void *state, size_t state_length,
		    const void *revision, size_t revision_length)
{
	struct slot *slot = &((struct slot *)context)[index];
	if (found) {
		buffer_append(&slot->stored, state, state_length);
		buffer_append(&slot->revision, revision, revision_length);
	}
	return 0;
}

static struct slot *slot_of(size_t id)
{
	for (size_t i = 0; i < slot_count; i++)
		if (slots[i].id == id)
			return &slots[i];
	struct slot *slot = &slots[slot_count++];
	slot->id = id;
	slot->changed = false;
	snprintf(slot->name, sizeof(slot->name), "id-%04zu", id);
	buffer_clear(&slot->stored);
	buffer_clear(&slot->revision);
	buffer_clear(&slot->blob);
	return slot;
}

static void fetch(void)
{
	const char *names[BATCH];
	size_t lengths[BATCH];
	for (size_t i = 0; i < slot_count; i++) {
		names[i] = slots[i].name;
		lengths[i] = strlen(slots[i].name);
	}
	EXPECT(writer.plugin->operations.fetch(writer.instance, names, lengths, slot_count,
					       on_state, slots, &error) == WEIR_OK);
	for (size_t i = 0; i < slot_count; i++)
		EXPECT(state_read(&slots[i].state, slots[i].stored.data, slots[i].stored.length,
				  &error) == WEIR_OK);
}

static void fill(struct slot *slot)
{
	EXPECT(state_document(&slot->state, schema, moment_now(), &slot->blob, &slot->values,
			      &slot->document, &error) == WEIR_OK);
	slot->verdict.kind = WEIR_ACCEPTED;
	slot->document.id = slot->name;
	slot->document.id_length = strlen(slot->name);
	slot->document.revision = slot->revision.data;
	slot->document.revision_length = slot->revision.length;
}

/* As the indexer does: fetch, merge, apply. */
static void apply(size_t from, size_t to)
{
	const struct weir_document *documents[BATCH];
	struct weir_verdict *verdicts[BATCH];
	size_t changed = 0;
	slot_count = 0;
	for (size_t i = from; i < to; i++)
		slot_of(messages[i].id);
	fetch();
	for (size_t i = from; i < to; i++) {
		struct slot *slot = slot_of(messages[i].id);
		bool another = false;
		EXPECT(state_merge(&slot->state, &changes[messages[i].letter], &another, &error) ==
		       WEIR_OK);
		slot->changed = slot->changed || another;
	}
	for (size_t i = 0; i < slot_count; i++) {
		if (!slots[i].changed)
			continue;
		fill(&slots[i]);
		documents[changed] = &slots[i].document;
		verdicts[changed++] = &slots[i].verdict;
	}
	EXPECT(writer.plugin->operations.apply(writer.instance, documents, changed, verdicts,
					       &error) == WEIR_OK);
	for (size_t i = 0; i < changed; i++)
		EXPECT(verdicts[i]->kind == WEIR_ACCEPTED);
}

static void commit(size_t next_offset)
{
	struct weir_position position = {
		.cluster = "c", .topic = "t", .topic_id = "", .next_offset = (int64_t)next_offset};
	const struct weir_position *pointer = &position;
	EXPECT(writer.plugin->operations.commit(writer.instance, &pointer, 1, &error) == WEIR_OK);
	commits++;
}

/* A batch, and what may happen to one. */
static void run_batch(size_t from, size_t to)
{
	apply(from, to);
	switch (random_below(8)) {
	case 0:
		EXPECT(writer.plugin->operations.abandon(writer.instance, &error) == WEIR_OK);
		dropped++;
		apply(from, to);
		break;
	case 1: /* killed before the commit */
		backend_close(&writer);
		open_writer();
		reopened++;
		apply(from, to);
		break;
	case 2: /* killed behind it, and read again from an older position */
		commit(to);
		backend_close(&writer);
		open_writer();
		repeated++;
		apply(from - random_below(from < BATCH ? from + 1 : BATCH), from);
		apply(from, to);
		break;
	default:
		break;
	}
	commit(to);
}

struct found {
	size_t next, wrong;
};

/* A set that says nothing is no document. */
static void pass_over_empty(struct found *found, struct model *model)
{
	for (; found->next < IDS; found->next++) {
		make_model(sets[found->next], model);
		if (model->length > 3)
			break;
	}
}

static int on_scan(void *context, const char *id, size_t id_length, int64_t version, uint32_t kind)
{
	struct found *found = context;
	struct model model = {0};
	char name[16];
	pass_over_empty(found, &model);
	snprintf(name, sizeof(name), "id-%04zu", found->next++);
	found->wrong += strlen(name) != id_length || memcmp(name, id, id_length) != 0 ||
			version != model.version ||
			kind != (uint32_t)(model.visible ? WEIR_KIND_LIVE : WEIR_KIND_HIDDEN);
	return 0;
}

static void check_all(void)
{
	struct found found = {0};
	struct model ignored;
	weir_session *session = NULL;
	uint64_t generation;
	const struct weir_operations *operations = &writer.plugin->operations;
	EXPECT(operations->session_open(writer.instance, &plugin_default_host, &session, &error) ==
	       WEIR_OK);
	EXPECT(operations->refresh(session, &generation, &error) == WEIR_OK);
	EXPECT(operations->scan(session, "", 0, on_scan, &found, &error) == WEIR_OK);
	operations->session_close(session);
	pass_over_empty(&found, &ignored);
	EXPECT(found.wrong == 0 && found.next == IDS);
	for (size_t id = 0; id < IDS; id++) {
		struct model model;
		make_model(sets[id], &model);
		slot_count = 0;
		struct slot *slot = slot_of(id);
		fetch();
		bool same = slot->stored.length == model.length &&
			    memcmp(slot->stored.data, model.blob, model.length) == 0;
		if (!same && (slot->stored.length != 0 || model.length > 3))
			ck_abort_msg("the state of %s is another", slot->name);
	}
}

START_TEST(random_histories_end_in_the_models_documents)
{
	const char *seed = getenv("WEIR_SEED");
	random_state = seed != NULL ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL);
	printf("WEIR_SEED=%llu\n", (unsigned long long)random_state);
	fflush(stdout);
	make_histories();
	for (size_t at = 0; at < message_count;) {
		size_t size = 1 + random_below(BATCH);
		size_t to = at + size < message_count ? at + size : message_count;
		run_batch(at, to);
		at = to;
	}
	check_all();
	printf("%d histories, %zu messages, %zu commits, %zu batches dropped, %zu lost by a kill, "
	       "%zu "
	       "read again\n",
	       IDS, message_count, commits, dropped, reopened, repeated);
	for (size_t i = 0; i < BATCH; i++) {
		state_finish(&slots[i].state);
		buffer_finish(&slots[i].stored);
		buffer_finish(&slots[i].revision);
		buffer_finish(&slots[i].blob);
		state_values_finish(&slots[i].values);
	}
}
END_TEST

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "test_index_converges PLUGIN.so\n");
		return 2;
	}
	plugin_path = argv[1];
	TCase *cases = tcase_create("index converges");
	tcase_add_checked_fixture(cases, set_up, tear_down);
	tcase_add_test(cases, random_histories_end_in_the_models_documents);
	return suite_run(cases, "index converges");
}
