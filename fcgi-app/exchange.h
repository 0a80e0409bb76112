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
#include "fcgi-app/reply.h"
#include "fcgi-app/route.h"
#include "fcgi-app/settings.h"
#include "http/request.h"
#include "http/server_span.h"
#include "lib/telemetry.h"

#include <stdbool.h>
#include <stdint.h>

/* What a process holds. */
struct app {
    struct settings settings;
    struct telemetry *telemetry;
    struct app_metrics metrics;
    struct gateway *gateway;
    bool is_fastcgi; /* it answers more than one request */
    struct chaos chaos;
    struct downstream downstream;
    struct docs_page docs_page;
    char *body; /* max_body_bytes and a NUL */
    char *reply_body;
    size_t reply_capacity;
};

struct exchange {
    struct app *app;
    struct request request;
    struct server_span server;
    struct reply reply;
    const struct route *route;
    enum errors_kind error; /* ERRORS_NONE below 400 */
    const char *chaos_kind; /* of the last fault that was injected, or NULL */
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
