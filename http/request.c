#include "http/request.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define VARIABLES(X)                                                                               \
    X("REQUEST_METHOD", method_text)                                                               \
    X("SCRIPT_NAME", script_name)                                                                  \
    X("PATH_INFO", path_info)                                                                      \
    X("REQUEST_URI", request_uri)                                                                  \
    X("QUERY_STRING", query)                                                                       \
    X("HTTPS", https)                                                                              \
    X("REQUEST_SCHEME", scheme_text)                                                               \
    X("HTTP_HOST", host)                                                                           \
    X("HTTP_FORWARDED", forwarded.forwarded)                                                       \
    X("HTTP_X_FORWARDED_FOR", forwarded.x_for)                                                     \
    X("HTTP_X_FORWARDED_PROTO", forwarded.x_proto)                                                 \
    X("HTTP_X_FORWARDED_HOST", forwarded.x_host)                                                   \
    X("REMOTE_ADDR", client_address)                                                               \
    X("REMOTE_PORT", client_port)                                                                  \
    X("SERVER_PROTOCOL", protocol)                                                                 \
    X("HTTP_USER_AGENT", user_agent)                                                               \
    X("CONTENT_TYPE", content_type)                                                                \
    X("CONTENT_LENGTH", content_length_text)                                                       \
    X("HTTP_TRANSFER_ENCODING", transfer_encoding)                                                 \
    X("HTTP_X_REQUEST_ID", request_id)                                                             \
    X("HTTP_X_REQUEST_START", request_start)                                                       \
    X("HTTP_TRACEPARENT", trace.traceparent)                                                       \
    X("HTTP_TRACESTATE", trace.tracestate)                                                         \
    X("HTTP_B3", trace.b3)                                                                         \
    X("HTTP_X_B3_TRACEID", trace.b3_trace_id)                                                      \
    X("HTTP_X_B3_SPANID", trace.b3_span_id)                                                        \
    X("HTTP_X_B3_SAMPLED", trace.b3_sampled)                                                       \
    X("HTTP_X_B3_FLAGS", trace.b3_flags)                                                           \
    X("HTTP_UBER_TRACE_ID", trace.uber_trace_id)                                                   \
    X("HTTP_BAGGAGE", baggage)                                                                     \
    X("REDIRECT_STATUS", redirect_status)                                                          \
    X("METRICS_FORBIDDEN", metrics_forbidden)

#define VARIABLE(text, member) {text, offsetof(struct request, member)},
#define MARK(text, member)     NAME_MARK(text, sizeof(text) - 1),

/* What tells all these names apart, but not from every other: memchr finds it among many at once.
 */
#define NAME_MARK(name, length)                                                                    \
    (unsigned char)((length) + 7u * (unsigned char)(name)[(length)-1] +                            \
                    16u * (unsigned char)(name)[(length)-3])

static const struct {
    const char *name;
    size_t offset;
} variables[] = {VARIABLES(VARIABLE)};

static const unsigned char marks[] = {VARIABLES(MARK)};

enum { NAME_MIN = sizeof("HTTPS") - 1 };

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

static void take_value(struct request *request, size_t which, const char *value)
{
    char *const member = (char *)request + variables[which].offset;
    const char *known;

    memcpy(&known, member, sizeof(known));
    if (known != NULL)
        value = merge(variables[which].name, known, value);
    memcpy(member, &value, sizeof(value));
}

static void take_variable(struct request *request, const char *entry)
{
    const char *const equals = strchr(entry, '=');
    const size_t length = equals != NULL ? (size_t)(equals - entry) : 0;
    const unsigned char *at = marks, *const end = marks + sizeof(marks);

    if (length < NAME_MIN)
        return;
    while ((at = memchr(at, NAME_MARK(entry, length), (size_t)(end - at))) != NULL) {
        const size_t which = (size_t)(at++ - marks);

        if (strncmp(entry, variables[which].name, length) == 0 &&
            variables[which].name[length] == '\0') {
            take_value(request, which, equals + 1);
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
 * An error handler's own path is PREFIX/NAME. What stands before the name is the prefix of a failed
 * request that is below it, too.
 */
static size_t prefix_of_error_handler(const struct request *request)
{
    const char *const last = strrchr(request->script_name, '/');
    const size_t length = request->path_info[0] != '\0' ? strlen(request->script_name)
                          : last != NULL                ? (size_t)(last - request->script_name)
                                                        : 0;

    return length < request->url_path_length && request->url_path[length] == '/' &&
                   memcmp(request->url_path, request->script_name, length) == 0
               ? length
               : 0;
}

/*
 * Error handlers are given the failed request's URI, while SCRIPT_NAME is their own. Servers that
 * set REDIRECT_STATUS for ordinary requests set it to 200.
 */
static void set_error_status(struct request *request)
{
    int status = request->redirect_status != NULL ? atoi(request->redirect_status) : 0;
    size_t prefix;

    request->error_status = status >= 400 && status <= 599 ? status : 0;
    if (request->error_status == 0)
        return;
    prefix = prefix_of_error_handler(request);
    set_path(request, request->url_path + prefix, request->url_path_length - prefix, "");
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

/* The last segment of SCRIPT_NAME, with or without its extension, if that is a route. */
static void set_path_by_name(struct request *request, bool (*is_route)(const char *path))
{
    const char *const base = strrchr(request->script_name, '/');
    char name[REQUEST_PATH_MAX + 1];
    size_t length = base != NULL ? strlen(base) : 0;

    if (length == 0 || length >= sizeof(name))
        return;
    memcpy(name, base, length + 1);
    if (!is_route(name)) {
        length = strcspn(name, ".");
        name[length] = '\0';
        if (!is_route(name))
            return;
    }
    set_path(request, name, length, "");
}

void request_path_of_program(struct request *request, bool (*is_route)(const char *path))
{
    const bool is_of_error_handler =
        request->error_status != 0 || request->content_length == REQUEST_LENGTH_MISSING;

    if (is_of_error_handler || is_route(request->path))
        return;
    if (request->path_info[0] != '\0')
        set_path(request, "", 0, request->path_info);
    else
        set_path_by_name(request, is_route);
    if (request->request_uri == NULL)
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
