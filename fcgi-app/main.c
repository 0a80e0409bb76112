#include "fcgi-app/exchange.h"
#include "fcgi-app/handlers.h"
#include "fcgi-app/validation.h"
#include "lib/base/clock.h"
#include "lib/base/config_names.h"
#include "lib/base/descriptor.h"
#include "lib/base/message.h"
#include "lib/base/options.h"
#include "lib/base/request_start.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    /* What a front end can't mean: older, or from clocks that differ. */
    QUEUE_SECONDS_MAX = 3600,
    NS_PER_SECOND = 1000000000,
};

#define FIELD_COUNT(fields) (sizeof(fields) / sizeof((fields)[0]))

/* OpenTelemetry HTTP semantic conventions, "Name": {method} {http.route}. */
static void name_span(struct exchange *x)
{
    const char *method = method_known(x->request.method_text, x->app->settings.known_methods);
    const char *parts[] = {
        strcmp(method, method_names[METHOD_OTHER]) == 0 ? "HTTP" : method,
        route_id(x->route) == ROUTE_OTHER ? "" : " ",
        route_id(x->route) == ROUTE_OTHER ? "" : x->route->path,
    };

    (void)stpcpy(stpcpy(stpcpy(x->span_name, parts[0]), parts[1]), parts[2]);
}

static void begin_span(struct exchange *x)
{
    struct trace_context caller;

    (void)propagation_extract(x->app->settings.propagators, &x->request.trace, &caller);
    name_span(x);
    if (x->route->traced)
        telemetry_span_begin(x->app->telemetry, &x->span, x->span_name, SPAN_SERVER, &caller, true);
    else
        span_begin(&x->span, x->span_name, SPAN_SERVER, &caller, true, NULL);
    x->log = (struct log_context){.request_id = x->request_id, .trace = &x->span.context};
}

static double seconds(int64_t ns)
{
    return (double)ns / NS_PER_SECOND;
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

static void set_method(struct exchange *x)
{
    const char *text = x->request.method_text;
    const char *known = method_known(text, x->app->settings.known_methods);

    span_set(&x->span, attribute_string("http.request.method", known));
    if (text != NULL && strcmp(text, known) != 0)
        span_set(&x->span, attribute_string("http.request.method_original", text));
}

/* The query without its secrets, and without a fragment. */
static void set_query(struct exchange *x)
{
    const char *query = x->request.query;

    if (query == NULL || query[0] == '\0')
        return;
    set_text(&x->span, "url.query",
             redact_query(x->query, (struct text){query, strcspn(query, "#")},
                          x->app->settings.redact_query));
}

/* OpenTelemetry HTTP semantic conventions, "HTTP server span". */
static void describe_span(struct exchange *x)
{
    const struct request *request = &x->request;
    struct span *span = &x->span;

    if (!span->recording)
        return;
    set_method(x);
    span_set(span, attribute_string_n("url.path", request->url_path, request->url_path_length));
    set_query(x);
    span_set(span, attribute_string("url.scheme", x->origin.scheme));
    if (route_id(x->route) != ROUTE_OTHER)
        span_set(span, attribute_string("http.route", x->route->path));
    if (x->error != ERRORS_CHAOS_ABORT)
        span_set(span, attribute_int("http.response.status_code", x->reply.status->code));
    set_text(span, "server.address", x->origin.server);
    set_port(span, "server.port", x->origin.server_port);
    set_text(span, "client.address", x->origin.client);
    set_port(span, "client.port", x->origin.client_port);
    span_set(span, attribute_string("network.protocol.version", request_protocol_version(request)));
    span_set(span, attribute_string("user_agent.original", request->user_agent));
    span_set(span, attribute_string("microtrace.request_id", x->request_id));
    if (x->queue_ns >= 0)
        span_set(span, attribute_double("microtrace.queue_seconds", seconds(x->queue_ns)));
    if (x->chaos_kind != NULL)
        span_set(span, attribute_string("microtrace.chaos.kind", x->chaos_kind));
    if (x->reply.status->code >= 500) {
        span_set(span, attribute_string("error.type", errors_table[x->error].name));
        span->status = SPAN_STATUS_ERROR;
    }
}

static void log_completed(struct exchange *x, uint64_t elapsed_ns)
{
    const struct request *request = &x->request;
    const struct attribute fields[] = {
        attribute_string("method", request->method_text),
        attribute_string_n("path", request->url_path, request->url_path_length),
        attribute_int("status_code", x->reply.status->code),
        attribute_double("elapsed_ms", (double)elapsed_ns / CLOCK_NS_PER_MS),
        attribute_string_n("client", x->origin.client.at, x->origin.client.len),
        attribute_string("user_agent", request->user_agent),
    };

    exchange_log(x, LOG_LEVEL_INFO, "microtrace.request", "request_completed", fields,
                 FIELD_COUNT(fields));
}

static void count(struct exchange *x, uint64_t elapsed_ns)
{
    const struct app_metrics_outcome outcome = {
        .method = x->request.method,
        .route = x->route,
        .status = x->reply.status,
        .error = x->error,
        .seconds = (double)elapsed_ns * 1e-9,
        .span = &x->span,
    };

    app_metrics_end(&x->app->metrics, &outcome);
}

/* An injected abort: what there is to tell is written, and nothing is answered. */
static _Noreturn void end_without_answer(struct exchange *x)
{
    describe_span(x);
    telemetry_span_end(x->app->telemetry, &x->span);
    (void)telemetry_flush(x->app->telemetry);
    /*
     * FastCGI's listening socket goes first: a web server that sees the connection end, and wants
     * to put that into words, must not find it and wait in its queue.
     */
    (void)close(STDIN_FILENO);
    _exit(EXIT_FAILURE);
}

/* How long ago the front end took the request; a clock a little ahead of ours says not at all. */
static void measure_queue(struct exchange *x)
{
    uint64_t start_ns, now_ns;

    x->queue_ns = -1;
    if (x->request.request_start == NULL || x->request.error_status != 0 ||
        request_start_parse(text_of(x->request.request_start), &start_ns) != 0)
        return;
    now_ns = clock_unix_ns();
    if (start_ns > now_ns && start_ns - now_ns < NS_PER_SECOND)
        start_ns = now_ns;
    if (start_ns > now_ns || now_ns - start_ns > (uint64_t)QUEUE_SECONDS_MAX * NS_PER_SECOND)
        return;
    x->queue_ns = (int64_t)(now_ns - start_ns);
    app_metrics_queue(&x->app->metrics, seconds(x->queue_ns));
}

/* The front end has given up by now, or is about to: an answer would come too late. */
static bool is_overdue(const struct exchange *x)
{
    return x->queue_ns > (int64_t)x->app->settings.request_timeout * NS_PER_SECOND;
}

static void handle(struct exchange *x)
{
    if (x->request.error_status != 0) {
        handlers_web_server_error(x);
    } else if (is_overdue(x)) {
        app_metrics_abandoned(&x->app->metrics);
        exchange_fail(x, ERRORS_GATEWAY_TIMEOUT);
    } else if (!route_allows(x->route, x->request.method)) {
        handlers_method_not_allowed(x);
    } else {
        x->route->handler(x);
    }
}

/*
 * One request from its arrival to its answer. Everything that is told about it is written before
 * the answer is: what a client has received can't be missing, whatever happens to this process.
 */
static void serve_request(struct app *app, struct exchange *x)
{
    uint64_t elapsed_ns;

    x->app = app;
    x->begin_ns = clock_monotonic_ns();
    x->error = ERRORS_NONE;
    x->chaos_kind = NULL;
    app_metrics_begin(&app->metrics);
    reply_init(&x->reply, app->reply_body, app->reply_capacity);
    request_id_choose(x->request_id, x->request.request_id);
    x->reply.request_id = x->request_id;
    x->reply.head_only = x->request.method == METHOD_HEAD;
    x->route = route_find(x->request.path);
    origin_find(&x->origin, &x->request, &app->settings.proxies);
    measure_queue(x);
    begin_span(x);

    handle(x);
    if (x->error == ERRORS_CHAOS_ABORT)
        end_without_answer(x);

    elapsed_ns = clock_monotonic_ns() - x->begin_ns;
    describe_span(x);
    telemetry_span_end(app->telemetry, &x->span);
    log_completed(x, elapsed_ns);
    count(x, elapsed_ns);
    (void)telemetry_flush(app->telemetry);
    if (!app->gateway->reply(app->gateway, &x->reply) && !is_overdue(x))
        app_metrics_abandoned(&app->metrics);
}

/* Whatever has metrics or shared words looks them up. They follow the metrics file from here on. */
static void attach(struct app *app)
{
    struct metrics *metrics = telemetry_metrics(app->telemetry);

    app_metrics_attach(&app->metrics, app->telemetry);
    chaos_attach(&app->chaos, &app->settings, metrics);
    downstream_attach(&app->downstream, metrics);
}

/* Returns 0 when there are no more requests, -1 on failure. */
static int serve(struct app *app)
{
    static struct exchange exchange;
    int more;

    while ((more = app->gateway->next(app->gateway, &exchange.request)) > 0) {
        telemetry_refresh(app->telemetry);
        if (more == GATEWAY_IDLE)
            continue;
        if (exchange.request.abandoned) {
            app_metrics_abandoned(&app->metrics);
            app->gateway->drop(app->gateway);
            continue;
        }
        serve_request(app, &exchange);
    }
    return more;
}

static int app_open(struct app *app)
{
    static const struct resource_service service = {"microtrace", MICROTRACE_VERSION,
                                                    "https://opentelemetry.io/schemas/1.45.0"};
    const struct settings *settings = &app->settings;

    docs_page_init(&app->docs_page, settings->docs_assets);
    /* One byte to notice a body that is too long, one for the NUL. */
    app->body = malloc(settings->max_body_bytes + 2);
    /* Only the pages that an answer needs are ever touched. */
    app->reply_capacity =
        settings->max_body_bytes * VALIDATION_REPLY_FACTOR + VALIDATION_LOG_MAX + (64 << 10);
    app->reply_body = malloc(app->reply_capacity);
    app->telemetry = telemetry_open(&settings->telemetry, &service);
    if (app->body == NULL || app->reply_body == NULL || app->telemetry == NULL) {
        message_print("out of memory");
        return -1;
    }
    attach(app);
    return 0;
}

static void app_close(struct app *app)
{
    downstream_close(&app->downstream);
    telemetry_close(app->telemetry);
    free(app->reply_body);
    free(app->body);
}

/* How a program is started as FastCGI (section 2.2); asked without libfcgi, which would allocate.
 */
static bool stdin_listens(void)
{
    int listens = 0;
    socklen_t size = sizeof(listens);

    return getsockopt(STDIN_FILENO, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 &&
           listens != 0;
}

/* A CGI program has its one request to answer, even if it could not be set up. */
static void answer_out_of_memory(struct app *app)
{
    static struct exchange exchange;
    char body[256];

    if (app->gateway->next(app->gateway, &exchange.request) <= 0)
        return;
    exchange.app = app;
    reply_init(&exchange.reply, body, sizeof(body));
    request_id_choose(exchange.request_id, exchange.request.request_id);
    exchange.reply.request_id = exchange.request_id;
    exchange.reply.head_only = method_parse(exchange.request.method_text) == METHOD_HEAD;
    exchange_fail(&exchange, ERRORS_OUT_OF_MEMORY);
    app->gateway->reply(app->gateway, &exchange.reply);
}

/* Returns OPTIONS_GO, or the exit status to end with. */
static int read_options(bool *check, int argc, char **argv)
{
    static const struct options_switch switches[] = {
        {"--check", 0, "Look at the settings and end: 0, or 2 and what is wrong."},
        {NULL, 0, NULL},
    };
    static const struct options_table table = {
        .command = "analyze",
        .operands = "",
        .summary = "Answers HTTP requests as a FastCGI or CGI program; a web server starts it.",
        .switches = switches,
        .environment = settings_tables,
    };

    return options_read(&table, check, &argc, &argv);
}

/*
 * The settings, and what they need of the machine. A CGI process leaves that to a request that
 * makes a downstream call: few do, and libcurl takes longer to load than all the rest. Returns 0,
 * or -1 with a message in `error`.
 */
static int load(struct app *app, bool at_once, char error[CONFIG_ERROR_MAX])
{
    if (settings_load(&app->settings, error) != 0)
        return -1;
    downstream_init(&app->downstream, &app->settings.downstream);
    return at_once ? downstream_prepare(&app->downstream, error) : 0;
}

int main(int argc, char **argv)
{
    static struct app app;
    char error[CONFIG_ERROR_MAX];
    bool is_cgi_request = getenv("REQUEST_METHOD") != NULL;
    const bool is_fastcgi = stdin_listens();
    bool check = false;
    int result;

    descriptor_reserve_standard();
    /* A CGI request has no arguments of ours: a query may become one (RFC 3875, 4.4). */
    if (!is_cgi_request) {
        result = read_options(&check, argc, argv);
        if (result != OPTIONS_GO)
            return result;
        config_names_check(message_say);
    }
    if (load(&app, is_fastcgi || !is_cgi_request, error) != 0) {
        message_say(error);
        return OPTIONS_USAGE;
    }
    if (check) {
        telemetry_settings_check(&app.settings.telemetry);
        downstream_close(&app.downstream);
        return EXIT_SUCCESS;
    }
    if (!is_fastcgi && !is_cgi_request) {
        message_print("a web server starts this program, by FastCGI or CGI; "
                      "see analyze --help");
        return OPTIONS_USAGE;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN);
    app.gateway = is_fastcgi ? gateway_fcgi() : gateway_cgi();
    if (app.gateway == NULL)
        return EXIT_FAILURE;
    result = app_open(&app);
    if (result == 0)
        result = serve(&app);
    else if (!is_fastcgi)
        answer_out_of_memory(&app);
    app_close(&app);
    return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
