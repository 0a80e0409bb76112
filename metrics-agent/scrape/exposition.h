/*
 * A metrics file as the text that Prometheus scrapes: format 0.0.4 and OpenMetrics 1.0. Pure: from
 * a refreshed reader to bytes.
 *
 *     struct exposition out;
 *     exposition_begin(&out, format);
 *     exposition_reader(&out, reader);
 *     exposition_gauge(&out, "microtrace_build_info", "...", "version", "0.1.0", 1);
 *     if (exposition_end(&out) == 0)
 *         ... out.text, out.len ...
 *     exposition_free(&out);
 */
#ifndef METRICS_AGENT_SCRAPE_EXPOSITION_H
#define METRICS_AGENT_SCRAPE_EXPOSITION_H

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
};

/* What to answer a request with. */
struct exposition_choice {
    enum exposition_format format;
    const char *content_type; /* a literal */
};

/*
 * Chooses by the Accept header (RFC 9110, section 12.5.1), NULL for none. OpenMetrics only where it
 * is named and preferred; no match and wildcards give 0.0.4. A client that says how it wants
 * names escaped is told `escaping=underscores`: our names need none.
 */
struct exposition_choice exposition_negotiate(const char *accept);

/* Starts with an empty text. Nothing is allocated before the first line. */
void exposition_begin(struct exposition *out, enum exposition_format format);

/* Starts again, in the memory that the last text took. */
void exposition_restart(struct exposition *out, enum exposition_format format);

/*
 * Every family that has a series, sorted, and what the file says about itself: series, refusals,
 * damaged records.
 */
void exposition_reader(struct exposition *out, const struct metrics_reader *reader);

/*
 * One more gauge that is not in the file, with one sample; `label` NULL for none. The name must not
 * be in the file.
 */
void exposition_gauge(struct exposition *out, const char *name, const char *help, const char *label,
                      const char *label_value, double value);

/* Ends the text. Returns 0, or -1 if it is not to be sent. */
int exposition_end(struct exposition *out);

void exposition_free(struct exposition *out);

#endif
