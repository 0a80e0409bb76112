/*
 * The body of an OTLP/HTTP JSON request from span lines, by splicing: lines that share resource and
 * scope become one resourceSpans element, nothing is parsed. Pure.
 */
#ifndef METRICS_AGENT_EXPORT_OTLP_TRACES_H
#define METRICS_AGENT_EXPORT_OTLP_TRACES_H

#include <stddef.h>

/* A line without its newline, borrowed. */
struct otlp_line {
    const char *text;
    size_t length;
};

/*
 * Writes an ExportTraceServiceRequest of all `count` lines, each of which spool_lines_split took
 * for a record. Returns its length, or 0 if it does not fit into `cap` bytes.
 */
size_t otlp_traces_encode(char *out, size_t cap, const struct otlp_line *lines, size_t count);

#endif
