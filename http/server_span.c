#include "http/server_span.h"

#include "http/method.h"
#include "lib/base/clock.h"
#include "lib/base/request_start.h"
#include "lib/trace/redact.h"

#include <string.h>

enum {
    /* What a front end can't mean: older, or from clocks that differ. */
    QUEUE_SECONDS_MAX = 3600,
};

#define FIELD_COUNT(fields) (sizeof(fields) / sizeof((fields)[0]))

/* OpenTelemetry HTTP semantic conventions, "Name": {method} {http.route}. */
static void name_span(struct server_span *server)
{
    const char *method =
        method_known(server->request->method_text, server->settings->known_methods);
    char *end;

    if (strcmp(method, method_names[METHOD_OTHER]) == 0)
        method = "HTTP";
    end = stpcpy(server->name, method);
    if (server->route == NULL)
        return;
    *end++ = ' ';
    end = stpncpy(end, server->route, SERVER_SPAN_ROUTE_MAX);
    *end = '\0';
}

/* How long ago the front end took the request; a clock a little ahead of ours says not at all. */
static int64_t measure_queue(const struct request *request)
{
    uint64_t start_ns, now_ns;

    if (request->request_start == NULL || request->error_status != 0 ||
        request_start_parse(text_of(request->request_start), &start_ns) != 0)
        return -1;
    now_ns = clock_unix_ns();
    if (start_ns > now_ns && start_ns - now_ns < CLOCK_NS_PER_S)
        start_ns = now_ns;
    if (start_ns > now_ns || now_ns - start_ns > (uint64_t)QUEUE_SECONDS_MAX * CLOCK_NS_PER_S)
        return -1;
    return (int64_t)(now_ns - start_ns);
}

void server_span_begin(struct server_span *server, struct telemetry *telemetry,
                       const struct http_settings *settings, const struct request *request,
                       const char *route, bool traced)
{
    struct trace_context caller;

    server->settings = settings;
    server->request = request;
    server->route = route;
    server->begin_ns = clock_monotonic_ns();
    request_id_choose(server->request_id, request->request_id);
    origin_find(&server->origin, request, &settings->proxies);
    server->queue_ns = measure_queue(request);
    (void)propagation_extract(settings->propagators, &request->trace, &caller);
    name_span(server);
    if (traced)
        telemetry_span_begin(telemetry, &server->span, server->name, SPAN_SERVER, &caller, true);
    else
        span_begin(&server->span, server->name, SPAN_SERVER, &caller, true, NULL);
    server->log =
        (struct log_context){.request_id = server->request_id, .trace = &server->span.context};
}

uint64_t server_span_elapsed_ns(const struct server_span *server)
{
    return clock_monotonic_ns() - server->begin_ns;
}

static void set_text(struct span *span, const char *key, struct text text)
{
    span_set(span, attribute_string_n(key, text.at, text.len));
}

static void set_port(struct span *span, const char *key, struct text port)
{
    uint64_t number;

    if (port.at != NULL && text_parse_uint(port, &number) == 0)
        span_set(span, attribute_int(key, (int64_t)number));
}

static void set_method(struct server_span *server)
{
    const char *text = server->request->method_text;
    const char *known = method_known(text, server->settings->known_methods);

    span_set(&server->span, attribute_string("http.request.method", known));
    if (text != NULL && strcmp(text, known) != 0)
        span_set(&server->span, attribute_string("http.request.method_original", text));
}

/* The query without its secrets, and without a fragment. */
static void set_query(struct server_span *server, char copy[REDACT_QUERY_MAX])
{
    const char *query = server->request->query;

    if (query == NULL || query[0] == '\0')
        return;
    set_text(&server->span, "url.query",
             redact_query(copy, (struct text){query, strcspn(query, "#")},
                          server->settings->redact_query));
}

static void describe(struct server_span *server, char query[REDACT_QUERY_MAX],
                     const struct server_span_outcome *outcome)
{
    const struct request *request = server->request;
    const struct origin *origin = &server->origin;
    struct span *span = &server->span;

    set_method(server);
    span_set(span, attribute_string_n("url.path", request->url_path, request->url_path_length));
    set_query(server, query);
    span_set(span, attribute_string("url.scheme", origin->scheme));
    span_set(span, attribute_string("http.route", server->route));
    if (outcome->status != 0)
        span_set(span, attribute_int("http.response.status_code", outcome->status));
    set_text(span, "server.address", origin->server);
    set_port(span, "server.port", origin->server_port);
    set_text(span, "client.address", origin->client);
    set_port(span, "client.port", origin->client_port);
    span_set(span, attribute_string("network.protocol.version", request_protocol_version(request)));
    span_set(span, attribute_string("user_agent.original", request->user_agent));
    span_set(span, attribute_string("microtrace.request_id", server->request_id));
    if (server->queue_ns >= 0)
        span_set(span, attribute_double("microtrace.queue_seconds",
                                        (double)server->queue_ns / CLOCK_NS_PER_S));
    for (size_t i = 0; i < outcome->attribute_count; i++)
        span_set(span, outcome->attributes[i]);
    if (outcome->error_type != NULL) {
        span_set(span, attribute_string("error.type", outcome->error_type));
        span->status = SPAN_STATUS_ERROR;
    }
}

void server_span_end(struct server_span *server, struct telemetry *telemetry,
                     const struct server_span_outcome *outcome)
{
    char query[REDACT_QUERY_MAX]; /* touched only where there are secrets */

    if (server->span.recording)
        describe(server, query, outcome);
    telemetry_span_end(telemetry, &server->span);
}

void server_span_log(const struct server_span *server, struct telemetry *telemetry, int status,
                     uint64_t elapsed_ns)
{
    const struct request *request = server->request;
    const struct attribute fields[] = {
        attribute_string("method", request->method_text),
        attribute_string_n("path", request->url_path, request->url_path_length),
        attribute_int("status_code", status),
        attribute_double("elapsed_ms", (double)elapsed_ns / CLOCK_NS_PER_MS),
        attribute_string_n("client", server->origin.client.at, server->origin.client.len),
        attribute_string("user_agent", request->user_agent),
    };

    telemetry_log(telemetry, LOG_LEVEL_INFO, "microtrace.request", "request_completed",
                  &server->log, fields, FIELD_COUNT(fields));
}
