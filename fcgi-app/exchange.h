/*
 * One request and its answer, with the telemetry that belongs to it; and the program's state that
 * lasts from one request to the next.
 */
#ifndef FCGI_APP_EXCHANGE_H
#define FCGI_APP_EXCHANGE_H

#include "fcgi-app/app_metrics.h"
#include "fcgi-app/chaos.h"
#include "fcgi-app/docs_page.h"
#include "fcgi-app/downstream.h"
#include "fcgi-app/errors.h"
#include "fcgi-app/gateway.h"
#include "fcgi-app/origin.h"
#include "fcgi-app/reply.h"
#include "fcgi-app/request.h"
#include "fcgi-app/route.h"
#include "fcgi-app/settings.h"
#include "lib/base/request_id.h"
#include "lib/telemetry.h"
#include "lib/trace/log.h"
#include "lib/trace/redact.h"
#include "lib/trace/span.h"

#include <stdbool.h>
#include <stdint.h>

/* What a process holds. */
struct app {
    struct settings settings;
    struct telemetry *telemetry;
    struct app_metrics metrics;
    struct gateway *gateway;
    struct chaos chaos;
    struct downstream downstream;
    struct docs_page docs_page;
    char *body; /* max_body_bytes and a NUL */
    char *reply_body;
    size_t reply_capacity;
};

enum {
    EXCHANGE_SPAN_NAME_MAX = METHOD_LISTED_MAX + 32,
};

struct exchange {
    struct app *app;
    struct request request;
    struct origin origin;
    struct reply reply;
    const struct route *route;
    uint64_t begin_ns; /* monotonic */
    int64_t queue_ns;  /* since X-Request-Start; negative: not told */
    char request_id[REQUEST_ID_MAX + 1];
    struct log_context log; /* of the span that is active */
    struct span span;       /* the server's */
    char span_name[EXCHANGE_SPAN_NAME_MAX];
    char query[REDACT_QUERY_MAX]; /* without its secrets, where it has any */
    enum errors_kind error;       /* ERRORS_NONE below 400 */
    const char *chaos_kind;       /* of the last fault that was injected, or NULL */
};

/* Answers with an error: its status and {"detail": its message}. */
void exchange_fail(struct exchange *exchange, enum errors_kind error);

/* Logs a line that carries the ids of the request and of the active span. */
void exchange_log(struct exchange *exchange, enum log_level level, const char *name,
                  const char *message, const struct attribute *fields, size_t field_count);

/*
 * Says on stderr, once while it is `damaged` and once a minute for all processes, that the words of
 * the metrics file that `microtrace <command>` sets can't be believed and count as `state`.
 */
void exchange_tell_damage(struct exchange *exchange, bool damaged, bool *told, const char *command,
                          const char *state);

#endif
