#include "gateways/proxy.h"

#include "lib/base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    QUICK_HEAD = 4096, /* bytes of a head that are looked at whenever some more are there */
    BODY_MAX = 256,    /* of an answer of our own */
    ATTRIBUTES_MAX = 8,
};

/* Each failure: the label `exception`, the status, and the answer's `detail`. */
static const struct {
    const char *name;
    int status;
    const char *reason, *detail;
} failures[PROXY_FAILURES] = {
    [PROXY_PARAMS_BAD] = {"bad_parameters", 400, "Bad Request",
                          "The web server's parameters can't be read"},
    [PROXY_PARAMS_TOO_LARGE] = {"request_too_large", 431, "Request Header Fields Too Large",
                                "Request header fields too large"},
    [PROXY_TOO_MANY] = {"too_many_requests", 503, "Service Unavailable",
                        "Too many requests at once"},
    [PROXY_OUT_OF_RESOURCES] = {"out_of_resources", 503, "Service Unavailable",
                                "Out of memory or descriptors"},
    [PROXY_UPSTREAM_DOWN] = {"upstream_unreachable", 502, "Bad Gateway",
                             "The application server is not reachable"},
    [PROXY_UPSTREAM_FULL] = {"upstream_full", 503, "Service Unavailable",
                             "The application server's queue is full"},
    [PROXY_CONNECT_TIMEOUT] = {"upstream_connect_timeout", 504, "Gateway Timeout",
                               "The application server did not take the connection in time"},
    [PROXY_TIMEOUT] = {"gateway_timeout", 504, "Gateway Timeout", "Gateway Timeout"},
    [PROXY_END_TIMEOUT] = {"gateway_timeout", 504, "Gateway Timeout", "Gateway Timeout"},
    [PROXY_UPSTREAM_CLOSED] = {"upstream_closed", 502, "Bad Gateway",
                               "The application server ended the connection"},
    [PROXY_BAD_RECORD] = {"bad_record", 502, "Bad Gateway",
                          "The application server does not speak FastCGI"},
    [PROXY_BAD_HEAD] = {"bad_header", 502, "Bad Gateway",
                        "The program's answer has no valid header fields"},
    [PROXY_LONG_HEAD] = {"header_too_large", 502, "Bad Gateway",
                         "The header fields of the program's answer are too large"},
    [PROXY_NO_HEAD] = {"no_output", 502, "Bad Gateway", "The program gave no answer"},
    [PROXY_OVERLOADED] = {"upstream_full", 503, "Service Unavailable",
                          "The application server is overloaded"},
    [PROXY_REFUSED] = {"upstream_refused", 502, "Bad Gateway",
                       "The application server refused the request"},
    [PROXY_CLIENT_GONE] = {"client_gone", 0, "", ""},
};

/* --- The head -------------------------------------------------------------------------------- */

/* Bytes of the body are on their way. */
static void count_body(struct proxy_exchange *x, size_t size)
{
    if (x->body_left == PROXY_HEAD_LENGTH_UNKNOWN)
        return;
    x->body_left = (uint64_t)size >= (uint64_t)x->body_left ? 0 : x->body_left - (int64_t)size;
}

static void put_output(struct proxy_exchange *x, const char *bytes, size_t size)
{
    while (size > 0) {
        const size_t part = size < FASTCGI_CONTENT_MAX ? size : FASTCGI_CONTENT_MAX;

        proxy_stream_put_record(&x->front->stream, FASTCGI_STDOUT, x->id, bytes, (uint16_t)part);
        bytes += part;
        size -= part;
    }
    x->answered = true;
}

/* RFC 9110 section 6.4.1. */
static bool has_body(const struct proxy_exchange *x)
{
    return x->request.method != METHOD_HEAD && x->status != 204 && x->status != 304;
}

static bool is_interim(int status)
{
    return status >= 100 && status < 200 && status != 101;
}

/* The head goes out with our field, and what follows it as it is. */
static void put_head(struct proxy_exchange *x, const struct proxy_head *head, const char *bytes,
                     size_t size)
{
    char *const out = x->proxy->scratch;
    const struct head_line_ours ours = {x->observed.server.request_id,
                                        &x->observed.server.span.context};

    x->head_done = true;
    x->status = head->status;
    x->body_left = has_body(x) ? head->length : 0;
    put_output(x, out, head_line_write_head(out, bytes, head->size, &ours));
    put_output(x, bytes + head->size, size - head->size);
    count_body(x, size - head->size);
}

/* Keeps the answer's first bytes until its head is complete. Returns 0, or -1 without memory. */
static int keep_head(struct proxy_exchange *x, const char *bytes, size_t size)
{
    char *const larger = realloc(x->head, x->head_size + size);

    if (larger == NULL)
        return -1;
    memcpy(larger + x->head_size, bytes, size);
    x->head = larger;
    x->head_size += size;
    return 0;
}

/* A long head that comes in small pieces is not looked at for each of them. */
static bool may_end(const char *bytes, size_t size, size_t seen)
{
    const size_t from = seen > 2 ? seen - 2 : 0;

    return size <= QUICK_HEAD || memmem(bytes + from, size - from, "\n\n", 2) != NULL ||
           memmem(bytes + from, size - from, "\n\r\n", 3) != NULL;
}

/* As put_head does for the answer's own: a status line becomes Status. */
static void put_interim_head(struct proxy_exchange *x, const char *bytes, size_t size)
{
    static const char name[] = "Status: ";
    size_t line_size;
    const struct text status = head_line_of_protocol(head_line_at(bytes, size, &line_size));

    if (status.at != NULL) {
        put_output(x, name, sizeof(name) - 1);
        size -= (size_t)(status.at - bytes);
        bytes = status.at;
    }
    put_output(x, bytes, size);
}

/*
 * Reads the answer's own head. Those that come before it, "103 Early Hints", go out, and *taken
 * says how many bytes they are.
 */
static enum proxy_head_result read_head(struct proxy_exchange *x, struct proxy_head *head,
                                        const char *bytes, size_t size, size_t *taken)
{
    enum proxy_head_result result;

    while ((result = proxy_head_read(head, bytes + *taken, size - *taken)) == PROXY_HEAD_DONE &&
           is_interim(head->status)) {
        put_interim_head(x, bytes + *taken, head->size);
        *taken += head->size;
    }
    /* It is not the answer's end, and may go before anything is told. */
    if (*taken > 0 && !x->front->held)
        proxy_stream_flush(&x->front->stream);
    else if (*taken > 0)
        proxy_stream_hold(&x->front->stream);
    return result;
}

static enum proxy_failure take_head(struct proxy_exchange *x, const char *bytes, size_t size)
{
    const size_t seen = x->head_size;
    enum proxy_head_result result = PROXY_HEAD_PARTIAL;
    struct proxy_head head;
    size_t taken = 0;

    if (seen > 0) {
        if (keep_head(x, bytes, size) != 0)
            return PROXY_OUT_OF_RESOURCES;
        bytes = x->head;
        size = x->head_size;
    }
    if (size == 0)
        return PROXY_OK;
    if (may_end(bytes, size, seen))
        result = read_head(x, &head, bytes, size, &taken);
    if (result == PROXY_HEAD_BAD)
        return PROXY_BAD_HEAD;
    if ((result == PROXY_HEAD_DONE ? head.size : size - taken) > PROXY_HEAD_MAX)
        return PROXY_LONG_HEAD;
    if (result == PROXY_HEAD_DONE) {
        put_head(x, &head, bytes + taken, size - taken);
        return PROXY_OK;
    }
    if (seen == 0)
        return keep_head(x, bytes + taken, size - taken) == 0 ? PROXY_OK : PROXY_OUT_OF_RESOURCES;
    memmove(x->head, x->head + taken, size - taken);
    x->head_size = size - taken;
    return PROXY_OK;
}

enum proxy_failure proxy_answer_output(struct proxy_exchange *x, const struct fastcgi_piece *piece)
{
    if (!x->head_done)
        return take_head(x, (const char *)piece->content, piece->content_size);
    proxy_stream_forward(&x->front->stream, piece);
    count_body(x, piece->content_size);
    return PROXY_OK;
}

void proxy_answer_sent(struct proxy_exchange *x)
{
    if (!x->head_done || x->head == NULL)
        return;
    free(x->head);
    x->head = NULL;
    x->head_size = 0;
}

/* --- Standard error ----------------------------------------------------------------------------
 */

static void collect_stderr(struct proxy_exchange *x, const char *bytes, size_t size)
{
    if (x->err.line == NULL)
        x->err = (struct stderr_lines){.telemetry = x->proxy->telemetry,
                                       .context = &x->observed.server.log,
                                       .logger = "microtrace.proxy",
                                       .line = malloc(STDERR_LINES_LENGTH_MAX + 1)};
    if (x->err.line != NULL)
        stderr_lines_take(&x->err, bytes, size);
}

void proxy_answer_stderr(struct proxy_exchange *x, const struct fastcgi_piece *piece)
{
    proxy_stream_forward(&x->front->stream, piece);
    collect_stderr(x, (const char *)piece->content, piece->content_size);
    if (piece->length == 0)
        stderr_lines_end(&x->err);
}

/* --- The end -----------------------------------------------------------------------------------
 */

void proxy_answer_failure(struct proxy_exchange *x, enum proxy_failure failure)
{
    char *const out = x->proxy->scratch;
    char trace[TRACE_CONTEXT_PARENT_SIZE];
    int size;

    trace_context_format(trace, &x->observed.server.span.context);
    size =
        snprintf(out, PROXY_HEAD_MAX,
                 "Status: %d %s\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n"
                 "X-Request-ID: %s\r\ntraceresponse: %s\r\n\r\n%s%s%s",
                 failures[failure].status, failures[failure].reason, x->observed.server.request_id,
                 trace, x->request.method == METHOD_HEAD ? "" : "{\"detail\":\"",
                 x->request.method == METHOD_HEAD ? "" : failures[failure].detail,
                 x->request.method == METHOD_HEAD ? "" : "\"}");

    put_output(x, out, (size_t)size);
    proxy_stream_put_record(&x->front->stream, FASTCGI_STDOUT, x->id, NULL, 0);
}

static double seconds_since(const struct proxy_exchange *x, uint64_t then_ns)
{
    return (double)(then_ns - x->begin_ns) / CLOCK_NS_PER_S;
}

/* What the span says beside the HTTP conventions; docs/gateways.md has the names. */
static size_t describe(const struct proxy_exchange *x, struct attribute out[ATTRIBUTES_MAX])
{
    size_t n = 0;

    out[n++] = attribute_string("microtrace.proxy.upstream", x->proxy->upstream.text);
    if (x->connected_ns != 0) {
        out[n++] = attribute_bool("microtrace.proxy.connection_kept", x->on_kept_connection);
        out[n++] =
            attribute_double("microtrace.proxy.connect_seconds", seconds_since(x, x->connected_ns));
    }
    if (x->first_byte_ns != 0)
        out[n++] = attribute_double("microtrace.proxy.first_byte_seconds",
                                    seconds_since(x, x->first_byte_ns));
    out[n++] =
        attribute_double("microtrace.proxy.end_seconds", seconds_since(x, clock_monotonic_ns()));
    if (x->app_status != 0)
        out[n++] = attribute_int("microtrace.proxy.app_status", x->app_status);
    if (stderr_lines_dropped(&x->err) > 0)
        out[n++] = attribute_int("microtrace.proxy.stderr_lines_dropped",
                                 (int64_t)stderr_lines_dropped(&x->err));
    if (x->retried)
        out[n++] = attribute_bool("microtrace.proxy.retried", true);
    return n;
}

void proxy_answer_tell(struct proxy_exchange *x, enum proxy_failure failure)
{
    struct attribute attributes[ATTRIBUTES_MAX];
    struct observed_outcome outcome = {.status = x->status, .attributes = attributes};

    if (!x->began)
        return;
    stderr_lines_end(&x->err);
    x->proxy->gathered = true;
    if (x->told)
        return;
    x->told = true;
    if (failure != PROXY_OK) {
        outcome.error = failures[failure].name;
        outcome.abandoned = failure == PROXY_CLIENT_GONE;
        if (!x->answered)
            outcome.status = failures[failure].status;
    }
    outcome.attribute_count = describe(x, attributes);
    observer_gather(x->proxy->observer, &x->observed, &outcome);
}

void proxy_answer_sent_all(struct proxy_exchange *x)
{
    if (!x->head_done || x->body_left != 0 || x->told)
        return;
    proxy_answer_tell(x, PROXY_OK);
    (void)telemetry_flush(x->proxy->telemetry);
}
