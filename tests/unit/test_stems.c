/* SPDX-License-Identifier: MIT */
#include "stems.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "suite.h"

static const char *stem(struct stemmer *stemmer, const char *word)
{
	static char text[200];
	size_t length;
	const char *found = stems_find(stemmer, word, strlen(word), &length);
	snprintf(text, sizeof(text), "%.*s", (int)length, found);
	return text;
}

START_TEST(forms_come_to_one_stem)
{
	struct stemmer *english = stems_of("en");
	ck_assert_ptr_nonnull(english);
	for (int round = 0; round < 2; round++) {
		ck_assert_str_eq(stem(english, "running"), "run");
		ck_assert_str_eq(stem(english, "runs"), "run");
		ck_assert_str_eq(stem(english, "run"), "run");
	}
	ck_assert_str_eq(stem(english, "2000s"), "2000s");
	char word[100];
	memset(word, 'a', 70);
	strcpy(word + 67, "ing");
	ck_assert_str_eq(stem(english, word), word);
	ck_assert_ptr_eq(stems_of("en"), english);
	ck_assert_str_eq(stem(stems_of("de"), "konzerte"), "konzert");
}
END_TEST

START_TEST(every_language_named_is_there)
{
	char names[200], *rest = NULL;
	snprintf(names, sizeof(names), "%s", stems_languages());
	size_t count = 0;
	for (char *name = strtok_r(names, ", ", &rest); name != NULL;
	     name = strtok_r(NULL, ", ", &rest), count++)
		ck_assert_msg(stems_know(name) && stems_of(name) != NULL, "%s", name);
	ck_assert_uint_gt(count, 20);
	ck_assert(!stems_know("xx"));
	ck_assert_ptr_null(stems_of("xx"));
}
END_TEST

/* More words than are remembered: what was forgotten is found again. */
START_TEST(the_memory_is_bounded)
{
	struct stemmer *english = stems_of("en");
	char word[32], expected[200];
	for (unsigned i = 0; i < 300000; i++) {
		snprintf(word, sizeof(word), "q%xs", i % 150000);
		snprintf(expected, sizeof(expected), "%s", stem(english, word));
		ck_assert_str_eq(stem(english, word), expected);
	}
	ck_assert_str_eq(stem(english, "concerts"), "concert");
}
END_TEST

static void *stem_in_thread(void *context)
{
	struct stemmer *own = stems_of("en");
	bool good = own != NULL && own != context && strcmp(stem(own, "dancing"), "danc") == 0;
	return good ? context : NULL;
}

START_TEST(a_thread_has_its_own)
{
	struct stemmer *english = stems_of("en");
	pthread_t thread;
	void *answer = NULL;
	ck_assert_int_eq(pthread_create(&thread, NULL, stem_in_thread, english), 0);
	ck_assert_int_eq(pthread_join(thread, &answer), 0);
	ck_assert_ptr_eq(answer, english);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("stems");
	tcase_add_test(cases, forms_come_to_one_stem);
	tcase_add_test(cases, every_language_named_is_there);
	tcase_add_test(cases, the_memory_is_bounded);
	tcase_add_test(cases, a_thread_has_its_own);
	return suite_run(cases, "stems");
}
