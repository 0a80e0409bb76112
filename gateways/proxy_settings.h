/*
 * The settings of microtrace-proxy: its command line and its variables.
 */
#ifndef GATEWAYS_PROXY_SETTINGS_H
#define GATEWAYS_PROXY_SETTINGS_H

#include "http/observer.h"
#include "lib/telemetry.h"

#include <stdbool.h>
#include <stdint.h>

struct proxy_settings {
    /* The command line. */
    const char *listen;   /* --listen, or NULL: a socket that came with the process */
    const char *upstream; /* --upstream */
    uint32_t mode;        /* --mode: of a unix socket that is made */
    bool check;           /* --check */

    uint64_t requests_max;       /* MICROTRACE_PROXY_REQUESTS_MAX; 0 for no limit */
    uint64_t connect_timeout_ms; /* MICROTRACE_PROXY_CONNECT_TIMEOUT */
    uint64_t timeout_ms;         /* MICROTRACE_PROXY_TIMEOUT: without a byte */
    uint64_t end_timeout_ms;     /* MICROTRACE_PROXY_END_TIMEOUT: the whole request; 0 for none */
    uint64_t buffer_bytes;       /* MICROTRACE_PROXY_BUFFER_BYTES */
    uint64_t params_max;         /* MICROTRACE_PROXY_PARAMS_MAX */
    uint64_t keep;               /* MICROTRACE_PROXY_KEEP: idle connections; 0 keeps none */
    uint64_t keep_time_ms;       /* MICROTRACE_PROXY_KEEP_TIME */
    struct observer_settings observer;
    struct telemetry_settings telemetry;
};

/*
 * Reads command line and environment. Returns OPTIONS_GO, or the exit status to end with
 * (lib/base/options.h), after a line on stderr if that is not 0. The strings are argv's and the
 * environment's.
 */
int proxy_settings_read(struct proxy_settings *settings, int argc, char **argv);

#endif
