#include "fcgi-app/settings.h"

#include "lib/base/message.h"

#include <string.h>

static const char *const chaos_runtime_choices[] = {"allow", "forbid", NULL};

static const struct config_setting rows[] = {
    {
        .name = "MAX_BODY_BYTES",
        .type = CONFIG_UINT,
        .unit = CONFIG_UNIT_BYTES,
        .offset = offsetof(struct settings, max_body_bytes),
        .min = 1,
        .max = 16 << 20,
        .fallback = "65536",
        .help = "A longer request body is answered 413.",
    },
    {
        .name = "WORKER_DELAY_MS",
        .type = CONFIG_UINT,
        .unit = CONFIG_UNIT_MS,
        .offset = offsetof(struct settings, worker_delay_ms),
        .min = 0,
        .max = 60000,
        .fallback = "0",
        .help = "The simulated dependency's work, for each request.",
    },
    {
        .name = "REQUEST_TIMEOUT",
        .type = CONFIG_UINT,
        .offset = offsetof(struct settings, request_timeout),
        .unit = CONFIG_UNIT_S,
        .min = 1,
        .max = 3600,
        .fallback = "60",
        .help =
            "A request that is older when its turn comes (X-Request-Start) is answered 504. The "
            "web server gives up after as long.",
    },
    {
        .name = "CHAOS_ENABLED",
        .type = CONFIG_TRUE,
        .offset = offsetof(struct settings, chaos_enabled),
        .fallback = "false",
        .help = "Delay some requests on purpose.",
    },
    {
        .name = "CHAOS_PROBABILITY",
        .type = CONFIG_DOUBLE,
        .offset = offsetof(struct settings, chaos_probability),
        .min = 0,
        .max = 1,
        .fallback = "0.05",
        .help = "Share of the requests that are delayed.",
    },
    {
        .name = "CHAOS_DELAY_MS",
        .type = CONFIG_RANGE,
        .unit = CONFIG_UNIT_MS,
        .offset = offsetof(struct settings, chaos_delay_ms),
        .min = 0,
        .max = 60000,
        .fallback = "100-200",
        .help = "How long, uniformly distributed.",
    },
    {
        .name = "CHAOS_SEED",
        .type = CONFIG_UINT,
        .offset = offsetof(struct settings, chaos_seed),
        .min = 0,
        .max = 1e15,
        .fallback = "0",
        .help = "Repeats the same faults, over all processes together; 0 draws others each "
                "time.",
    },
    {
        .name = "CHAOS_RUNTIME",
        .type = CONFIG_CHOICE,
        .choices = chaos_runtime_choices,
        .offset = offsetof(struct settings, chaos_runtime),
        .fallback = "allow",
        .help = "Whether microtrace chaos has an effect here.",
    },
    {
        .name = "MICROTRACE_DOCS_ASSETS",
        .type = CONFIG_STRING,
        .offset = offsetof(struct settings, docs_assets),
        .help = "Folder of Swagger UI that the web server serves under /docs/.",
    },
};

static const size_t row_count = sizeof(rows) / sizeof(rows[0]);
static const struct config_table own_table = {rows, sizeof(rows) / sizeof(rows[0])};

const struct config_table *const settings_tables[] = {
    &own_table, &http_settings_table, &downstream_settings_table, &telemetry_settings_table, NULL,
};

int settings_load(struct settings *settings, char error[CONFIG_ERROR_MAX])
{
    memset(settings, 0, sizeof(*settings));
    if (config_load(telemetry_settings_rows, telemetry_settings_count, &settings->telemetry,
                    message_say, error) != 0)
        return -1;
    if (config_load(rows, row_count, settings, message_say, error) != 0)
        return -1;
    if (http_settings_load(&settings->http, error) != 0)
        return -1;
    return downstream_settings_load(&settings->downstream, settings->http.redact_query, error);
}
