#include "lib/base/config_names.h"

#include "lib/base/text.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    MISTAKES_MAX = 2,
    NAME_MAX_BYTES = 64, /* longer names are none of ours */
};

#define EXPORT_NAMES(signal)                                                                       \
    "OTEL_EXPORTER_OTLP_" signal "ENDPOINT", "OTEL_EXPORTER_OTLP_" signal "HEADERS",               \
        "OTEL_EXPORTER_OTLP_" signal "HEADERS_FILE", "OTEL_EXPORTER_OTLP_" signal "TIMEOUT",       \
        "OTEL_EXPORTER_OTLP_" signal "COMPRESSION", "OTEL_EXPORTER_OTLP_" signal "PROTOCOL",       \
        "OTEL_EXPORTER_OTLP_" signal "CERTIFICATE",                                                \
        "OTEL_EXPORTER_OTLP_" signal "CLIENT_CERTIFICATE",                                         \
        "OTEL_EXPORTER_OTLP_" signal "CLIENT_KEY"

/*
 * The settings of all programs: each program's tables are its own, so their names stand here once
 * more. tests/integration/settings.bats finds one that is missing.
 */
static const char *const names[] = {
    "BREAKER_FAILURES",
    "BREAKER_OPEN_MS",
    "CHAOS_DELAY_MS",
    "CHAOS_ENABLED",
    "CHAOS_PROBABILITY",
    "CHAOS_RUNTIME",
    "CHAOS_SEED",
    "DOWNSTREAM_BACKOFF_MS",
    "DOWNSTREAM_ENABLED",
    "DOWNSTREAM_FALLBACK",
    "DOWNSTREAM_RETRIES",
    "DOWNSTREAM_TIMEOUT_MS",
    "DOWNSTREAM_URL",
    "MICROTRACE_AGENT_LISTEN",
    "MICROTRACE_AGENT_PAGE",
    "MICROTRACE_CGI_OUTPUT_MAX",
    "MICROTRACE_CGI_TIMEOUT",
    "MICROTRACE_CONFIG_FILE",
    "MICROTRACE_DOCS_ASSETS",
    "MICROTRACE_LOG_STDERR",
    "MICROTRACE_METRICS_MAX_SERIES",
    "MICROTRACE_PROXY_BUFFER_BYTES",
    "MICROTRACE_PROXY_CONNECT_TIMEOUT",
    "MICROTRACE_PROXY_END_TIMEOUT",
    "MICROTRACE_PROXY_KEEP",
    "MICROTRACE_PROXY_KEEP_TIME",
    "MICROTRACE_PROXY_PARAMS_MAX",
    "MICROTRACE_PROXY_REQUESTS_MAX",
    "MICROTRACE_PROXY_TIMEOUT",
    "MICROTRACE_REDACT_QUERY",
    "MICROTRACE_ROUTES",
    "MICROTRACE_RUN_DIR",
    "MICROTRACE_SPOOL_DIR",
    "MICROTRACE_SPOOL_KEEP_BYTES",
    "MICROTRACE_SPOOL_MAX_BYTES",
    "MICROTRACE_SPOOL_MEMORY_BYTES",
    "MICROTRACE_SPOOL_SEGMENT_BYTES",
    "MICROTRACE_TRACES_KEEP",
    "MICROTRACE_TRUSTED_PROXIES",
    EXPORT_NAMES(""),
    EXPORT_NAMES("TRACES_"),
    EXPORT_NAMES("LOGS_"),
    EXPORT_NAMES("METRICS_"),
    "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS",
    "OTEL_LOGS_EXPORTER",
    "OTEL_METRICS_EXPORTER",
    "OTEL_PROPAGATORS",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_SDK_DISABLED",
    "OTEL_SERVICE_NAME",
    "OTEL_TRACES_EXPORTER",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
    /* A signal that we do not send: others' settings, near ours. */
    EXPORT_NAMES("PROFILES_"),
};

enum { NAMES = sizeof(names) / sizeof(names[0]) };

/*
 * The setting that is meant by `text`: the nearest one; NULL if it is one itself (*is_one), or near
 * none.
 */
static const char *meant(const char *text, bool *is_one)
{
    const char *found = NULL;
    unsigned least = MISTAKES_MAX;

    *is_one = false;

    for (size_t i = 0; i < NAMES; i++) {
        for (unsigned mistakes = 0; mistakes <= least; mistakes++) {
            if (!text_is_near(text, names[i], mistakes))
                continue;
            if (mistakes == 0) {
                *is_one = true;
                return NULL;
            }
            found = names[i];
            least = mistakes - 1;
            break;
        }
    }
    return found;
}

static void name_meant(char message[CONFIG_NAMES_MESSAGE_MAX], const char *name,
                       const char *setting)
{
    (void)snprintf(message, CONFIG_NAMES_MESSAGE_MAX, "%.64s is no setting: do you mean %s?", name,
                   setting);
}

bool config_names_unknown(const char *name, char message[CONFIG_NAMES_MESSAGE_MAX])
{
    bool is_one;
    const char *const setting = meant(name, &is_one);

    if (setting != NULL)
        name_meant(message, name, setting);
    else if (!is_one && strncmp(name, "MICROTRACE_", sizeof("MICROTRACE_") - 1) == 0)
        (void)snprintf(message, CONFIG_NAMES_MESSAGE_MAX, "%.64s is no setting", name);
    else
        return false;
    return true;
}

void config_names_check(void (*warn)(const char *message))
{
    if (getenv("MICROTRACE_PROGRAMS") == NULL)
        config_names_find(warn);
}

void config_names_find(void (*warn)(const char *message))
{
    char name[NAME_MAX_BYTES + 1], message[CONFIG_NAMES_MESSAGE_MAX];

    for (char *const *variable = environ; variable != NULL && *variable != NULL; variable++) {
        const size_t len = strcspn(*variable, "=");
        const char *setting;
        bool is_one;

        if (len == 0 || len > NAME_MAX_BYTES)
            continue;
        memcpy(name, *variable, len);
        name[len] = '\0';
        setting = meant(name, &is_one);
        if (setting == NULL)
            continue;
        name_meant(message, name, setting);
        warn(message);
    }
}
