/*
 * Request methods: the standard ones, and one value for all others, so that a client's invention
 * never becomes a metric label or a span name.
 */
#ifndef HTTP_METHOD_H
#define HTTP_METHOD_H

/* RFC 9110 section 9, PATCH (RFC 5789) and QUERY, as OpenTelemetry's HTTP conventions have them. */
enum method {
    METHOD_GET,
    METHOD_HEAD,
    METHOD_POST,
    METHOD_PUT,
    METHOD_DELETE,
    METHOD_CONNECT,
    METHOD_OPTIONS,
    METHOD_TRACE,
    METHOD_PATCH,
    METHOD_QUERY,
    METHOD_OTHER,
    METHOD_COUNT,
};

/* "GET", ...; "_OTHER" for METHOD_OTHER. */
extern const char *const method_names[METHOD_COUNT];

/* Case matters (RFC 9110 section 9.1). NULL is METHOD_OTHER. */
enum method method_parse(const char *text);

enum {
    METHOD_LISTED_MAX = 32, /* characters of a method in a user's list */
};

/*
 * What spans call the method `text`: by the names above, or by `list`, a value of
 * OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS, which replaces them: names with commas, in their case.
 * NULL is no list. Returns `text` or one of the names above.
 */
const char *method_known(const char *text, const char *list);

#endif
