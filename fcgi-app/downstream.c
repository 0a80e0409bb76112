#include "fcgi-app/downstream.h"

#include "fcgi-app/downstream_client.h"
#include "fcgi-app/exchange.h"
#include "lib/base/clock.h"
#include "lib/base/ids.h"
#include "lib/base/message.h"
#include "lib/families.h"
#include "lib/trace/propagation.h"

#include <assert.h>
#include <string.h>

#define FIELD_COUNT(fields) (sizeof(fields) / sizeof((fields)[0]))

enum {
    INPUT_MAX = 128, /* bytes of the body that is sent: two doubles */
    STATUS_TEXT_SIZE = 24,
    /* What a busy machine may add to an attempt's timeout before its process is taken for dead. */
    PROBE_MARGIN_MS = 1000,
};

static const char logger[] = "microtrace.downstream";

static const struct metrics_family_def calls_def = {
    .name = "downstream_requests_total",
    .help = "Downstream calls, each with all its attempts, by how they ended.",
    .kind = METRICS_COUNTER,
    .labels = {"outcome"},
};

static const struct metrics_family_def attempts_def = {
    .name = "downstream_attempts_total",
    .help = "Attempts of downstream calls, by how they ended.",
    .kind = METRICS_COUNTER,
    .labels = {"outcome"},
};

static const struct metrics_family_def fallbacks_def = {
    .name = "downstream_fallbacks_total",
    .help = "Failed or refused downstream calls whose result was computed here.",
    .kind = METRICS_COUNTER,
};

static const struct metrics_family_def latency_def = {
    .name = "downstream_latency_seconds",
    .help = "Time that an attempt of a downstream call took.",
    .unit = "seconds",
    .kind = METRICS_HISTOGRAM,
    .bounds = families_latency_bounds,
    .bound_count = FAMILIES_LATENCY_BOUNDS,
};

/* One call under way. */
struct call {
    struct downstream *downstream;
    struct exchange *exchange;
    struct span *span; /* the worker's */
    char input[INPUT_MAX];
    size_t input_length;
    uint64_t begin_ms;
    unsigned attempt; /* the number of the last one made, from 1; 0 for none */
    struct downstream_response last;
};

void downstream_init(struct downstream *downstream, const struct downstream_settings *settings)
{
    *downstream = (struct downstream){
        .settings = settings,
        .budget_ms = downstream_policy_budget_ms(settings),
        .breaker.limits =
            {
                .failures = (unsigned)settings->breaker_failures,
                .open_ms = settings->breaker_open_ms,
                .probe_ms = settings->timeout_ms + PROBE_MARGIN_MS,
            },
    };
}

int downstream_prepare(struct downstream *downstream, char error[CONFIG_ERROR_MAX])
{
    if (!downstream->settings->enabled || downstream->client != NULL)
        return 0;
    downstream->client = downstream_client_open(downstream->settings, error);
    return downstream->client != NULL ? 0 : -1;
}

void downstream_attach(struct downstream *downstream, struct metrics *metrics)
{
    struct metrics_family *calls = metrics_declare(metrics, &calls_def);
    struct metrics_family *attempts = metrics_declare(metrics, &attempts_def);

    for (int i = 0; i < DOWNSTREAM_VERDICTS; i++)
        downstream->calls[i] =
            metrics_counter(calls, (const char *[]){downstream_verdict_names[i]});
    for (int i = 0; i < DOWNSTREAM_OUTCOMES; i++)
        downstream->attempts[i] =
            metrics_counter(attempts, (const char *[]){downstream_outcome_names[i]});
    downstream->fallbacks = metrics_counter(metrics_declare(metrics, &fallbacks_def), NULL);
    downstream->latency = metrics_histogram(metrics_declare(metrics, &latency_def), NULL);
    breaker_attach(&downstream->breaker, metrics);
}

void downstream_close(struct downstream *downstream)
{
    downstream_client_close(downstream->client);
    downstream->client = NULL;
}

static void write_input(struct call *call, double a, double b)
{
    struct json_writer w;

    json_writer_init(&w, call->input, sizeof(call->input));
    json_writer_begin_object(&w);
    json_writer_key(&w, "a");
    json_writer_double(&w, a);
    json_writer_key(&w, "b");
    json_writer_double(&w, b);
    json_writer_end_object(&w);
    assert(!w.overflow);
    call->input_length = w.len;
}

/*
 * OpenTelemetry HTTP semantic conventions, "HTTP client span": error.type is the status as text
 * where that is the error, else a name of our own. `status_text` outlives the span.
 */
static void describe_attempt(const struct call *call, struct span *span,
                             char status_text[STATUS_TEXT_SIZE])
{
    const struct downstream_target *target = downstream_client_target(call->downstream->client);
    const struct downstream_response *response = &call->last;

    if (!span->recording)
        return;
    span_set(span, attribute_string("http.request.method", "POST"));
    span_set(span, attribute_string("server.address", target->host));
    span_set(span, attribute_int("server.port", target->port));
    span_set(span, attribute_string("url.full", target->shown_url));
    if (call->attempt > 1)
        span_set(span, attribute_int("http.request.resend_count", call->attempt - 1));
    if (response->status != 0)
        span_set(span, attribute_int("http.response.status_code", response->status));
    if (response->outcome == DOWNSTREAM_SUCCESS)
        return;
    (void)snprintf(status_text, STATUS_TEXT_SIZE, "%ld", response->status);
    span_set(span,
             attribute_string("error.type", downstream_policy_is_status(response->outcome)
                                                ? status_text
                                                : downstream_outcome_names[response->outcome]));
    span->status = SPAN_STATUS_ERROR;
    span->status_message = response->problem;
}

static void log_failure(const struct call *call, uint64_t elapsed_ns)
{
    const struct downstream_response *response = &call->last;
    const struct attribute fields[] = {
        attribute_int("attempt", call->attempt),
        attribute_string("outcome", downstream_outcome_names[response->outcome]),
        attribute_double("elapsed_ms", (double)elapsed_ns / CLOCK_NS_PER_MS),
        attribute_string("problem", response->problem),
        attribute_int("status_code", response->status),
    };

    exchange_log(call->exchange, LOG_LEVEL_WARNING, logger, "attempt_failed", fields,
                 FIELD_COUNT(fields) - (response->status == 0));
}

/* What is left of the call's budget where that is less than an attempt may take. */
static uint64_t attempt_timeout_ms(const struct call *call)
{
    const uint64_t timeout_ms = call->downstream->settings->timeout_ms;
    const uint64_t elapsed_ms = clock_monotonic_ms() - call->begin_ms;

    if (elapsed_ms + timeout_ms <= call->downstream->budget_ms)
        return timeout_ms;
    return elapsed_ms < call->downstream->budget_ms ? call->downstream->budget_ms - elapsed_ms : 1;
}

/* One attempt with its span; its response is in call->last, a success is read into *result. */
static void make_attempt(struct call *call, struct analysis_result *result)
{
    struct downstream *downstream = call->downstream;
    struct exchange *exchange = call->exchange;
    const uint64_t begin_ns = clock_monotonic_ns();
    char status_text[STATUS_TEXT_SIZE];
    struct span span;
    uint64_t elapsed_ns;

    call->attempt++;
    span_begin_child(&span, "POST", SPAN_CLIENT, call->span);
    exchange->server.log.trace = &span.context;
    downstream_client_put(downstream->client, "X-Request-ID", exchange->server.request_id);
    (void)propagation_inject(exchange->app->settings.http.propagators, &span.context,
                             exchange->request.baggage, downstream_client_put, downstream->client);
    downstream_client_post(downstream->client, call->input, call->input_length,
                           attempt_timeout_ms(call), &call->last);
    if (call->last.outcome == DOWNSTREAM_SUCCESS &&
        downstream_policy_read_result(call->last.body, call->last.length, result) != 0)
        call->last = (struct downstream_response){.outcome = DOWNSTREAM_BAD_RESPONSE,
                                                  .status = call->last.status,
                                                  .problem = "The answer holds no result"};
    elapsed_ns = clock_monotonic_ns() - begin_ns;
    if (call->last.outcome != DOWNSTREAM_SUCCESS)
        log_failure(call, elapsed_ns);
    describe_attempt(call, &span, status_text);
    telemetry_span_end(exchange->app->telemetry, &span);
    exchange->server.log.trace = &call->span->context;
    metrics_add(downstream->attempts[call->last.outcome], 1);
    telemetry_observe(exchange->app->telemetry, downstream->latency, (double)elapsed_ns * 1e-9,
                      &span);
}

static void report(struct call *call, const struct breaker_permit *permit)
{
    unsigned failures;
    enum breaker_event event = breaker_report(&call->downstream->breaker, permit,
                                              !downstream_policy_is_failure(call->last.outcome),
                                              clock_monotonic_ms(), &failures);
    const struct attribute field = attribute_int("failures", failures);

    if (event != BREAKER_NOTHING)
        exchange_log(call->exchange, LOG_LEVEL_WARNING, logger,
                     event == BREAKER_HAS_OPENED ? "breaker_opened" : "breaker_closed", &field, 1);
}

/* The answer of a breaker that refuses the first attempt. */
static void refuse(struct call *call, const struct breaker_permit *permit)
{
    const struct attribute fields[] = {
        attribute_string("state", breaker_state_names[permit->state]),
        attribute_int("retry_after_ms", (int64_t)permit->wait_ms),
    };

    call->exchange->reply.retry_after_s = downstream_policy_retry_after_s(permit->wait_ms);
    exchange_log(call->exchange, LOG_LEVEL_WARNING, logger, "call_refused", fields,
                 FIELD_COUNT(fields));
}

/* Whether another attempt is to follow: after a pause, within the call's budget. */
static bool pause_for_retry(const struct call *call)
{
    const struct downstream_settings *settings = call->downstream->settings;
    const struct downstream_response *last = &call->last;
    uint64_t elapsed_ms = clock_monotonic_ms() - call->begin_ms;
    uint64_t pause_ms;

    if (call->attempt > settings->retries ||
        !downstream_policy_retryable(last->outcome, last->status))
        return false;
    pause_ms = downstream_policy_pause_ms(settings->backoff_ms, call->attempt, ids_random64(),
                                          last->retry_after_ms);
    /* Less than half an attempt's time is no chance, only a burden. */
    if (elapsed_ms + pause_ms + settings->timeout_ms / 2 > call->downstream->budget_ms)
        return false;
    clock_sleep_ns(pause_ms * CLOCK_NS_PER_MS);
    return true;
}

static enum downstream_verdict verdict(const struct call *call)
{
    if (call->attempt == 0)
        return DOWNSTREAM_CALL_BREAKER_OPEN;
    if (call->last.outcome == DOWNSTREAM_SUCCESS)
        return DOWNSTREAM_CALL_SUCCESS;
    return call->last.outcome == DOWNSTREAM_TIMEOUT ? DOWNSTREAM_CALL_TIMEOUT
                                                    : DOWNSTREAM_CALL_FAILED;
}

/* A plain CGI process finds out here that it can't call anybody. */
static bool is_prepared(struct call *call)
{
    char error[CONFIG_ERROR_MAX];

    if (downstream_prepare(call->downstream, error) == 0)
        return true;
    message_say(error); /* it may show a password of DOWNSTREAM_URL, which the log must not */
    exchange_log(call->exchange, LOG_LEVEL_WARNING, logger, "call_impossible", NULL, 0);
    return false;
}

static enum downstream_verdict make_call(struct call *call, struct analysis_result *result)
{
    if (!is_prepared(call))
        return DOWNSTREAM_CALL_FAILED;
    do {
        struct breaker_permit permit =
            breaker_ask(&call->downstream->breaker, clock_monotonic_ms());

        exchange_tell_damage(call->exchange, permit.damaged, &call->downstream->told, "breaker",
                             "closed");
        if (call->attempt == 0)
            span_set(call->span, attribute_string("microtrace.breaker.state",
                                                  breaker_state_names[permit.state]));
        if (!permit.granted) {
            if (call->attempt == 0)
                refuse(call, &permit);
            break;
        }
        if (permit.half_opened)
            exchange_log(call->exchange, LOG_LEVEL_WARNING, logger, "breaker_half_opened", NULL, 0);
        make_attempt(call, result);
        report(call, &permit);
    } while (call->last.outcome != DOWNSTREAM_SUCCESS && pause_for_retry(call));
    return verdict(call);
}

static void fall_back(struct call *call, enum downstream_verdict reason)
{
    const struct attribute field = attribute_string("reason", downstream_verdict_names[reason]);

    call->exchange->reply.retry_after_s = 0;
    metrics_add(call->downstream->fallbacks, 1);
    span_set(call->span, attribute_string("microtrace.downstream.fallback", "local"));
    exchange_log(call->exchange, LOG_LEVEL_WARNING, logger, "fallback_used", &field, 1);
}

enum errors_kind downstream_analyze(struct downstream *downstream, struct exchange *exchange,
                                    struct span *span, double a, double b,
                                    struct analysis_result *result)
{
    static const enum errors_kind errors[DOWNSTREAM_VERDICTS] = {
        [DOWNSTREAM_CALL_SUCCESS] = ERRORS_NONE,
        [DOWNSTREAM_CALL_FAILED] = ERRORS_DOWNSTREAM_FAILED,
        [DOWNSTREAM_CALL_TIMEOUT] = ERRORS_DOWNSTREAM_TIMEOUT,
        [DOWNSTREAM_CALL_BREAKER_OPEN] = ERRORS_BREAKER_OPEN,
    };
    struct call call = {
        .downstream = downstream,
        .exchange = exchange,
        .span = span,
        .begin_ms = clock_monotonic_ms(),
    };
    struct analysis_result theirs;
    enum downstream_verdict how;

    write_input(&call, a, b);
    how = make_call(&call, &theirs);
    metrics_add(downstream->calls[how], 1);
    span_set(span,
             attribute_string("microtrace.downstream.outcome", downstream_verdict_names[how]));
    span_set(span, attribute_int("microtrace.downstream.attempts", call.attempt));
    if (how == DOWNSTREAM_CALL_SUCCESS) {
        *result = theirs;
        return ERRORS_NONE;
    }
    if (downstream->settings->fallback == DOWNSTREAM_FALLBACK_LOCAL) {
        fall_back(&call, how);
        return ERRORS_NONE;
    }
    return errors[how];
}
