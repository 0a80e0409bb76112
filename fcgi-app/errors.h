/*
 * Every way in which a request can fail, declared once: the status of the answer, the text of its
 * `detail`, and the label `exception` of errors_total (for a 422 also the entry's `type`).
 */
#ifndef FCGI_APP_ERRORS_H
#define FCGI_APP_ERRORS_H

enum errors_kind {
    ERRORS_NONE,
    ERRORS_NOT_FOUND,
    ERRORS_FORBIDDEN,
    ERRORS_METHOD_NOT_ALLOWED,
    ERRORS_BODY_TOO_LARGE,
    ERRORS_UNSUPPORTED_MEDIA_TYPE,
    ERRORS_BAD_CONTENT_LENGTH,
    ERRORS_LENGTH_REQUIRED,
    ERRORS_BODY_INCOMPLETE,
    ERRORS_MISSING,
    ERRORS_FLOAT_TYPE,
    ERRORS_FINITE_NUMBER,
    ERRORS_JSON_INVALID,
    ERRORS_MODEL_ATTRIBUTES_TYPE,
    ERRORS_TELEMETRY_UNAVAILABLE,
    ERRORS_AGENT_UNREACHABLE,
    ERRORS_DOWNSTREAM_FAILED,
    ERRORS_DOWNSTREAM_TIMEOUT,
    ERRORS_BREAKER_OPEN,
    ERRORS_CHAOS_ERROR,
    ERRORS_CHAOS_ABORT, /* never answered: the process ends */
    ERRORS_OUT_OF_MEMORY,
    ERRORS_GATEWAY_TIMEOUT,
    ERRORS_WEB_SERVER, /* the web server failed the request and asked for the answer's text */
    ERRORS_COUNT,
};

struct errors_def {
    const char *name;
    int status;
    const char *message; /* `detail`, or `msg` of a 422's entry */
};

extern const struct errors_def errors_table[ERRORS_COUNT];

#endif
