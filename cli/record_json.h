/*
 * A record of the spool as one object of plain JSON, whichever legal form it came in: what `expect`
 * compares and prints. Pure.
 *
 * A span: name, kind, trace_id, span_id, parent_span_id, start (ISO 8601), duration_ms, status
 * ("unset", "ok", "error"), status_message, attributes (an object), events, links, scope,
 * resource; members that would be empty are left out, but for attributes and resource.
 *
 * A log record: a log line as docs/spool.md, section "Lines", has it. One of OTLP's form becomes
 * such a line; one that is such a line stays as it is, byte for byte.
 */
#ifndef CLI_RECORD_JSON_H
#define CLI_RECORD_JSON_H

#include "lib/base/text.h"
#include "lib/spool/lines.h"
#include "lib/spool/signal.h"
#include "view/record_walk.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    RECORD_JSON_MAX = 2 * SPOOL_LINES_RECORD_MAX, /* bytes of one record in plain JSON */
};

typedef void record_json_take(void *context, struct text plain);

/* What is around the last record: mostly also around the next one. Starts zeroed. */
struct record_json {
    struct record_walk walk;
    /* Resource and scope in plain JSON, without the record's closing brace. */
    char tail[RECORD_WALK_AROUND_MAX];
    size_t tail_len;
    bool known; /* the tail is that of the last record */
    char out[RECORD_JSON_MAX];
    /* Of the call that is under way. */
    enum spool_signal signal;
    record_json_take *take;
    void *context;
};

/*
 * Calls `take` for each record of item `i` of `batch`, which was cut from `window`, with its plain
 * JSON: once for a record, for each of an element that could not be taken apart. The text lives
 * until the next call. Returns false if one was left out: it was too long, or, if
 * the item is a whole line, no JSON.
 */
bool record_json_each(struct record_json *json, enum spool_signal signal,
                      const struct spool_lines *batch, const char *window, size_t i,
                      record_json_take *take, void *context);

#endif
