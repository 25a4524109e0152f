/* SPDX-License-Identifier: MIT
 * address.h - where a daemon will listen and how to reach it from here. */
#ifndef ADDRESS_H
#define ADDRESS_H

#include <stdint.h>

#include "config.h"
#include "err.h"

struct address {
	uint16_t port;
	char url[320]; /* "http://127.0.0.1:8080" */
};

/* From [daemon] address and port; port 0 becomes a free one. A port that is taken stays so for two
 * seconds before this answers WEIR_AWAY: the daemons of a `weir up` that was killed may need a
 * moment to be gone. WEIR_INVALID: an address that this machine does not have. */
weir_status address_find(const struct config *config, const char *daemon, struct address *address,
			 struct weir_error *error) WEIR_MUST_CHECK;

#endif
