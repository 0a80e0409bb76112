/*
 * The body of an OTLP/HTTP JSON request from records, by splicing: those that share what is around
 * them stand in one list, and nothing is parsed. Pure.
 */
#ifndef METRICS_AGENT_EXPORT_OTLP_SPLICE_H
#define METRICS_AGENT_EXPORT_OTLP_SPLICE_H

#include "lib/spool/lines.h"

#include <stdbool.h>
#include <stddef.h>

/* One record of a spool, borrowed: what spool_lines_split found. */
struct otlp_record {
    const char *text;
    size_t length;
    const struct spool_head *head; /* what is around a record; NULL for the other forms */
    bool is_line;                  /* a log line of our own form: not for us */
};

/* An item of `batch`, which was cut from `window`; both are borrowed. */
struct otlp_record otlp_splice_record(const struct spool_lines *batch, const char *window,
                                      const struct spool_line *item);

/*
 * Writes a request of those of the `count` records that are not log lines of our own form: a new
 * one where `len` is 0, else behind what the `len` bytes of a request at `out` hold already.
 * Returns its length, or 0 if it does not fit into `cap` bytes.
 */
size_t otlp_splice(char *out, size_t cap, size_t len, enum spool_signal signal,
                   const struct otlp_record *records, size_t count);

#endif
