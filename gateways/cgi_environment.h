/*
 * The environment of a script: the variables of its request, those of this process that are no
 * request's, and what ties the script to its trace and its instance.
 */
#ifndef GATEWAYS_CGI_ENVIRONMENT_H
#define GATEWAYS_CGI_ENVIRONMENT_H

#include "gateways/cgi_script.h"
#include "http/server_span.h"

#include <stddef.h>

enum {
    CGI_ENVIRONMENT_VARIABLES_MAX = 2048, /* of a script */
    CGI_ENVIRONMENT_OWN_MAX = 48 << 10,   /* bytes of text that we add to them */
};

/* Allocated once a process, and made anew for each request. */
struct cgi_environment {
    size_t count, used;
    const char *list[CGI_ENVIRONMENT_VARIABLES_MAX + 1]; /* NULL-terminated */
    char text[CGI_ENVIRONMENT_OWN_MAX];
};

/*
 * Makes it, borrowing from `variables` (those of the request) and from our own environment. Ours
 * does not reach the script where the request has a variable of the same name, and never where
 * the name is a request's (HTTP_*, CONTENT_LENGTH, ...).
 *
 * TRACEPARENT, TRACESTATE and BAGGAGE, and HTTP_ variables of the formats that OTEL_PROPAGATORS
 * names, are of the request's server span; HTTP_X_REQUEST_ID is the request's id,
 * MICROTRACE_RUN_DIR, MICROTRACE_SPOOL_DIR and, if a settings file is in use,
 * MICROTRACE_CONFIG_FILE are the instance's. HTTP_PROXY, which a client could
 * set, is left out. Returns 0, or -1 if there are too many variables.
 */
int cgi_environment_make(struct cgi_environment *environment, const char *const *variables,
                         const struct cgi_script *script, const struct server_span *server,
                         const struct telemetry_settings *instance);

#endif
