/*
 * The body of an OTLP/HTTP JSON request from log lines. Each line is walked once, member by member,
 * and its keys and strings are copied as they stand. Pure.
 */
#ifndef METRICS_AGENT_EXPORT_OTLP_LOGS_H
#define METRICS_AGENT_EXPORT_OTLP_LOGS_H

#include "lib/trace/resource.h"
#include "metrics-agent/export/otlp_splice.h"

#include <stddef.h>

enum {
    OTLP_LOGS_LINES_MAX = 2048,
    /* Of a record's length, at worst ("a":1, as an attribute), and what a body needs besides. */
    OTLP_LOGS_GROWTH = 8,
};

/*
 * Writes an ExportLogsServiceRequest of the `count` records (at most OTLP_LOGS_LINES_MAX) that are
 * lines of our own form, whole ones as spool_lines_split found them, grouped by their resource and
 * logger name. Returns its length; 0 where it does not fit into `cap` bytes, or where a line has no
 * members that can be told apart: then *bad is that line's index, else `count`.
 *
 * Mapping (docs/spool.md): asctime gives timeUnixNano and observedTimeUnixNano, levelname gives
 * severityText and severityNumber, message the body, name the scope, trace_id and span_id their
 * fields unless empty; `resource`, a flat object of scalars, is the record's resource (without it
 * `resource`, the argument, is); other members become attributes, objects and arrays as a string of
 * JSON.
 */
size_t otlp_logs_encode(char *out, size_t cap, const struct otlp_record *lines, size_t count,
                        const struct resource *resource, size_t *bad);

#endif
