/*
 * Structured log lines: one JSON object a line, in a fixed key order (docs/spool.md).
 */
#ifndef LIB_TRACE_LOG_H
#define LIB_TRACE_LOG_H

#include "lib/base/json_writer.h"
#include "lib/base/log_level.h"
#include "lib/trace/attribute.h"
#include "lib/trace/context.h"
#include "lib/trace/resource.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What ties a line to its request. */
struct log_context {
    const char *request_id;            /* NULL for none */
    const struct trace_context *trace; /* the span that was active, NULL for none */
};

/* Whether every line has a member of that name, which no field may repeat. */
bool log_has_member(const char *key);

/*
 * Writes one line with its newline: asctime, levelname, name, message, request_id, trace_id,
 * span_id (absent ids as ""), then the fields, then who wrote it, `resource`, unless that is NULL.
 * A field of one of these names becomes "field.NAME"; no two fields may have the same name.
 * Overflow shows in the writer.
 */
void log_write(struct json_writer *w, uint64_t unix_ns, enum log_level level, const char *name,
               const char *message, const struct log_context *context,
               const struct attribute *fields, size_t field_count, const struct resource *resource);

#endif
