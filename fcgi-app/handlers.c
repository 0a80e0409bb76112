#include "fcgi-app/handlers.h"

#include "fcgi-app/analysis.h"
#include "fcgi-app/exchange.h"
#include "fcgi-app/openapi.h"
#include "fcgi-app/validation.h"
#include "lib/base/decimal.h"

#include <string.h>

#define FIELD_COUNT(fields) (sizeof(fields) / sizeof((fields)[0]))

static const char api_logger[] = "microtrace.api";

/*
 * Reads the body into app->body, NUL-terminated. Returns ERRORS_NONE and its length, or why it
 * can't be had.
 */
static enum errors_kind read_body(struct exchange *exchange, size_t *length)
{
    struct app *app = exchange->app;
    const int64_t announced = exchange->request.content_length;
    const size_t limit = app->settings.max_body_bytes;
    size_t wanted = announced >= 0 ? (size_t)announced : limit + 1;

    *length = app->gateway->read_body(app->gateway, app->body, wanted);
    if (*length > limit)
        return ERRORS_BODY_TOO_LARGE;
    if (announced >= 0 && *length < wanted)
        return ERRORS_BODY_INCOMPLETE;
    app->body[*length] = '\0';
    return ERRORS_NONE;
}

/* What can be said before the body is read. */
static enum errors_kind check_head(const struct exchange *exchange)
{
    const struct request *request = &exchange->request;

    if (request->content_length == REQUEST_LENGTH_BAD)
        return ERRORS_BAD_CONTENT_LENGTH;
    if (request->content_length == REQUEST_LENGTH_MISSING)
        return ERRORS_LENGTH_REQUIRED;
    if (request->content_length > (int64_t)exchange->app->settings.max_body_bytes)
        return ERRORS_BODY_TOO_LARGE;
    if (!request_content_is_json(request->content_type))
        return ERRORS_UNSUPPORTED_MEDIA_TYPE;
    return ERRORS_NONE;
}

static void reply_invalid(struct exchange *exchange, const struct validation *validation)
{
    struct json_writer *w = &exchange->reply.body;
    char text[VALIDATION_LOG_MAX];
    struct json_writer logged;
    struct attribute field;

    exchange->error = validation->errors[0].kind;
    exchange->reply.status = http_status_find(errors_table[exchange->error].status);
    json_writer_begin_object(w);
    json_writer_key(w, "detail");
    validation_write_errors(w, validation);
    json_writer_end_object(w);

    json_writer_init(&logged, text, sizeof(text));
    validation_write_errors_cut(&logged, validation);
    field = attribute_json("errors", text, logged.len);
    exchange_log(exchange, LOG_LEVEL_WARNING, api_logger, "validation_failed", &field, 1);
}

static void write_member(struct json_writer *w, const char *key, double value)
{
    char text[DECIMAL_DOUBLE_SIZE];

    json_writer_bytes(w, key, strlen(key));
    json_writer_bytes(w, text, decimal_double(text, value));
}

static void reply_result(struct exchange *exchange, double a, double b)
{
    const struct attribute inputs[] = {
        attribute_double("input_a", a),
        attribute_double("input_b", b),
    };
    struct analysis_result result;
    enum errors_kind error;

    exchange_log(exchange, LOG_LEVEL_INFO, api_logger, "analyze_request", inputs,
                 FIELD_COUNT(inputs));
    error = analysis_run(exchange, a, b, &result);
    if (error != ERRORS_NONE) {
        exchange_fail(exchange, error);
        return;
    }

    const struct attribute outputs[] = {
        attribute_double("sum", result.sum),
        attribute_double("difference", result.difference),
    };
    exchange_log(exchange, LOG_LEVEL_INFO, api_logger, "analyze_response", outputs,
                 FIELD_COUNT(outputs));

    /* With the spaces of the original service. */
    write_member(&exchange->reply.body, "{\"sum\": ", result.sum);
    write_member(&exchange->reply.body, ", \"difference\": ", result.difference);
    json_writer_bytes(&exchange->reply.body, "}", 1);
}

void handlers_analyze(struct exchange *exchange)
{
    enum errors_kind error = check_head(exchange);
    struct validation validation;
    size_t length = 0;

    if (error == ERRORS_NONE)
        error = read_body(exchange, &length);
    if (error != ERRORS_NONE) {
        exchange_fail(exchange, error);
        return;
    }
    validation_parse(&validation, exchange->app->body, length);
    if (validation.error_count == 0)
        reply_result(exchange, validation.a, validation.b);
    else if (validation.errors[0].kind == ERRORS_OUT_OF_MEMORY)
        exchange_fail(exchange, ERRORS_OUT_OF_MEMORY);
    else
        reply_invalid(exchange, &validation);
    validation_free(&validation);
}

static void write_text(struct exchange *exchange, const char *text)
{
    json_writer_bytes(&exchange->reply.body, text, strlen(text));
}

void handlers_healthz(struct exchange *exchange)
{
    write_text(exchange, "{\"status\":\"ok\"}");
}

void handlers_readyz(struct exchange *exchange)
{
    const char *problem = telemetry_problem(exchange->app->telemetry);
    struct json_writer *w = &exchange->reply.body;

    if (problem == NULL) {
        write_text(exchange, "{\"status\":\"ready\"}");
        return;
    }
    exchange->error = ERRORS_TELEMETRY_UNAVAILABLE;
    exchange->reply.status = http_status_find(errors_table[exchange->error].status);
    json_writer_begin_object(w);
    json_writer_key_string(w, "status", "unavailable");
    json_writer_key_string(w, "reason", problem);
    json_writer_key_string(w, "detail", errors_table[exchange->error].message);
    json_writer_end_object(w);
}

void handlers_metrics(struct exchange *exchange)
{
    exchange_fail(exchange, exchange->request.metrics_forbidden != NULL ? ERRORS_FORBIDDEN
                                                                        : ERRORS_AGENT_UNREACHABLE);
}

void handlers_docs(struct exchange *exchange)
{
    const struct docs_page *page = &exchange->app->docs_page;

    exchange->reply.content_type = "text/html; charset=utf-8";
    exchange->reply.content_security_policy = page->content_security_policy;
    json_writer_bytes(&exchange->reply.body, page->html, page->length);
}

void handlers_openapi(struct exchange *exchange)
{
    openapi_write(&exchange->reply.body);
}

void handlers_not_found(struct exchange *exchange)
{
    exchange_fail(exchange, ERRORS_NOT_FOUND);
}

void handlers_method_not_allowed(struct exchange *exchange)
{
    exchange->reply.allow = route_allow(exchange->route);
    exchange_fail(exchange, ERRORS_METHOD_NOT_ALLOWED);
}

/* The statuses that this program has its own words for read the same from either. */
static enum errors_kind own_error(int status)
{
    switch (status) {
    case 403: /* a path below a file of /docs */
    case 404:
        return ERRORS_NOT_FOUND;
    case 405:
        return ERRORS_METHOD_NOT_ALLOWED;
    case 413:
        return ERRORS_BODY_TOO_LARGE;
    case 504:
        return ERRORS_GATEWAY_TIMEOUT;
    default:
        return ERRORS_WEB_SERVER;
    }
}

void handlers_web_server_error(struct exchange *exchange)
{
    enum errors_kind error = own_error(exchange->request.error_status);
    struct json_writer *w = &exchange->reply.body;

    if (route_id(exchange->route) == ROUTE_METRICS && exchange->request.error_status >= 500)
        error = ERRORS_AGENT_UNREACHABLE;
    if (error != ERRORS_WEB_SERVER) {
        exchange_fail(exchange, error);
        return;
    }
    exchange->error = error;
    exchange->reply.status = http_status_find(exchange->request.error_status);
    json_writer_begin_object(w);
    json_writer_key_string(w, "detail", exchange->reply.status->reason);
    json_writer_end_object(w);
}
