/* SPDX-License-Identifier: MIT */
#include <stdalign.h>
#include <stdint.h>
#include <string.h>

#include "arena.h"
#include "err.h"
#include "suite.h"

START_TEST(memory_is_aligned_and_its_own)
{
	WEIR_CLEANUP(arena_finish) struct arena arena = ARENA_INIT;
	unsigned char *pieces[2000];
	size_t sizes[COUNT(pieces)];
	for (size_t i = 0; i < COUNT(pieces); i++) {
		sizes[i] = i * 7919 % 257;
		pieces[i] = arena_allocate(&arena, sizes[i]);
		ck_assert_ptr_nonnull(pieces[i]);
		ck_assert_uint_eq((uintptr_t)pieces[i] % alignof(max_align_t), 0);
		memset(pieces[i], (int)(i % 251), sizes[i]);
	}
	for (size_t i = 0; i < COUNT(pieces); i++)
		for (size_t byte = 0; byte < sizes[i]; byte++)
			if (pieces[i][byte] != i % 251)
				ck_abort_msg("piece %zu was written over", i);
}
END_TEST

START_TEST(a_piece_larger_than_a_block_fits)
{
	WEIR_CLEANUP(arena_finish) struct arena arena = ARENA_INIT;
	char *small = arena_copy(&arena, "small", 5);
	char *large = arena_allocate(&arena, 1000000);
	ck_assert_ptr_nonnull(large);
	memset(large, 'x', 1000000);
	char *after = arena_copy(&arena, "after", 5);
	ck_assert_str_eq(small, "small");
	ck_assert_str_eq(after, "after");
}
END_TEST

START_TEST(sizes_that_cannot_be_are_refused)
{
	WEIR_CLEANUP(arena_finish) struct arena arena = ARENA_INIT;
	ck_assert_ptr_null(arena_allocate(&arena, SIZE_MAX));
	ck_assert_ptr_null(arena_allocate(&arena, SIZE_MAX - 15));
	ck_assert_ptr_null(arena_copy(&arena, "", SIZE_MAX));
	ck_assert_ptr_nonnull(arena_allocate(&arena, 1));
}
END_TEST

START_TEST(copies_end_with_a_nul)
{
	WEIR_CLEANUP(arena_finish) struct arena arena = ARENA_INIT;
	ck_assert_str_eq(arena_copy(&arena, NULL, 0), "");
	ck_assert_mem_eq(arena_copy(&arena, "a\0bc", 3), "a\0b\0", 4);
}
END_TEST

START_TEST(a_reset_keeps_a_block)
{
	WEIR_CLEANUP(arena_finish) struct arena arena = ARENA_INIT;
	arena_reset(&arena);
	ck_assert_ptr_nonnull(arena_allocate(&arena, 100));
	struct arena_block *block = arena.blocks;
	arena_reset(&arena);
	ck_assert_ptr_eq(arena.blocks, block);
	for (int i = 0; i < 100; i++)
		ck_assert_ptr_nonnull(arena_allocate(&arena, 60000));
	arena_reset(&arena);
	block = arena.blocks;
	ck_assert_ptr_nonnull(block);
	/* A large piece in front of it does not cost the block. */
	ck_assert_ptr_nonnull(arena_allocate(&arena, 1000000));
	arena_reset(&arena);
	ck_assert_ptr_eq(arena.blocks, block);
	ck_assert_ptr_nonnull(arena_allocate(&arena, 60000));
	ck_assert_ptr_eq(arena.blocks, block);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("arena");
	tcase_add_test(cases, memory_is_aligned_and_its_own);
	tcase_add_test(cases, a_piece_larger_than_a_block_fits);
	tcase_add_test(cases, sizes_that_cannot_be_are_refused);
	tcase_add_test(cases, copies_end_with_a_nul);
	tcase_add_test(cases, a_reset_keeps_a_block);
	return suite_run(cases, "arena");
}
