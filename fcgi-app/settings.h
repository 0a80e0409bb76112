/*
 * The settings of this program, from the environment and the settings file.
 */
#ifndef FCGI_APP_SETTINGS_H
#define FCGI_APP_SETTINGS_H

#include "fcgi-app/downstream_settings.h"
#include "http/http_settings.h"
#include "lib/base/config.h"
#include "lib/telemetry.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct settings {
    struct telemetry_settings telemetry;
    struct downstream_settings downstream;
    uint64_t max_body_bytes;  /* MAX_BODY_BYTES */
    uint64_t worker_delay_ms; /* WORKER_DELAY_MS */
    uint64_t request_timeout; /* REQUEST_TIMEOUT, seconds */
    bool chaos_enabled;       /* CHAOS_ENABLED */
    double chaos_probability; /* CHAOS_PROBABILITY, 0 to 1 */
    struct config_range chaos_delay_ms;
    uint64_t chaos_seed;     /* CHAOS_SEED; 0: other faults each time */
    int chaos_runtime;       /* CHAOS_RUNTIME: 0 allow, 1 forbid */
    const char *docs_assets; /* MICROTRACE_DOCS_ASSETS: a folder, or NULL */
    struct http_settings http;
};

/*
 * Reads all of it. Returns 0, or -1 with a message in `error` that names variable and value. OTEL_*
 * values that can't be used are warned of on stderr and count as unset.
 */
int settings_load(struct settings *settings, char error[CONFIG_ERROR_MAX]);

/* The tables that it reads, for --help; NULL-terminated. */
extern const struct config_table *const settings_tables[];

#endif
