/*
 * A metrics file as JSON for programs.
 */
#ifndef CLI_METRICS_JSON_H
#define CLI_METRICS_JSON_H

#include "lib/metrics/reader.h"

/* Prints the selected families, a line each and one for each series, and what is known of the file.
 */
void metrics_json_print(const struct metrics_reader *reader);

#endif
