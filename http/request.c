#include "http/request.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct variable {
    const char *name;
    size_t length;
    size_t offset;
};

#define VARIABLE(text, member)                                                                     \
    {                                                                                              \
        text, sizeof(text) - 1, offsetof(struct request, member)                                   \
    }

static const struct variable variables[] = {
    VARIABLE("REQUEST_METHOD", method_text),
    VARIABLE("SCRIPT_NAME", script_name),
    VARIABLE("PATH_INFO", path_info),
    VARIABLE("REQUEST_URI", request_uri),
    VARIABLE("QUERY_STRING", query),
    VARIABLE("HTTPS", https),
    VARIABLE("REQUEST_SCHEME", scheme_text),
    VARIABLE("HTTP_HOST", host),
    VARIABLE("HTTP_FORWARDED", forwarded.forwarded),
    VARIABLE("HTTP_X_FORWARDED_FOR", forwarded.x_for),
    VARIABLE("HTTP_X_FORWARDED_PROTO", forwarded.x_proto),
    VARIABLE("HTTP_X_FORWARDED_HOST", forwarded.x_host),
    VARIABLE("REMOTE_ADDR", client_address),
    VARIABLE("REMOTE_PORT", client_port),
    VARIABLE("SERVER_PROTOCOL", protocol),
    VARIABLE("HTTP_USER_AGENT", user_agent),
    VARIABLE("CONTENT_TYPE", content_type),
    VARIABLE("CONTENT_LENGTH", content_length_text),
    VARIABLE("HTTP_TRANSFER_ENCODING", transfer_encoding),
    VARIABLE("HTTP_X_REQUEST_ID", request_id),
    VARIABLE("HTTP_X_REQUEST_START", request_start),
    VARIABLE("HTTP_TRACEPARENT", trace.traceparent),
    VARIABLE("HTTP_TRACESTATE", trace.tracestate),
    VARIABLE("HTTP_B3", trace.b3),
    VARIABLE("HTTP_X_B3_TRACEID", trace.b3_trace_id),
    VARIABLE("HTTP_X_B3_SPANID", trace.b3_span_id),
    VARIABLE("HTTP_X_B3_SAMPLED", trace.b3_sampled),
    VARIABLE("HTTP_X_B3_FLAGS", trace.b3_flags),
    VARIABLE("HTTP_UBER_TRACE_ID", trace.uber_trace_id),
    VARIABLE("HTTP_BAGGAGE", baggage),
    VARIABLE("REDIRECT_STATUS", redirect_status),
    VARIABLE("METRICS_FORBIDDEN", metrics_forbidden),
};

static const size_t variable_count = sizeof(variables) / sizeof(variables[0]);

/* In place of a header field that came in two different values: it counts as none. */
static const char ambiguous[] = "";

/*
 * A field that came twice, under names that the server maps to the same variable perhaps
 * (X-Request-ID, X.Request.ID), comes as two variables. Of variables that are not header fields
 * the first counts.
 */
static const char *merge(const char *name, const char *first, const char *second)
{
    if (strncmp(name, "HTTP_", 5) != 0 || strcmp(first, second) == 0)
        return first;
    return ambiguous;
}

static void take_variable(struct request *request, const char *entry)
{
    const char *equals = strchr(entry, '=');
    const char *value, *known;
    size_t length;

    if (equals == NULL)
        return;
    length = (size_t)(equals - entry);
    value = equals + 1;
    for (size_t i = 0; i < variable_count; i++) {
        const struct variable *variable = &variables[i];

        if (length == variable->length && memcmp(entry, variable->name, length) == 0) {
            memcpy(&known, (char *)request + variable->offset, sizeof(known));
            if (known != NULL)
                value = merge(variable->name, known, value);
            memcpy((char *)request + variable->offset, &value, sizeof(value));
            return;
        }
    }
}

static void drop_ambiguous(struct request *request)
{
    static const char *const none = NULL;
    const char *value;

    for (size_t i = 0; i < variable_count; i++) {
        memcpy(&value, (char *)request + variables[i].offset, sizeof(value));
        if (value == ambiguous)
            memcpy((char *)request + variables[i].offset, &none, sizeof(none));
    }
}

/* A server joins a repeated field with commas (RFC 9110, section 5.3): "a, a" is a. */
static const char *repeated(const char *value)
{
    const char *last = value != NULL ? strrchr(value, ',') : NULL;
    size_t length;

    if (last == NULL)
        return value;
    last += 1 + strspn(last + 1, " \t");
    length = strlen(last);
    for (const char *at = value; at < last; at += strspn(at, " \t,")) {
        if (strncmp(at, last, length) != 0 || strchr(" \t,", at[length]) == NULL)
            return value;
        at += length;
    }
    return last;
}

static int64_t parse_length(const char *text)
{
    enum { DIGITS_MAX = 18 };
    int64_t value = 0;
    size_t i = 0;

    if (text == NULL || text[0] == '\0')
        return REQUEST_LENGTH_UNKNOWN;
    for (; text[i] >= '0' && text[i] <= '9'; i++) {
        /* More than any body can have: the exact number no longer matters. */
        if (i >= DIGITS_MAX)
            value = INT64_MAX / 16;
        value = 10 * value + (text[i] - '0');
    }
    return text[i] == '\0' ? value : REQUEST_LENGTH_BAD;
}

static void set_path(struct request *request, const char *first, size_t first_length,
                     const char *second)
{
    size_t second_length = strlen(second);

    request->path[0] = '\0';
    if (first_length > REQUEST_PATH_MAX || second_length > REQUEST_PATH_MAX - first_length)
        return;
    memcpy(request->path, first, first_length);
    memcpy(request->path + first_length, second, second_length + 1);
}

/*
 * The path of the request's target: of "/path?query", but also of an absolute URI (RFC 9112,
 * section 3.2.2) as some servers hand it over.
 */
static void set_url_path(struct request *request)
{
    const char *uri = request->request_uri != NULL ? request->request_uri : request->path;
    const char *authority = uri[0] != '/' ? strstr(uri, "://") : NULL;

    if (authority != NULL && strcspn(uri, "/?#") > (size_t)(authority - uri))
        uri = authority + 3 + strcspn(authority + 3, "/?#");
    request->url_path = uri;
    request->url_path_length = strcspn(uri, "?#");
    if (request->url_path_length == 0 && authority != NULL) {
        request->url_path = "/";
        request->url_path_length = 1;
    }
}

enum { STATUS_LENGTH_REQUIRED = 411 };

/*
 * Error handlers are given the failed request's URI, while SCRIPT_NAME is their own. Servers that
 * set REDIRECT_STATUS for ordinary requests set it to 200.
 */
static void set_error_status(struct request *request)
{
    int status = request->redirect_status != NULL ? atoi(request->redirect_status) : 0;

    request->error_status = status >= 400 && status <= 599 ? status : 0;
    if (request->error_status == 0)
        return;
    set_path(request, request->url_path, request->url_path_length, "");
    /* It is always called with GET; what the client's method was is not told ... */
    request->method_text = method_names[METHOD_OTHER];
    request->method = METHOD_OTHER;
    if (request->error_status == STATUS_LENGTH_REQUIRED) {
        /*
         * ... but for this status, which lighttpd has for POST alone. There may have been a body:
         * behind an empty Content-Length, or over HTTP/2 before lighttpd 1.4.78 in another's setup.
         */
        request->error_status = 0;
        request->method_text = method_names[METHOD_POST];
        request->method = METHOD_POST;
        request->content_length = REQUEST_LENGTH_MISSING;
    }
}

void request_from_environment(struct request *request, const char *const *environment)
{
    memset(request, 0, offsetof(struct request, path));
    for (; *environment != NULL; environment++)
        take_variable(request, *environment);
    drop_ambiguous(request);
    request->request_id = repeated(request->request_id);
    request->method = method_parse(request->method_text);
    request->content_length = parse_length(request->content_length_text);
    if (request->script_name == NULL)
        request->script_name = "";
    if (request->path_info == NULL)
        request->path_info = "";
    set_path(request, request->script_name, strlen(request->script_name), request->path_info);
    set_url_path(request);
    set_error_status(request);
}

void request_path_of_script(struct request *request, bool is_route)
{
    const char *base = strrchr(request->script_name, '/');

    if (request->error_status != 0)
        return;
    if (request->path_info[0] != '\0')
        set_path(request, "", 0, request->path_info);
    else if (base != NULL && !is_route)
        set_path(request, base, strcspn(base, "."), "");
    set_url_path(request);
}

const char *request_scheme(const struct request *request)
{
    if (request->https != NULL && strcasecmp(request->https, "on") == 0)
        return "https";
    if (request->scheme_text != NULL && strcasecmp(request->scheme_text, "https") == 0)
        return "https";
    return "http";
}

const char *request_protocol_version(const struct request *request)
{
    static const char prefix[] = "HTTP/";
    const char *version;

    if (request->protocol == NULL || strncmp(request->protocol, prefix, sizeof(prefix) - 1) != 0)
        return NULL;
    version = request->protocol + sizeof(prefix) - 1;
    if (strcmp(version, "2.0") == 0)
        return "2";
    if (strcmp(version, "3.0") == 0)
        return "3";
    return version;
}

bool request_is_chunked(const struct request *request)
{
    return request->transfer_encoding != NULL &&
           strcasestr(request->transfer_encoding, "chunked") != NULL;
}

bool request_content_is_json(const char *content_type)
{
    static const char application[] = "application/";
    static const char suffix[] = "+json";
    const size_t application_length = sizeof(application) - 1;
    const size_t suffix_length = sizeof(suffix) - 1;
    size_t length;

    if (content_type == NULL)
        return true;
    content_type += strspn(content_type, " \t");
    length = strcspn(content_type, ";");
    while (length > 0 && (content_type[length - 1] == ' ' || content_type[length - 1] == '\t'))
        length--;
    if (length == 0)
        return content_type[0] == '\0';
    if (length <= application_length ||
        strncasecmp(content_type, application, application_length) != 0)
        return false;
    content_type += application_length;
    length -= application_length;
    if (length == 4 && strncasecmp(content_type, "json", 4) == 0)
        return true;
    return length > suffix_length &&
           strncasecmp(content_type + length - suffix_length, suffix, suffix_length) == 0;
}
