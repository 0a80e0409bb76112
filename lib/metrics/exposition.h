/*
 * A metrics file as the text that Prometheus scrapes, the same from the agent and from `microtrace
 * metrics`: format 0.0.4 and OpenMetrics 1.0. Pure: from a refreshed reader to bytes.
 *
 *     struct exposition out;
 *     exposition_begin(&out, format);
 *     exposition_reader(&out, reader);
 *     if (exposition_end(&out) == 0)
 *         ... out.text, out.len ...
 *     exposition_free(&out);
 */
#ifndef LIB_METRICS_EXPOSITION_H
#define LIB_METRICS_EXPOSITION_H

#include "lib/metrics/reader.h"

#include <stdbool.h>
#include <stddef.h>

#define EXPOSITION_TEXT_MAX ((size_t)256 << 20) /* bytes of one answer */

enum exposition_format {
    EXPOSITION_PROMETHEUS,  /* text format 0.0.4 */
    EXPOSITION_OPENMETRICS, /* OpenMetrics 1.0.0 */
};

struct exposition {
    enum exposition_format format;
    char *text; /* not NUL-terminated */
    size_t len;
    size_t room;
    bool failed; /* no memory, too long, or the file went away underneath */
    /* To be set after exposition_begin: whether the family of that name is written. NULL: all. */
    bool (*wanted)(const char *name);
};

/* Starts with an empty text. Nothing is allocated before the first line. */
void exposition_begin(struct exposition *out, enum exposition_format format);

/* What the file says about itself: series, refusals, damaged records. NULL-terminated. */
extern const char *const exposition_own_names[];

/* Every family that has a series, sorted, and those of exposition_own_names. */
void exposition_reader(struct exposition *out, const struct metrics_reader *reader);

/* Ends the text. Returns 0, or -1 if it is not to be sent. */
int exposition_end(struct exposition *out);

void exposition_free(struct exposition *out);

#endif
