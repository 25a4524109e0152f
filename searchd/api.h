/* SPDX-License-Identifier: MIT
 * api.h - the routes of searchd, and the workers that answer them. */
#ifndef API_H
#define API_H

#include "freshness.h"
#include "http.h"
#include "index.h"

struct api;

weir_status api_start(const struct config *config, struct index *index, struct freshness *freshness,
		      struct api **api, struct weir_error *error) WEIR_MUST_CHECK;
uint16_t api_port(const struct api *api);
/* What came before is answered; takes NULL. */
void api_stop(struct api *api);

#endif
