/* SPDX-License-Identifier: MIT */
#include "particular.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static void particular_setup(void)
{
	struct weir_error error = {""};
	ck_assert_msg(target_begin((size_t)getpid(), &error) == WEIR_OK, "%s", error.message);
	harness_setup();
}

void check_line(const struct weir_error *error, const char *const *parts)
{
	ck_assert_ptr_null(strchr(error->message, '\n'));
	for (; *parts != NULL; parts++)
		ck_assert_msg(strstr(error->message, *parts) != NULL, "\"%s\" lacks \"%s\"",
			      error->message, *parts);
}

static const char *parent_path(void)
{
	static char parent[PATH_MAX];
	snprintf(parent, sizeof(parent), "%s", target_path());
	*strrchr(parent, '/') = '\0';
	return parent;
}

void make_parents(void)
{
	ck_assert_int_eq(mkdir(parent_path(), 0700), 0);
}

static bool mount_small_disk(const char *size)
{
	char options[32];
	make_parents();
	snprintf(options, sizeof(options), "size=%s", size);
	if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
		return false;
	return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("tmpfs", parent_path(), "tmpfs", 0, options) == 0;
}

static weir_status put_filled(weir_instance *writer, int number, struct weir_error *error)
{
	static char state[20000];
	char id[16];
	snprintf(id, sizeof(id), "id%05d", number);
	memset(state, 'a' + number % 26, sizeof(state));
	struct weir_value value = {
		.field = TITLE,
		.type = WEIR_TYPE_TEXT,
		.text = "filled",
		.text_length = 6,
	};
	const struct weir_value *values[] = {&value};
	struct weir_document document = {
		.id = id,
		.id_length = strlen(id),
		.kind = WEIR_KIND_LIVE,
		.state = state,
		.state_length = sizeof(state),
		.values = values,
		.value_count = 1,
	};
	const struct weir_document *documents[] = {&document};
	struct weir_verdict verdict = {0};
	struct weir_verdict *const verdicts[] = {&verdict};
	weir_status status = backend->apply(writer, documents, 1, verdicts, error);
	ck_assert(status != WEIR_OK || verdict.kind == WEIR_ACCEPTED);
	return status;
}

weir_status commit_ten(weir_instance *writer, int first, struct weir_error *error)
{
	struct weir_position position = {"cluster", "created", "", 0, first + 10};
	const struct weir_position *positions_of[] = {&position};
	weir_status status = WEIR_OK;
	for (int i = 0; i < 10 && status == WEIR_OK; i++)
		status = put_filled(writer, first + i, error);
	return status == WEIR_OK ? backend->commit(writer, positions_of, 1, error) : status;
}

uint64_t count_matches(weir_session *session, const struct weir_query *query)
{
	struct weir_search search = {.query = query};
	struct weir_search_result result = {0};
	MUST(backend->search(session, &search, NULL, NULL, &result, &error));
	return result.total;
}

static void expect_filled(weir_session *session, int count)
{
	char expected[64];
	snprintf(expected, sizeof(expected), "cluster/created/0=%d", count);
	ck_assert_str_eq(session_places(session), expected);
	ck_assert_uint_eq(count_matches(session, term(ANY, "filled")), (uint64_t)count);
}

static const char *make_ballast(long bytes)
{
	static char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s-ballast", target_path());
	int file = open(path, O_WRONLY | O_CREAT, 0600);
	ck_assert_int_ge(file, 0);
	ck_assert_int_eq(posix_fallocate(file, 0, bytes), 0);
	close(file);
	return path;
}

/* As the indexer does: abandons and tries again, at last with nothing but the position. */
static void try_in_vain(weir_instance *writer, int done, struct weir_error *failure)
{
	struct weir_position position = {"cluster", "created", "", 0, done + 10};
	const struct weir_position *positions_of[] = {&position};
	for (int i = 0; i < 5; i++) {
		MUST(backend->abandon(writer, &error));
		ck_assert_int_eq(commit_ten(writer, done, failure), WEIR_RETRY);
		MUST(backend->abandon(writer, &error));
		ck_assert_int_eq(backend->commit(writer, positions_of, 1, failure), WEIR_RETRY);
	}
	MUST(backend->abandon(writer, &error));
}

void check_full_disk(const char *size, long ballast, const char *said)
{
	if (!mount_small_disk(size)) {
		fprintf(stderr,
			"skipped: a full disk cannot be had, mounting a tmpfs is not "
			"allowed here (%s)\n",
			strerror(errno));
		return;
	}
	const char *path = make_ballast(ballast);
	weir_instance *writer = open_writer();
	struct weir_error failure = {""};
	int done = 0;
	while (commit_ten(writer, done, &failure) == WEIR_OK)
		done += 10;
	ck_assert_int_gt(done, 0);
	ck_assert_int_lt(done, 1000);
	check_line(&failure, (const char *const[]){target_path(), said, NULL});
	try_in_vain(writer, done, &failure);
	weir_instance *reader = open_reader();
	weir_session *session = open_session(reader);
	expect_filled(session, done);
	ck_assert_double_eq(stat_of(writer, "documents_live"), done);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_msg(commit_ten(writer, done, &failure) == WEIR_OK, "%s", failure.message);
	refresh(session);
	expect_filled(session, done + 10);
	ck_assert_double_eq(stat_of(writer, "documents_live"), done + 10);
	backend->session_close(session);
	backend->close(reader);
	backend->close(writer);
}

int particular_main(int count, char **arguments, const char *engine, TCase *cases)
{
	char run_folder[64];
	snprintf(run_folder, sizeof(run_folder), "/tmp/weir-%s-XXXXXX", engine);
	struct target_options options = {.plugin = count == 2 ? arguments[1] : ""};
	struct weir_error error = {""};
	if (mkdtemp(run_folder) == NULL ||
	    target_load(&options, run_folder, engine, &error) != WEIR_OK) {
		fprintf(stderr, "test_%s PLUGIN.so: %s\n", engine, error.message);
		return 2;
	}
	harness_use(target_plugin(), 1);
	Suite *suite = suite_create(engine);
	suite_add_tcase(suite, cases);
	tcase_add_checked_fixture(cases, particular_setup, harness_teardown);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	harness_remove(run_folder);
	return failed != 0;
}
