/* SPDX-License-Identifier: MIT
 * report.h - what came of the cases: a table for people, JSON for scripts. */
#ifndef REPORT_H
#define REPORT_H

#include "plugin.h"

void report_table(const struct plugin *plugin, unsigned seed);
void report_json(const struct plugin *plugin, unsigned seed);
void report_list(void); /* "area: name", a line a case */

#endif
