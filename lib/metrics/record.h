/*
 * Records in the arena, read back: a family's as the definition that it was made from.
 */
#ifndef LIB_METRICS_RECORD_H
#define LIB_METRICS_RECORD_H

#include "lib/metrics/metrics.h"

#include <stdbool.h>
#include <stddef.h>

/* The text at *at, whose NUL is before `end`; moves *at behind that. NULL if there is none. */
const char *metrics_record_text(const char **at, const char *end);

/*
 * Fills *def from a record of `length` bytes, 8-aligned, which metrics_file_record has checked;
 * what it points to is in the record. Returns false if that is cut off or breaks a rule (rules.h).
 */
bool metrics_record_family(const void *record, size_t length, struct metrics_family_def *def);

#endif
