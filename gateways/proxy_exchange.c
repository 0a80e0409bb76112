#include "gateways/fastcgi_script.h"
#include "gateways/proxy.h"

#include "lib/base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static struct proxy_exchange *of_timer(struct proxy_timer *timer, size_t offset)
{
    return (struct proxy_exchange *)((char *)timer - offset);
}

/* Nothing came in time: which time that was depends on how far the exchange is. */
static void wait_due(struct proxy_timer *timer)
{
    struct proxy_exchange *const x = of_timer(timer, offsetof(struct proxy_exchange, wait));

    if (x->aborted)
        proxy_exchange_complete(x, 0, FASTCGI_REQUEST_COMPLETE);
    else
        proxy_exchange_fail(x, x->back != NULL && x->back->connecting ? PROXY_CONNECT_TIMEOUT
                                                                      : PROXY_TIMEOUT);
}

static void end_due(struct proxy_timer *timer)
{
    proxy_exchange_fail(of_timer(timer, offsetof(struct proxy_exchange, end)), PROXY_END_TIMEOUT);
}

/* Somebody has taken it, or it is over. */
static void stop_counting(struct proxy_exchange *x)
{
    struct proxy *const proxy = x->proxy;

    if (x->counted)
        proxy->untaken--;
    if (proxy->owed > proxy->untaken)
        proxy->owed = proxy->untaken;
    x->counted = false;
}

/*
 * Perhaps it waits for a process of the upstream's that waits for our next request on an idle
 * connection: PHP-FPM's serve one connection until that ends. So one is closed for it.
 */
static void grace_due(struct proxy_timer *timer)
{
    struct proxy_exchange *const x = of_timer(timer, offsetof(struct proxy_exchange, grace));

    x->lasts = true;
    if (x->first_byte_ns != 0 || x->back == NULL || x->back->reused ||
        proxy_back_is_taken(x->back)) {
        stop_counting(x);
    } else {
        if (!x->counted)
            x->proxy->untaken++;
        x->counted = true;
        proxy_back_close_one(x->proxy);
        proxy_timer_set(x->proxy->loop, &x->proxy->agains, &x->grace);
    }
    proxy_front_settle(x->front);
}

struct proxy_exchange *proxy_exchange_new(struct proxy_front *front, uint16_t id, uint16_t role,
                                          uint8_t flags)
{
    struct proxy *const proxy = front->proxy;
    struct proxy_exchange *const x = malloc(sizeof(*x));

    if (x == NULL)
        return NULL;
    /* What follows is large, and nobody reads it before request_from_environment. */
    memset(x, 0, offsetof(struct proxy_exchange, request));
    x->proxy = proxy;
    x->front = front;
    x->id = id;
    x->role = role;
    x->keep = (flags & FASTCGI_KEEP_CONN) != 0;
    /* An Authorizer has none, but web servers may send the end of it (section 6.3). */
    x->input_ended = role == FASTCGI_AUTHORIZER;
    x->body_left = PROXY_HEAD_LENGTH_UNKNOWN;
    x->wait.due = wait_due;
    x->end.due = end_due;
    x->grace.due = grace_due;
    x->too_many =
        proxy->settings->requests_max > 0 && proxy->exchange_count >= proxy->settings->requests_max;
    proxy->exchange_count++;
    return x;
}

static void free_exchange(struct proxy_exchange *x)
{
    stop_counting(x);
    proxy_timer_stop(&x->grace);
    proxy_timer_stop(&x->wait);
    proxy_timer_stop(&x->end);
    proxy_params_free(&x->params);
    free(x->opening);
    free(x->head);
    free(x->err.line);
    x->front->exchange = NULL;
    x->proxy->exchange_count--;
    proxy_loop_free_later(x->proxy->loop, &x->garbage, x);
}

/* --- What the program behind gets ---------------------------------------------------------- */

/* Names and values of the parameters that are set, in the process's scratch memory. */
struct carrier {
    struct proxy_params_set set;
    char *to, *end;
};

static const char *copy(struct carrier *carrier, const char *prefix, const char *text)
{
    const size_t prefix_size = strlen(prefix), size = strlen(text) + 1;
    char *const copied = carrier->to;

    if (prefix_size + size > (size_t)(carrier->end - carrier->to))
        return NULL;
    carrier->to = mempcpy(mempcpy(copied, prefix, prefix_size), text, size);
    return copied;
}

static void set(struct carrier *carrier, const char *name, const char *value)
{
    if (name == NULL || carrier->set.count == PROXY_PARAMS_SET_MAX)
        return;
    carrier->set.names[carrier->set.count] = name;
    carrier->set.values[carrier->set.count++] = value;
}

/* As a header field becomes a variable (RFC 3875 section 4.1.18). */
static void put_field(void *to, const char *name, const char *value)
{
    struct carrier *const carrier = to;
    char *const variable = (char *)(uintptr_t)copy(carrier, "HTTP_", name);

    for (char *c = variable; c != NULL && *c != '\0'; c++) {
        if (*c == '-')
            *c = '_';
        else if (*c >= 'a' && *c <= 'z')
            *c = (char)(*c - 'a' + 'A');
    }
    set(carrier, variable, copy(carrier, "", value));
}

static bool has(const struct carrier *carrier, const char *name)
{
    for (unsigned i = 0; i < carrier->set.count; i++) {
        if (strcmp(carrier->set.names[i], name) == 0)
            return true;
    }
    return false;
}

/*
 * The context of our span in place of the caller's, as header fields, and as the variables that a
 * program started by the script looks for (OpenTelemetry, environment variables as carriers).
 */
static void set_context(struct proxy_exchange *x, struct carrier *carrier, char *traceparent)
{
    const struct trace_context *const context = &x->observed.server.span.context;
    const unsigned propagators = x->proxy->settings->observer.http.propagators;

    (void)propagation_inject(propagators, context, x->request.baggage, put_field, carrier);
    if (!propagation_has(propagators, PROPAGATION_TRACECONTEXT))
        return;
    if (!has(carrier, "HTTP_TRACESTATE"))
        set(carrier, "HTTP_TRACESTATE", NULL);
    trace_context_format(traceparent, context);
    set(carrier, "TRACEPARENT", traceparent);
    set(carrier, "TRACESTATE", context->state[0] != '\0' ? context->state : NULL);
}

static int make_opening(struct proxy_exchange *x)
{
    struct proxy *const proxy = x->proxy;
    struct carrier carrier = {.to = proxy->scratch,
                              .end = proxy->scratch + PROXY_HEAD_MAX + HEAD_LINE_ADDED_MAX};
    char traceparent[TRACE_CONTEXT_PARENT_SIZE];

    /* A client's header field Proxy, which programs take for a setting (CVE-2016-5385). */
    set(&carrier, "HTTP_PROXY", NULL);
    set_context(x, &carrier, traceparent);
    set(&carrier, "HTTP_X_REQUEST_ID", x->observed.server.request_id);
    x->opening =
        proxy_params_write(&x->params, &carrier.set, x->id, x->role,
                           proxy->settings->keep > 0 ? FASTCGI_KEEP_CONN : 0, &x->opening_size);
    if (x->opening == NULL)
        return -1;
    x->opening_room = PROXY_PARAMS_ROOM;
    free(x->params.bytes);
    x->params.bytes = NULL;
    return 0;
}

/* --- The beginning -------------------------------------------------------------------------- */

/*
 * Apache's mod_proxy_fcgi puts "proxy:fcgi://HOST:PORT" before the file's name; PHP-FPM takes it
 * away as well.
 */
static const char *file_of(const char *script)
{
    const char *const authority =
        script != NULL && strncmp(script, "proxy:", 6) == 0 ? strstr(script, "://") : NULL;

    return authority != NULL ? strchr(authority + 3, '/') : script;
}

static bool is_repeatable(enum method method)
{
    return method == METHOD_GET || method == METHOD_HEAD || method == METHOD_OPTIONS;
}

static void observe(struct proxy_exchange *x, const char *const *strings)
{
    struct proxy *const proxy = x->proxy;
    const char *const file = file_of(proxy_params_get(strings, "SCRIPT_FILENAME"));
    const bool exists = proxy_scripts_exists(proxy->scripts, file, proxy_loop_now_ms(proxy->loop));

    request_from_environment(&x->request, strings);
    x->repeatable = is_repeatable(x->request.method);
    x->begin_ns = clock_monotonic_ns();
    observer_begin(proxy->observer, &x->observed, &x->request,
                   exists ? fastcgi_script_path(file, x->request.script_name) : NULL);
    x->began = true;
    proxy_timer_set(proxy->loop, &proxy->ends, &x->end);
}

static enum proxy_failure read_params(struct proxy_exchange *x)
{
    static const char *const nothing[] = {NULL};
    const char **const strings = proxy_params_read(&x->params);
    const int error = errno;

    observe(x, strings != NULL ? strings : nothing);
    free(strings);
    if (strings == NULL)
        return error == EPROTO ? PROXY_PARAMS_BAD : PROXY_OUT_OF_RESOURCES;
    return PROXY_OK;
}

/* Gives it a connection and what goes out first. */
static enum proxy_failure send_opening(struct proxy_exchange *x, bool fresh)
{
    const enum proxy_failure failure = proxy_back_find(x, fresh);

    if (failure != PROXY_OK)
        return failure;
    x->replayable = x->back->reused;
    proxy_timer_set(x->proxy->loop, &x->proxy->graces, &x->grace);
    if (x->back->connecting)
        proxy_timer_set(x->proxy->loop, &x->proxy->connects, &x->wait);
    else
        x->connected_ns = clock_monotonic_ns();
    proxy_stream_put(&x->back->stream, x->opening, x->opening_size);
    return PROXY_OK;
}

void proxy_exchange_start(struct proxy_exchange *x)
{
    enum proxy_failure failure = PROXY_OK;

    if (x->params_too_large)
        failure = PROXY_PARAMS_TOO_LARGE;
    else if (x->too_many)
        failure = PROXY_TOO_MANY;
    else if (x->out_of_memory)
        failure = PROXY_OUT_OF_RESOURCES;
    if (x->params_too_large)
        x->params.size = 0;
    if (failure == PROXY_OK)
        failure = read_params(x);
    else
        (void)read_params(x);
    if (failure == PROXY_OK && make_opening(x) != 0)
        failure = PROXY_OUT_OF_RESOURCES;
    if (failure == PROXY_OK)
        failure = send_opening(x, false);
    if (failure != PROXY_OK)
        proxy_exchange_fail(x, failure);
}

void proxy_exchange_connected(struct proxy_exchange *x)
{
    proxy_timer_stop(&x->wait);
    x->connected_ns = clock_monotonic_ns();
}

/* --- On the way ----------------------------------------------------------------------------- */

/* Makes room behind the opening. Returns 0, or -1 without memory. */
static int extend_opening(struct proxy_exchange *x, size_t size)
{
    uint8_t *larger;

    if (size <= x->opening_room)
        return 0;
    /* What was put is borrowed: it goes out before it moves. */
    proxy_stream_flush(&x->back->stream);
    larger = realloc(x->opening, x->opening_size + size);
    if (larger == NULL)
        return -1;
    x->opening = larger;
    x->opening_room = size;
    return 0;
}

/* What may have to be sent again is kept with the opening. */
static void remember(struct proxy_exchange *x, const struct fastcgi_piece *piece)
{
    if (!piece->first || !piece->last ||
        x->opening_size + piece->size > x->proxy->settings->buffer_bytes ||
        extend_opening(x, piece->size) != 0) {
        x->replayable = false;
        return;
    }
    memcpy(x->opening + x->opening_size, piece->bytes, piece->size);
    x->opening_size += piece->size;
    x->opening_room -= piece->size;
}

void proxy_exchange_input(struct proxy_exchange *x, const struct fastcgi_piece *piece)
{
    /* A Filter's DATA follows its STDIN. */
    const uint8_t last = x->role == FASTCGI_FILTER ? FASTCGI_DATA : FASTCGI_STDIN;

    /* On a kept connection the upstream would take it for the next request's. */
    if (x->input_ended && x->role != FASTCGI_AUTHORIZER)
        return;
    if (piece->length == 0 && piece->last && piece->type == last)
        x->input_ended = true;
    if (x->back == NULL)
        return;
    proxy_stream_forward(&x->back->stream, piece);
    if (x->replayable)
        remember(x, piece);
}

void proxy_exchange_abort(struct proxy_exchange *x)
{
    uint8_t abort[FASTCGI_HEADER_SIZE];

    if (x->aborted)
        return;
    x->aborted = true;
    if (x->back == NULL || x->back->connecting) {
        proxy_exchange_complete(x, 0, FASTCGI_REQUEST_COMPLETE);
        return;
    }
    fastcgi_header_write(abort, FASTCGI_ABORT_REQUEST, x->id, 0, 0);
    proxy_stream_put_small(&x->back->stream, abort, sizeof(abort));
    proxy_timer_set(x->proxy->loop, &x->proxy->aborts, &x->wait);
}

void proxy_exchange_first_byte(struct proxy_exchange *x)
{
    if (x->first_byte_ns != 0)
        return;
    x->first_byte_ns = clock_monotonic_ns();
    x->replayable = false;
    stop_counting(x);
    if (proxy_stream_waits(&x->back->stream) || x->back->stream.part_count > 0)
        return;
    free(x->opening);
    x->opening = NULL;
}

void proxy_exchange_time(struct proxy_exchange *x)
{
    if (x->back == NULL || x->back->connecting || x->aborted)
        return;
    if ((x->input_ended || proxy_stream_waits(&x->back->stream)) &&
        !proxy_stream_waits(&x->front->stream))
        proxy_timer_set(x->proxy->loop, &x->proxy->waits, &x->wait);
    else
        proxy_timer_stop(&x->wait);
}

/* --- The end -------------------------------------------------------------------------------- */

/* The web server's connection goes on, or ends after what was put. */
static void leave_front(struct proxy_exchange *x, bool close)
{
    struct proxy_front *const front = x->front;

    if (close) {
        front->closing = true;
        front->unread = !x->input_ended;
    }
    /* What was put may lie in the exchange. */
    proxy_front_hold(front);
    free_exchange(x);
}

static void put_end(struct proxy_exchange *x, uint32_t app_status,
                    enum fastcgi_protocol_status status)
{
    uint8_t end[FASTCGI_HEADER_SIZE + FASTCGI_BODY_SIZE];

    fastcgi_end_write(end, x->id, app_status, status);
    proxy_stream_put_small(&x->front->stream, end, sizeof(end));
}

void proxy_exchange_fail(struct proxy_exchange *x, enum proxy_failure failure)
{
    struct proxy_front *const front = x->front;
    const bool broken = x->answered || failure == PROXY_CLIENT_GONE;

    proxy_answer_tell(x, failure);
    if (x->back != NULL)
        proxy_back_release(x->back, false);
    if (!broken) {
        proxy_answer_failure(x, failure);
        put_end(x, 0, FASTCGI_REQUEST_COMPLETE);
    }
    leave_front(x, broken || !x->keep || x->proxy->stopping);
    /* Whoever says that the web server has gone closes its connection. */
    if (failure != PROXY_CLIENT_GONE)
        proxy_front_settle(front);
}

void proxy_exchange_complete(struct proxy_exchange *x, uint32_t app_status, uint8_t status)
{
    struct proxy_front *const front = x->front;

    x->app_status = app_status;
    if (!x->aborted && !x->answered) {
        proxy_exchange_fail(x, status == FASTCGI_OVERLOADED         ? PROXY_OVERLOADED
                               : status != FASTCGI_REQUEST_COMPLETE ? PROXY_REFUSED
                                                                    : PROXY_NO_HEAD);
        return;
    }
    proxy_answer_tell(x, x->aborted ? PROXY_CLIENT_GONE : PROXY_OK);
    if (x->back != NULL)
        proxy_back_release(x->back, x->input_ended && x->role != FASTCGI_AUTHORIZER &&
                                        !x->aborted && status == FASTCGI_REQUEST_COMPLETE &&
                                        x->proxy->chunk.left == 0);
    put_end(x, app_status, (enum fastcgi_protocol_status)status);
    leave_front(x, !x->keep || x->proxy->stopping);
    proxy_front_settle(front);
}

void proxy_exchange_back_lost(struct proxy_exchange *x, bool nothing_taken)
{
    enum proxy_failure failure;

    if (x->aborted || (x->told && x->body_left == 0)) {
        proxy_exchange_complete(x, x->app_status, FASTCGI_REQUEST_COMPLETE);
        return;
    }
    /* A kept connection that the upstream gave up before it had our request: once more. */
    if (x->replayable && !x->retried && (x->repeatable || nothing_taken)) {
        x->retried = true;
        proxy_back_release(x->back, false);
        failure = send_opening(x, true);
        if (failure == PROXY_OK)
            proxy_back_settle(x->back);
        else
            proxy_exchange_fail(x, failure);
        return;
    }
    proxy_exchange_fail(x, PROXY_UPSTREAM_CLOSED);
}
