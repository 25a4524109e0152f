/* SPDX-License-Identifier: MIT */
#include "upkeep.h"

weir_status upkeep_create(struct store *store, struct weir_error *error)
{
	(void)store, (void)error;
	return WEIR_OK;
}

void upkeep_destroy(struct store *store)
{
	(void)store;
}

weir_status upkeep_apply(struct store *store, struct weir_error *error)
{
	(void)store, (void)error;
	return WEIR_OK;
}

weir_status upkeep_before_commit(struct store *store, struct weir_error *error)
{
	(void)store, (void)error;
	return WEIR_OK;
}

void upkeep_after_commit(struct store *store)
{
	(void)store;
}

weir_status upkeep_maintain(struct store *store, uint32_t budget_ms, struct weir_error *error)
{
	(void)store, (void)budget_ms, (void)error;
	return WEIR_OK;
}
