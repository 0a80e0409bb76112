/*
 * The settings of downstream calls and of their breaker, all from the environment
 * (docs/downstream.md).
 */
#ifndef FCGI_APP_DOWNSTREAM_SETTINGS_H
#define FCGI_APP_DOWNSTREAM_SETTINGS_H

#include "lib/base/config.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum downstream_fallback {
    DOWNSTREAM_FALLBACK_NONE,
    DOWNSTREAM_FALLBACK_LOCAL,
};

enum { DOWNSTREAM_URL_MAX = 2048 };

struct downstream_settings {
    bool enabled;                   /* DOWNSTREAM_ENABLED */
    const char *url;                /* DOWNSTREAM_URL, or NULL */
    uint64_t timeout_ms;            /* DOWNSTREAM_TIMEOUT_MS, of one attempt */
    uint64_t retries;               /* DOWNSTREAM_RETRIES: attempts beyond the first */
    struct config_range backoff_ms; /* DOWNSTREAM_BACKOFF_MS */
    int fallback;                   /* DOWNSTREAM_FALLBACK: enum downstream_fallback */
    uint64_t breaker_failures;      /* BREAKER_FAILURES, in a row */
    uint64_t breaker_open_ms;       /* BREAKER_OPEN_MS */
    const char *secrets;            /* names in the URL's query whose values no span shows */
};

/*
 * Reads all of it. Returns 0, or -1 with a message in `error` that names variable and value: also
 * if it is enabled without a URL, or the URL is too long or not one of http or https; what else may
 * be wrong with it is found by downstream_target_read. What is not enabled needs no URL, and a
 * wrong one is then no error. `secrets` outlives it: names, with commas (lib/trace/redact.h), or
 * NULL.
 */
int downstream_settings_load(struct downstream_settings *settings, const char *secrets,
                             char error[CONFIG_ERROR_MAX]);

/* Writes the message that settings->url can't be used. */
void downstream_settings_refuse_url(const struct downstream_settings *settings,
                                    char error[CONFIG_ERROR_MAX]);

/* What it reads, for --help. */
extern const struct config_table downstream_settings_table;

#endif
