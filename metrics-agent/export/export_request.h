/*
 * The body of one request, in the encoding that the signal is exported in. Owns the buffers.
 */
#ifndef METRICS_AGENT_EXPORT_EXPORT_REQUEST_H
#define METRICS_AGENT_EXPORT_EXPORT_REQUEST_H

#include "lib/telemetry.h"
#include "lib/trace/resource.h"
#include "metrics-agent/agent_settings.h"
#include "metrics-agent/export/otlp_logs.h"

#include <stddef.h>

enum { EXPORT_REQUEST_WRONG_MAX = 80 };

struct export_request {
    enum spool_signal signal;
    enum agent_protocol protocol;
    const struct resource *resource;
    char *json; /* NULL while closed */
    size_t json_cap;
    unsigned char *wire;                  /* NULL but for protobuf */
    char wrong[EXPORT_REQUEST_WRONG_MAX]; /* why the last request has no protobuf; "" if it has */
};

/* A body, borrowed until the next one is made. */
struct export_request_body {
    const char *bytes;
    size_t len;
};

/*
 * Prepares for requests of lines that cover at most `window` bytes. Returns 0, or -1 if memory runs
 * out. `resource` is borrowed.
 */
int export_request_open(struct export_request *request, enum spool_signal signal,
                        enum agent_protocol protocol, const struct resource *resource,
                        size_t window);

void export_request_close(struct export_request *request);

/*
 * Makes a request of all `count` lines, which spool_lines_split took for records. Returns 0; or -1
 * if they can't be in one: then *bad is the index of the line at fault, or `count` if that is not
 * known.
 */
int export_request_make(struct export_request *request, const struct otlp_line *lines, size_t count,
                        struct export_request_body *body, size_t *bad);

/* Makes a request without records. */
void export_request_make_empty(struct export_request *request, struct export_request_body *body);

#endif
