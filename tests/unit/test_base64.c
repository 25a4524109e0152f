/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "base64.h"
#include "suite.h"

/* RFC 4648's examples, and both letters beyond the digits. */
static const char *const good[][2] = {
	{"", ""},
	{"Zg==", "f"},
	{"Zm8=", "fo"},
	{"Zm9v", "foo"},
	{"Zm9vYg==", "foob"},
	{"Zm9vYmE=", "fooba"},
	{"Zm9vYmFy", "foobar"},
	{"Zg", "f"},
	{"Zm8", "fo"},
	{"+/+/", "\xFB\xFF\xBF"},
};

static const char *const bad[] = {"Z",	  "=",	    "====",  "Zg=",  "Zg===", "Z===",
				  "Zm=8", "Zm9v\n", "Zm 9v", "_-_-", "Zm9vY", "\xC3\xA4"};

START_TEST(bytes_come_back)
{
	for (size_t i = 0; i < COUNT(good); i++) {
		WEIR_CLEANUP(buffer_finish) struct buffer out = BUFFER_INIT;
		buffer_append_text(&out, ">");
		ck_assert_msg(base64_decode(good[i][0], strlen(good[i][0]), &out), "%s",
			      good[i][0]);
		ck_assert_str_eq(out.data + 1, good[i][1]);
	}
}
END_TEST

START_TEST(what_is_no_base64_is_refused)
{
	for (size_t i = 0; i < COUNT(bad); i++) {
		WEIR_CLEANUP(buffer_finish) struct buffer out = BUFFER_INIT;
		ck_assert_msg(!base64_decode(bad[i], strlen(bad[i]), &out), "%s", bad[i]);
	}
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("base64");
	tcase_add_test(cases, bytes_come_back);
	tcase_add_test(cases, what_is_no_base64_is_refused);
	return suite_run(cases, "base64");
}
