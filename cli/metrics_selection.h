/*
 * What `microtrace metrics` prints of a metrics file: all families, or those that match the names
 * of its command line.
 */
#ifndef CLI_METRICS_SELECTION_H
#define CLI_METRICS_SELECTION_H

#include "lib/metrics/reader.h"

#include <stdbool.h>
#include <stddef.h>

/* Of the process's one command: names or fnmatch(3) patterns; 0 for all. Borrows `names`. */
void metrics_selection_set(char *const *names, size_t count);

/*
 * Whether the family of that name is to be printed. A counter goes by the name that OpenMetrics has
 * for it, too, without _total.
 */
bool metrics_selection_has(const char *name);

/* Whether there are no names: what is not a family is printed too. */
bool metrics_selection_is_all(void);

/* The first name that matches none of the reader's families, nor one of `more`, a NULL-terminated
 * list; NULL if each matches one. */
const char *metrics_selection_unmatched(const struct metrics_reader *reader,
                                        const char *const *more);

/* "counter", "gauge" or "histogram". */
const char *metrics_selection_kind(enum metrics_kind kind);

/* What so many steps of a histogram's sum, or of a counter that has a resolution, are worth. */
double metrics_selection_units(const struct metrics_reader_family *family, double steps);

#endif
