#include "http/observer.h"

#include "http/method.h"
#include "lib/base/clock.h"
#include "lib/base/decimal.h"
#include "lib/base/message.h"
#include "lib/base/utf8.h"

#include <stdlib.h>
#include <string.h>

static const struct config_setting rows[] = {
    {
        .name = "MICROTRACE_ROUTES",
        .type = CONFIG_STRING,
        .offset = offsetof(struct observer_settings, route_list),
        .help = "Names for paths that one script serves, a list with commas of PATTERN or "
                "PATTERN=NAME; {word} stands for one segment, * at the end for any rest "
                "(/user/{id},/shop/*=shop). The first that matches counts.",
    },
};

const struct config_table observer_settings_table = {rows, sizeof(rows) / sizeof(rows[0])};

int observer_settings_load(struct observer_settings *settings, char error[CONFIG_ERROR_MAX])
{
    settings->route_list = NULL;
    if (config_load(rows, observer_settings_table.count, settings, message_say, error) != 0 ||
        http_settings_load(&settings->http, error) != 0)
        return -1;
    if (routes_parse(&settings->routes, settings->route_list) != 0) {
        (void)snprintf(error, CONFIG_ERROR_MAX,
                       "MICROTRACE_ROUTES: \"%.80s\" can't be used; it takes at most %d patterns "
                       "or PATTERN=NAME with commas, as /user/{id},/shop/*=shop",
                       settings->route_list, ROUTES_MAX);
        return -1;
    }
    return 0;
}

void observer_init(struct observer *observer, const struct observer_settings *settings,
                   struct telemetry *telemetry)
{
    static char other[] = "_OTHER";

    memset(observer, 0, sizeof(*observer));
    observer->settings = settings;
    observer->telemetry = telemetry;
    for (int i = 0; i < HTTP_FAMILY_WORKERS; i++)
        observer->families[i] =
            metrics_declare(telemetry_metrics(telemetry), &http_families_table[i]);
    observer->in_progress = metrics_live_gauge(observer->families[HTTP_FAMILY_IN_PROGRESS], NULL);
    observer->queue = metrics_histogram(observer->families[HTTP_FAMILY_QUEUE], NULL);
    observer->abandoned = metrics_counter(observer->families[HTTP_FAMILY_ABANDONED], NULL);
    metrics_live_gauge_set(observer->in_progress, 0);
    observer->paths[OBSERVER_OTHER].label = other;
    observer->path_count = OBSERVER_OTHER + 1;
}

void observer_count_worker(struct observer *observer, const char *program, bool stays)
{
    http_workers_init(&observer->workers, telemetry_metrics(observer->telemetry), program, stays);
}

void observer_free(struct observer *observer)
{
    for (unsigned i = OBSERVER_OTHER + 1; i < observer->path_count; i++)
        free(observer->paths[i].label);
    observer->path_count = OBSERVER_OTHER + 1;
}

/* The number of `label`; that of `_OTHER` if there is no room for it, or if it can't be a label. */
static unsigned path_of(struct observer *observer, const char *label)
{
    const size_t len = strlen(label);
    char *copy;

    for (unsigned i = OBSERVER_OTHER + 1; i < observer->path_count; i++) {
        if (strcmp(observer->paths[i].label, label) == 0)
            return i;
    }
    if (observer->path_count > OBSERVER_PATHS_MAX || len == 0 || len > METRICS_LABEL_VALUE_MAX ||
        len > SERVER_SPAN_ROUTE_MAX || !utf8_valid(label, len))
        return OBSERVER_OTHER;
    copy = strdup(label);
    if (copy == NULL)
        return OBSERVER_OTHER;
    observer->paths[observer->path_count].label = copy;
    return observer->path_count++;
}

static unsigned find_path(struct observer *observer, const struct request *request,
                          const char *script)
{
    const struct routes *const routes = &observer->settings->routes;
    const int route =
        routes_find(routes, (struct text){request->url_path, request->url_path_length});

    if (route != ROUTES_NONE)
        return path_of(observer, routes->entries[route].name);
    return script != NULL ? path_of(observer, script) : OBSERVER_OTHER;
}

void observer_begin(struct observer *observer, struct observed *observed,
                    const struct request *request, const char *script)
{
    observed->request = request;
    observed->path = find_path(observer, request, script);
    metrics_live_gauge_add(observer->in_progress, 1);
    http_workers_set(&observer->workers, true);
    server_span_begin(
        &observed->server, observer->telemetry, &observer->settings->http, request,
        observed->path == OBSERVER_OTHER ? NULL : observer->paths[observed->path].label, true);
    if (observed->server.queue_ns >= 0)
        metrics_observe(observer->queue, (double)observed->server.queue_ns / CLOCK_NS_PER_S);
}

/* A counter of `family` with the labels method, path and a third one, which `wanted` tells. */
static void count(struct observer *observer, enum http_family family,
                  const struct observer_counter *wanted, const char *third)
{
    const size_t hash = ((size_t)wanted->path * 31 + (size_t)wanted->method) * 31 +
                        (size_t)wanted->status + (uintptr_t)wanted->name / 8;
    struct observer_counter *const place = &observer->cache[hash % OBSERVER_CACHE];

    if (place->handle == NULL || place->path != wanted->path || place->method != wanted->method ||
        place->status != wanted->status || place->name != wanted->name) {
        *place = *wanted;
        place->handle =
            metrics_counter(observer->families[family],
                            (const char *[]){method_names[wanted->method],
                                             observer->paths[wanted->path].label, third});
    }
    metrics_add(place->handle, 1);
}

static void measure(struct observer *observer, const struct observed *observed, uint64_t elapsed_ns)
{
    struct observer_path *const path = &observer->paths[observed->path];
    const enum method method = observed->request->method;

    if (path->latency[method] == NULL)
        path->latency[method] =
            metrics_histogram(observer->families[HTTP_FAMILY_LATENCY],
                              (const char *[]){method_names[method], path->label});
    telemetry_observe(observer->telemetry, path->latency[method], (double)elapsed_ns * 1e-9,
                      &observed->server.span);
}

static void answered(struct observer *observer, struct observed *observed,
                     const struct observed_outcome *outcome, const char *status,
                     uint64_t elapsed_ns)
{
    struct observer_counter wanted = {
        .status = outcome->status,
        .method = observed->request->method,
        .path = observed->path,
    };

    server_span_log(&observed->server, observer->telemetry, outcome->status, elapsed_ns);
    count(observer, HTTP_FAMILY_REQUESTS, &wanted, status);
    measure(observer, observed, elapsed_ns);
    if (outcome->status < 400 && outcome->error == NULL)
        return;
    /* A name that is not a literal is told apart by the status. */
    wanted.name = outcome->error != NULL ? outcome->error : "";
    count(observer, HTTP_FAMILY_ERRORS, &wanted, outcome->error != NULL ? outcome->error : status);
}

void observer_gather(struct observer *observer, struct observed *observed,
                     const struct observed_outcome *outcome)
{
    const uint64_t elapsed_ns = server_span_elapsed_ns(&observed->server);
    char status[DECIMAL_INT_SIZE + 1];
    struct server_span_outcome told = {
        .status = outcome->status,
        /* A client's mistake is no failure of the server (HTTP conventions, "Status"). */
        .error_type = outcome->status < 400 || outcome->status >= 500 ? outcome->error : NULL,
        .attributes = outcome->attributes,
        .attribute_count = outcome->attribute_count,
    };

    status[decimal_int(status, outcome->status)] = '\0';
    if (told.error_type == NULL && outcome->status >= 500)
        told.error_type = status;
    server_span_end(&observed->server, observer->telemetry, &told);
    if (outcome->status != 0)
        answered(observer, observed, outcome, status, elapsed_ns);
    if (outcome->abandoned)
        metrics_add(observer->abandoned, 1);
    metrics_live_gauge_add(observer->in_progress, -1);
    http_workers_set(&observer->workers, false);
}

void observer_end(struct observer *observer, struct observed *observed,
                  const struct observed_outcome *outcome)
{
    observer_gather(observer, observed, outcome);
    (void)telemetry_flush(observer->telemetry);
}

void observer_dropped(struct observer *observer)
{
    metrics_add(observer->abandoned, 1);
}
