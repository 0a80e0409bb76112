/*
 * What a log line of our own form (docs/spool.md) says: the members that have a place of their own
 * in OTLP's log record. Nothing is copied. Pure, but for a second that each thread remembers.
 */
#ifndef METRICS_AGENT_EXPORT_OTLP_LOG_LINE_H
#define METRICS_AGENT_EXPORT_OTLP_LOG_LINE_H

#include "lib/base/text.h"

#include <stdbool.h>
#include <stdint.h>

struct otlp_log_fields {
    struct text level, trace, span; /* without quotes; empty for none */
    struct text message;            /* the whole value, of any type; `at` is NULL for none */
    uint64_t unix_ns;               /* 0 for not known */
};

/* Takes a member that has a place of its own in a log record; false leaves it an attribute. */
bool otlp_log_line_field(struct otlp_log_fields *fields, struct text key, struct text value);

/*
 * The seven members that a line of our own writers begins with (lib/trace/log.h), read at once: as
 * otlp_log_line_field has them one by one, but several times as fast. `line` is one that
 * json_scan_line accepts. Returns where its other members go on, for json_walk_next, and sets
 * *request_id to that member's value, an attribute unless it is empty. Returns NULL, with nothing
 * set, where the line begins otherwise: then it is to be read member by member from its start.
 */
const char *otlp_log_line_head(struct text line, struct otlp_log_fields *fields,
                               struct text *request_id);

/* Of such a line the logger's name, without its quotes; false for another beginning. */
bool otlp_log_line_speaker(struct text line, struct text *name);

#endif
