/*
 * The settings that every program behind a web server has: what it believes and shows of a request.
 */
#ifndef HTTP_HTTP_SETTINGS_H
#define HTTP_HTTP_SETTINGS_H

#include "lib/base/config.h"
#include "lib/trace/forwarded.h"

struct http_settings {
    const char *trusted_proxies;  /* MICROTRACE_TRUSTED_PROXIES, or NULL */
    const char *redact_query;     /* MICROTRACE_REDACT_QUERY, or NULL */
    const char *known_methods;    /* OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS, or NULL */
    const char *propagator_names; /* OTEL_PROPAGATORS, or NULL */
    struct forwarded_proxies proxies;
    unsigned propagators; /* the set that it names, for lib/trace/propagation.h */
};

/* The rows that http_settings_load reads, for --help. */
extern const struct config_table http_settings_table;

/*
 * Reads them from the environment. Returns 0, or -1 with a message in `error` that names variable
 * and value. OTEL_* values that can't be used are warned of on stderr and count as unset.
 */
int http_settings_load(struct http_settings *settings, char error[CONFIG_ERROR_MAX]);

#endif
