/* SPDX-License-Identifier: MIT
 * place.h - where the parts of Weir lie, seen from the running executable, so that a build folder
 * and an installation both work wherever they were put. */
#ifndef PLACE_H
#define PLACE_H

#include "err.h"

/* The folder of the running executable, absolute; free() it. NULL: no memory or no /proc. */
char *place_executable_folder(void);
/* The first of count candidates that exists, each relative to the executable's folder
 * ("../share/weir/schema/events.json"). free() it. NULL: none does. */
char *place_find(const char *const *candidates, size_t count);
/* The schema that came with this build: installed, or in the build folder. free() it; NULL: none.
 */
char *place_schema(void);

#endif
