/* SPDX-License-Identifier: MIT
 * batches.h - a writer that does the steps of steps.h. */
#ifndef BATCHES_H
#define BATCHES_H

#include "look.h"

/* In memory that is shared with who looks afterwards. */
struct progress {
	uint32_t begun, committed, synced; /* batches */
	uint32_t failures;		   /* operations that answered WEIR_RETRY */
};

/* Does the batch that comes next in the model, and moves it on. The instance may be another one
 * afterwards. With can_fail, what answers WEIR_RETRY is abandoned and done again; else it ends the
 * process. on_sync: called when something was synced; NULL: not. */
struct writing {
	const struct place *place;
	weir_instance *instance;
	struct model *model;
	struct progress *progress;
	bool can_fail;
	void (*on_sync)(struct writing *writing);
};
void batch_do(struct writing *writing);

#endif
