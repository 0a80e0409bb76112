#include "gateways/cgi_environment.h"

#include "lib/base/config_file.h"
#include "lib/trace/propagation.h"

#include <ctype.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * What only a request may say (RFC 3875 section 4.1), beside HTTP_* and HTTPS; fcgiwrap keeps back
 * the same.
 */
static const char *const request_names[] = {
    "AUTH_TYPE",
    "CONTENT_LENGTH",
    "CONTENT_TYPE",
    "DOCUMENT_ROOT",
    "DOCUMENT_URI",
    "FCGI_ROLE",
    "FCGI_CHDIR",
    "GATEWAY_INTERFACE",
    "NO_BUFFERING",
    "PATH_INFO",
    "PATH_TRANSLATED",
    "QUERY_STRING",
    "REDIRECT_STATUS",
    "REMOTE_ADDR",
    "REMOTE_HOST",
    "REMOTE_IDENT",
    "REMOTE_PORT",
    "REMOTE_USER",
    "REQUEST_METHOD",
    "REQUEST_SCHEME",
    "REQUEST_URI",
    "SCRIPT_FILENAME",
    "SCRIPT_NAME",
    "SERVER_ADDR",
    "SERVER_NAME",
    "SERVER_PORT",
    "SERVER_PROTOCOL",
    "SERVER_SOFTWARE",
    /* Of how this process was started. */
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "LISTEN_PID",
    "MICROTRACE_PROGRAMS",
    NULL,
};

struct maker {
    struct cgi_environment *to;
    bool full;
};

static bool is_named(const char *variable, const char *name, size_t length)
{
    return strncmp(variable, name, length) == 0 && variable[length] == '=';
}

static bool has(const struct cgi_environment *environment, const char *variable)
{
    const size_t length = strcspn(variable, "=");

    for (size_t i = 0; i < environment->count; i++) {
        if (is_named(environment->list[i], variable, length))
            return true;
    }
    return false;
}

static bool is_of_request(const char *variable)
{
    if (strncmp(variable, "HTTP", 4) == 0)
        return true;
    for (size_t i = 0; request_names[i] != NULL; i++) {
        if (is_named(variable, request_names[i], strlen(request_names[i])))
            return true;
    }
    return false;
}

static void add(struct maker *maker, const char *variable)
{
    struct cgi_environment *const to = maker->to;

    if (to->count < CGI_ENVIRONMENT_VARIABLES_MAX)
        to->list[to->count++] = variable;
    else
        maker->full = true;
}

/* Adds PREFIX and NAME, in capitals, with `value`; no earlier variable has that name. */
static void set(struct maker *maker, const char *prefix, const char *name, const char *value)
{
    struct cgi_environment *const to = maker->to;
    char *const start = to->text + to->used;
    const size_t room = sizeof(to->text) - to->used;
    const int length = snprintf(start, room, "%s%s=%s", prefix, name, value);

    if (length < 0 || (size_t)length >= room) {
        maker->full = true;
        return;
    }
    to->used += (size_t)length + 1;
    for (char *at = start; *at != '='; at++)
        *at = *at == '-' ? '_' : (char)toupper((unsigned char)*at);
    add(maker, start);
}

/* A header field that carries the trace: as a request's variable, and as a process's. */
static void put_carrier(void *context, const char *name, const char *value)
{
    set(context, "HTTP_", name, value);
    /* OpenTelemetry, "Environment Variables as Context Propagation Carriers". */
    if (strcmp(name, "traceparent") == 0 || strcmp(name, "tracestate") == 0 ||
        strcmp(name, "baggage") == 0)
        set(context, "", name, value);
}

/* A path of the instance, for a script that has another working directory than this process. */
static void set_path(struct maker *maker, const char *name, const char *value)
{
    char path[PATH_MAX];

    set(maker, "", name, value[0] != '/' && realpath(value, path) != NULL ? path : value);
}

static void set_instance(struct maker *maker, const struct telemetry_settings *instance)
{
    const char *const file = config_file_in_use();

    set_path(maker, "MICROTRACE_RUN_DIR", instance->run_dir);
    set_path(maker, "MICROTRACE_SPOOL_DIR", instance->spool_dir);
    if (file != NULL)
        set_path(maker, "MICROTRACE_CONFIG_FILE", file);
}

static void set_own(struct maker *maker, const struct cgi_script *script,
                    const struct server_span *server, const struct telemetry_settings *instance)
{
    (void)propagation_inject(server->settings->propagators, &server->span.context,
                             server->request->baggage, put_carrier, maker);
    set(maker, "", "HTTP_X_REQUEST_ID", server->request_id);
    set_instance(maker, instance);
    if (script->was_split) {
        set(maker, "", "SCRIPT_NAME", script->url_path);
        set(maker, "", "PATH_INFO", script->path_info);
    }
}

/* The caller's context in what the script is not to find, since it is to be our child. */
static bool is_replaced(const char *variable, unsigned propagators)
{
    static const char *const names[] = {"TRACEPARENT", "TRACESTATE", "BAGGAGE"};

    if (is_named(variable, "HTTP_PROXY", 10))
        return true;
    if (propagators == 0)
        return false;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const size_t length = strlen(names[i]);

        if (is_named(variable, names[i], length) ||
            (strncmp(variable, "HTTP_", 5) == 0 && is_named(variable + 5, names[i], length)))
            return true;
    }
    return false;
}

int cgi_environment_make(struct cgi_environment *environment, const char *const *variables,
                         const struct cgi_script *script, const struct server_span *server,
                         const struct telemetry_settings *instance)
{
    const unsigned propagators = server->settings->propagators;
    struct maker maker = {.to = environment};
    size_t own;

    environment->count = environment->used = 0;
    set_own(&maker, script, server, instance);
    own = environment->count;
    for (; *variables != NULL; variables++) {
        /* Names of ours are few; a request's own double is the script's to judge. */
        const size_t all = environment->count;

        environment->count = own;
        if (strchr(*variables, '=') == NULL || is_replaced(*variables, propagators) ||
            has(environment, *variables)) {
            environment->count = all;
            continue;
        }
        environment->count = all;
        add(&maker, *variables);
    }
    for (char *const *at = environ; at != NULL && *at != NULL; at++) {
        if (!is_of_request(*at) && !is_replaced(*at, propagators) && !has(environment, *at))
            add(&maker, *at);
    }
    environment->list[environment->count] = NULL;
    return maker.full ? -1 : 0;
}
