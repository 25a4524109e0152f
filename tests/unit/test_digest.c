/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "digest.h"
#include "suite.h"

static struct state_field fields[] = {
	{"city", 4, 5, SCHEMA_CREATED, false, "\"Graz\"", 6},
	{"price", 5, 7, SCHEMA_UPDATED, true, NULL, 0},
};
static const struct state whole = {.fields = fields, .field_count = 2};

static hash128 of(const struct state *state)
{
	return digest_document(7, WEIR_KIND_LIVE, state);
}

START_TEST(everything_in_a_state_counts)
{
	hash128 digest = of(&whole);
	struct state_field changed[2];
	struct state other = {.fields = changed, .field_count = 2};
	for (int i = 0; i < 6; i++) {
		memcpy(changed, fields, sizeof(fields));
		other.deleted = i == 0;
		if (i == 1)
			changed[0].json = "\"Linz\"";
		if (i == 2)
			changed[0].version++;
		if (i == 3)
			changed[0].written_by = SCHEMA_UPDATED;
		if (i == 4)
			changed[0].name = "cite";
		other.field_count = i == 5 ? 1 : 2;
		ck_assert_msg(of(&other) != digest, "case %d", i);
	}
	memcpy(changed, fields, sizeof(fields));
	other = (struct state){.fields = changed, .field_count = 2};
	ck_assert(of(&other) == digest);
	ck_assert(digest_document(8, WEIR_KIND_LIVE, &whole) != digest);
	ck_assert(digest_document(7, WEIR_KIND_HIDDEN, &whole) != digest);
	ck_assert(digest_document(7, WEIR_KIND_LIVE, NULL) != digest);
}
END_TEST

START_TEST(what_a_create_did_not_bring_is_as_if_it_were_absent)
{
	struct state_field more[] = {
		fields[0], {"organizer", 9, 5, SCHEMA_CREATED, true, NULL, 0}, fields[1]};
	struct state state = {.fields = more, .field_count = 3};
	ck_assert(of(&state) == of(&whole));
	more[1].written_by = SCHEMA_UPDATED;
	ck_assert(of(&state) != of(&whole));
}
END_TEST

START_TEST(a_range_counts_ids_documents_and_their_order)
{
	hash128 first = HASH128_START, second = HASH128_START, third = HASH128_START;
	digest_add(&first, "a", 1, 1);
	digest_add(&first, "b", 1, 2);
	digest_add(&second, "a", 1, 2);
	digest_add(&second, "b", 1, 1);
	digest_add(&third, "ab", 2, 1);
	ck_assert(first != second && first != third && second != third);
}
END_TEST

START_TEST(only_old_deletes_are_left_out)
{
	struct state gone = {.deleted = true, .delete_version = 5};
	struct state waits = {.fields = fields, .field_count = 1};
	ck_assert(digest_leaves_out(5, WEIR_KIND_HIDDEN, &gone, 6));
	ck_assert(!digest_leaves_out(5, WEIR_KIND_HIDDEN, &gone, 5));
	ck_assert(!digest_leaves_out(5, WEIR_KIND_LIVE, &gone, 6));
	ck_assert(!digest_leaves_out(5, WEIR_KIND_HIDDEN, &waits, 6));
	ck_assert(digest_leaves_out(5, WEIR_KIND_HIDDEN, NULL, 6));
}
END_TEST

START_TEST(texts_come_back)
{
	char text[DIGEST_TEXT_SIZE];
	hash128 digest = of(&whole), read = 0;
	WEIR_CLEANUP(buffer_finish) struct buffer hexadecimal = BUFFER_INIT, bytes = BUFFER_INIT;
	digest_write(digest, text);
	ck_assert(digest_read(text, strlen(text), &read) && read == digest);
	ck_assert(!digest_read(text, 31, &read));
	text[3] = 'G';
	ck_assert(!digest_read(text, strlen(text), &read));
	digest_write_bytes(&hexadecimal, "\0\x7f\xff", 3);
	ck_assert_str_eq(hexadecimal.data, "007fff");
	ck_assert(digest_read_bytes(hexadecimal.data, hexadecimal.length, &bytes));
	ck_assert(bytes.length == 3 && memcmp(bytes.data, "\0\x7f\xff", 3) == 0);
	ck_assert(!digest_read_bytes("0", 1, &bytes));
	ck_assert(!digest_read_bytes("0x", 2, &bytes));
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("digest");
	tcase_add_test(cases, everything_in_a_state_counts);
	tcase_add_test(cases, what_a_create_did_not_bring_is_as_if_it_were_absent);
	tcase_add_test(cases, a_range_counts_ids_documents_and_their_order);
	tcase_add_test(cases, only_old_deletes_are_left_out);
	tcase_add_test(cases, texts_come_back);
	return suite_run(cases, "digest");
}
