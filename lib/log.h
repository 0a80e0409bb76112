/*
 * Structured log lines: one JSON object a line, in a fixed key order (docs/spool.md).
 */
#ifndef LIB_LOG_H
#define LIB_LOG_H

#include "lib/attribute.h"
#include "lib/json_writer.h"
#include "lib/trace_context.h"

#include <stddef.h>
#include <stdint.h>

enum log_level {
    LOG_LEVEL_DEBUG,
    LOG_LEVEL_INFO,
    LOG_LEVEL_WARNING,
    LOG_LEVEL_ERROR,
    LOG_LEVEL_CRITICAL,
};

/* What ties a line to its request. */
struct log_context {
    const char *request_id;            /* NULL for none */
    const struct trace_context *trace; /* the span that was active, NULL for none */
};

/* "DEBUG", "INFO", "WARNING", "ERROR" or "CRITICAL". */
const char *log_level_name(enum log_level level);

/*
 * Reads a level's name, any case, "WARN" and "FATAL" too. Returns 0, or -1 for anything else.
 */
int log_level_parse(const char *text, enum log_level *level);

/*
 * Writes one line with its newline: asctime, levelname, name, message, request_id, trace_id,
 * span_id (absent ids as ""), then the fields. Overflow shows in the writer.
 */
void log_write(struct json_writer *w, uint64_t unix_ns, enum log_level level, const char *name,
               const char *message, const struct log_context *context,
               const struct attribute *fields, size_t field_count);

#endif
