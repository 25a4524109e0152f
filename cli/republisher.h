/* SPDX-License-Identifier: MIT
 * republisher.h - asks eventd to send events again. */
#ifndef REPUBLISHER_H
#define REPUBLISHER_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"

struct republisher;

/* url: of eventd, borrowed. */
weir_status republisher_create(const char *url, struct republisher **republisher,
			       struct weir_error *error) WEIR_MUST_CHECK;
void republisher_destroy(struct republisher *republisher); /* takes NULL */

/* All of an event, with a version above this one. *refused: eventd will not (there is no version
 * above). WEIR_AWAY: it does not answer, or not for a while. */
weir_status republisher_send(struct republisher *republisher, const char *id, int64_t above,
			     bool *refused, struct weir_error *error) WEIR_MUST_CHECK;

#endif
