/*
 * What is told of one request behind a web server, the same by every program: its id, its server
 * span (OpenTelemetry HTTP semantic conventions, "HTTP server span"), its time in a queue, and its
 * line `request_completed`. One struct a request; nothing is allocated, nothing is static, so a
 * program may have any number of them at once.
 */
#ifndef HTTP_SERVER_SPAN_H
#define HTTP_SERVER_SPAN_H

#include "http/http_settings.h"
#include "http/origin.h"
#include "http/request.h"
#include "lib/base/request_id.h"
#include "lib/telemetry.h"
#include "lib/trace/log.h"
#include "lib/trace/span.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    SERVER_SPAN_ROUTE_MAX = REQUEST_PATH_MAX, /* bytes of a route's name; a longer one is cut */
};

/* Stays where it is from begin to end. */
struct server_span {
    /* Borrowed. */
    const struct http_settings *settings;
    const struct request *request;
    const char *route; /* a pattern or path of a bounded set; NULL for none */

    struct origin origin;
    uint64_t begin_ns; /* monotonic */
    int64_t queue_ns;  /* since X-Request-Start; negative: not told */
    char request_id[REQUEST_ID_MAX + 1];
    struct log_context log; /* for the request's log lines; its `trace` may be pointed elsewhere */
    struct span span;
    char name[METHOD_LISTED_MAX + 1 + SERVER_SPAN_ROUTE_MAX + 1];
};

/* How a request ended. */
struct server_span_outcome {
    int status;             /* of the answer; 0 if nobody was answered */
    const char *error_type; /* error.type of a span that failed, whose status is Error; or NULL */
    /* Further attributes of the span, borrowed during the call. */
    const struct attribute *attributes;
    size_t attribute_count;
};

/*
 * Begins with `request`, which is borrowed with all its variables until the end: request id, trace
 * context of the caller, origin, time in the queue, and the server span, named by method and
 * `route`. Without `traced` no span is recorded, but there are ids nevertheless. `begin_ns` is set
 * to now.
 */
void server_span_begin(struct server_span *server, struct telemetry *telemetry,
                       const struct http_settings *settings, const struct request *request,
                       const char *route, bool traced);

/* Nanoseconds since the begin. */
uint64_t server_span_elapsed_ns(const struct server_span *server);

/* Describes the span and ends it. */
void server_span_end(struct server_span *server, struct telemetry *telemetry,
                     const struct server_span_outcome *outcome);

/* Logs `request_completed`: once for a request that was answered. */
void server_span_log(const struct server_span *server, struct telemetry *telemetry, int status,
                     uint64_t elapsed_ns);

#endif
