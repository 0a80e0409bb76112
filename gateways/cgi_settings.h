/*
 * The settings and the command line of microtrace-cgi.
 */
#ifndef GATEWAYS_CGI_SETTINGS_H
#define GATEWAYS_CGI_SETTINGS_H

#include "http/observer.h"
#include "lib/base/config.h"
#include "lib/telemetry.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CGI_SETTINGS_ALLOWED_MAX = 64,    /* scripts named by --allow */
    CGI_SETTINGS_PROCESSES_MAX = 512, /* of --processes */
};

struct cgi_allowed {
    size_t count; /* 0: any script */
    const char *paths[CGI_SETTINGS_ALLOWED_MAX];
};

/* From the command line. */
struct cgi_options {
    uint64_t processes;
    const char *listen; /* a socket's URL, or NULL for descriptor 0 */
    struct cgi_allowed allowed;
    bool to_server; /* the scripts' stderr goes to the web server, too */
    bool check;
};

/* From the environment. */
struct cgi_settings {
    struct telemetry_settings telemetry;
    struct observer_settings observer;
    double timeout_s;    /* MICROTRACE_CGI_TIMEOUT */
    uint64_t output_max; /* MICROTRACE_CGI_OUTPUT_MAX, bytes; 0: any */
};

/*
 * Reads the command line, with fcgiwrap's letters besides the long names. `argv` is changed.
 * Returns OPTIONS_GO, or the exit status to end with.
 */
int cgi_options_read(struct cgi_options *options, int argc, char **argv);

/* Returns 0, or -1 with a message in `error` that names variable and value. */
int cgi_settings_load(struct cgi_settings *settings, char error[CONFIG_ERROR_MAX]);

#endif
