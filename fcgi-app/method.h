/*
 * Request methods: the standard ones, and one value for all others, so that a client's invention
 * never becomes a metric label or a span name.
 */
#ifndef FCGI_APP_METHOD_H
#define FCGI_APP_METHOD_H

/* RFC 9110 section 9 and RFC 5789, as OpenTelemetry's HTTP conventions count them. */
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
    METHOD_OTHER,
    METHOD_COUNT,
};

/* "GET", ...; "_OTHER" for METHOD_OTHER. */
extern const char *const method_names[METHOD_COUNT];

/* Case matters (RFC 9110 section 9.1). NULL is METHOD_OTHER. */
enum method method_parse(const char *text);

#endif
