/* SPDX-License-Identifier: MIT
 * catalog_file.h - the catalog's file: JSON in and out. For catalog.c alone. */
#ifndef CATALOG_FILE_H
#define CATALOG_FILE_H

#include "catalog.h"

/* The parameter's value is a path. */
bool catalog_is_path(const char *parameter);
/* Fills what the file holds; a missing file is WEIR_OK and exists is false. */
weir_status catalog_file_read(struct catalog *catalog, struct weir_error *error) WEIR_MUST_CHECK;

#endif
