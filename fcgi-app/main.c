#include "fcgi-app/exchange.h"
#include "fcgi-app/handlers.h"
#include "fcgi-app/validation.h"
#include "lib/base/clock.h"
#include "lib/base/config_file.h"
#include "lib/base/config_names.h"
#include "lib/base/descriptor.h"
#include "lib/base/message.h"
#include "lib/base/notify.h"
#include "lib/base/options.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The span's end, as `x` knows it. */
static void end_span(struct exchange *x)
{
    const int status = x->reply.status->code;
    const struct attribute chaos = attribute_string("microtrace.chaos.kind", x->chaos_kind);
    const struct server_span_outcome outcome = {
        .status = x->error == ERRORS_CHAOS_ABORT ? 0 : status,
        .error_type = status >= 500 ? errors_table[x->error].name : NULL,
        .attributes = &chaos,
        .attribute_count = x->chaos_kind != NULL ? 1 : 0,
    };

    server_span_end(&x->server, x->app->telemetry, &outcome);
}

static void count(struct exchange *x, uint64_t elapsed_ns)
{
    const struct app_metrics_outcome outcome = {
        .method = x->request.method,
        .route = x->route,
        .status = x->reply.status,
        .error = x->error,
        .seconds = (double)elapsed_ns * 1e-9,
        .span = &x->server.span,
    };

    app_metrics_end(&x->app->metrics, &outcome);
}

/* An injected abort: what there is to tell is written, and nothing is answered. */
static _Noreturn void end_without_answer(struct exchange *x)
{
    end_span(x);
    (void)telemetry_flush(x->app->telemetry);
    /*
     * FastCGI's listening socket goes first: a web server that sees the connection end, and wants
     * to put that into words, must not find it and wait in its queue.
     */
    (void)close(STDIN_FILENO);
    _exit(EXIT_FAILURE);
}

/* The front end has given up by now, or is about to: an answer would come too late. */
static bool is_overdue(const struct exchange *x)
{
    return x->server.queue_ns > (int64_t)x->app->settings.request_timeout * CLOCK_NS_PER_S;
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
    x->error = ERRORS_NONE;
    x->chaos_kind = NULL;
    app_metrics_begin(&app->metrics);
    x->route = route_find(x->request.path);
    server_span_begin(&x->server, app->telemetry, &app->settings.http, &x->request,
                      route_name(x->route), x->route->traced);
    app_metrics_queue(&app->metrics, x->server.queue_ns);
    reply_init(&x->reply, app->reply_body, app->reply_capacity);
    x->reply.request_id = x->server.request_id;
    x->reply.trace = x->route->traced ? &x->server.span.context : NULL;
    x->reply.head_only = x->request.method == METHOD_HEAD;

    handle(x);
    if (x->error == ERRORS_CHAOS_ABORT)
        end_without_answer(x);

    elapsed_ns = server_span_elapsed_ns(&x->server);
    end_span(x);
    server_span_log(&x->server, app->telemetry, x->reply.status->code, elapsed_ns);
    count(x, elapsed_ns);
    (void)telemetry_flush(app->telemetry);
    if (!app->gateway->reply(app->gateway, &x->reply) && !is_overdue(x))
        app_metrics_abandoned(&app->metrics);
}

/* Whatever has metrics or shared words looks them up. They follow the metrics file from here on. */
static void attach(struct app *app)
{
    struct metrics *metrics = telemetry_metrics(app->telemetry);

    app_metrics_attach(&app->metrics, app->telemetry, app->is_fastcgi);
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

/* Where a service manager started this process, it may send requests from now on. */
static void tell_ready(void)
{
    struct notify notify;

    notify_open(&notify);
    if (notify_ready(&notify, "serves requests") != 0)
        message_print("NOTIFY_SOCKET: the service manager can't be told: %s", strerror(errno));
    notify_close(&notify);
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
    request_id_choose(exchange.server.request_id, exchange.request.request_id);
    exchange.reply.request_id = exchange.server.request_id;
    exchange.reply.head_only = method_parse(exchange.request.method_text) == METHOD_HEAD;
    exchange_fail(&exchange, ERRORS_OUT_OF_MEMORY);
    app->gateway->reply(app->gateway, &exchange.reply);
}

/* Returns OPTIONS_GO, or the exit status to end with. */
static int read_options(bool *check, int argc, char **argv)
{
    static const struct options_switch switches[] = {
        {"--check", 0, "Check the settings and exit: 0, or 2 after saying what is wrong."},
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
    config_file_load(message_say);
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
    app.is_fastcgi = is_fastcgi;
    app.gateway = is_fastcgi ? gateway_fcgi() : gateway_cgi();
    if (app.gateway == NULL)
        return EXIT_FAILURE;
    result = app_open(&app);
    if (result == 0 && is_fastcgi)
        tell_ready();
    if (result == 0)
        result = serve(&app);
    else if (!is_fastcgi)
        answer_out_of_memory(&app);
    app_close(&app);
    return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
