/*
 * A metrics file as tables for people.
 */
#ifndef CLI_METRICS_TABLE_H
#define CLI_METRICS_TABLE_H

#include "lib/metrics/reader.h"

/* Prints the selected families, and what is known of the file if all are. Returns 0, or -1 if
 * memory runs out. */
int metrics_table_print(const struct metrics_reader *reader);

#endif
