#include "fcgi-app/downstream_settings.h"

#include "lib/base/shown_url.h"
#include "lib/control/breaker.h"

#include <string.h>
#include <strings.h>

enum { SHOWN_MAX = 81 }; /* bytes of a bad URL that a message repeats, with the NUL */

static const char *const fallbacks[] = {
    [DOWNSTREAM_FALLBACK_NONE] = "none",
    [DOWNSTREAM_FALLBACK_LOCAL] = "local",
    NULL,
};

static const struct config_setting rows[] = {
    {
        .name = "DOWNSTREAM_ENABLED",
        .type = CONFIG_BOOL,
        .offset = offsetof(struct downstream_settings, enabled),
        .fallback = "false",
        .help = "Have another service do the analysis; needs DOWNSTREAM_URL.",
    },
    {
        .name = "DOWNSTREAM_URL",
        .type = CONFIG_STRING,
        .offset = offsetof(struct downstream_settings, url),
        .help = "Where the input is POSTed: the /analyze of another instance, say.",
    },
    {
        .name = "DOWNSTREAM_TIMEOUT_MS",
        .type = CONFIG_UINT,
        .unit = CONFIG_UNIT_MS,
        .offset = offsetof(struct downstream_settings, timeout_ms),
        .min = 1,
        .max = 600000,
        .fallback = "1000",
        .help = "How long one attempt may take.",
    },
    {
        .name = "DOWNSTREAM_RETRIES",
        .type = CONFIG_UINT,
        .offset = offsetof(struct downstream_settings, retries),
        .min = 0,
        .max = 10,
        .fallback = "2",
        .help = "Attempts after the first, where that makes sense.",
    },
    {
        .name = "DOWNSTREAM_BACKOFF_MS",
        .type = CONFIG_RANGE,
        .unit = CONFIG_UNIT_MS,
        .offset = offsetof(struct downstream_settings, backoff_ms),
        .min = 0,
        .max = 60000,
        .fallback = "50-1000",
        .help = "Highest pause before the first retry, doubled for each next one up to the second "
                "number; the pause itself is random.",
    },
    {
        .name = "DOWNSTREAM_FALLBACK",
        .type = CONFIG_CHOICE,
        .offset = offsetof(struct downstream_settings, fallback),
        .choices = fallbacks,
        .fallback = "none",
        .help = "If the call fails: answer with an error, or compute here.",
    },
    {
        .name = "BREAKER_FAILURES",
        .type = CONFIG_UINT,
        .offset = offsetof(struct downstream_settings, breaker_failures),
        .min = 1,
        .max = BREAKER_FAILURES_MAX,
        .fallback = "5",
        .help = "Failed attempts in a row, over all processes, that open the breaker.",
    },
    {
        .name = "BREAKER_OPEN_MS",
        .type = CONFIG_UINT,
        .unit = CONFIG_UNIT_MS,
        .offset = offsetof(struct downstream_settings, breaker_open_ms),
        .min = 1,
        .max = 86400000,
        .fallback = "10000",
        .help = "How long it stays open before one call probes.",
    },
};

const struct config_table downstream_settings_table = {rows, sizeof(rows) / sizeof(rows[0])};

/* What can be said of a URL without libcurl, which looks at the rest before the first call. */
static bool url_may_be_used(const char *url)
{
    return strlen(url) <= DOWNSTREAM_URL_MAX &&
           (strncasecmp(url, "http://", strlen("http://")) == 0 ||
            strncasecmp(url, "https://", strlen("https://")) == 0);
}

void downstream_settings_refuse_url(const struct downstream_settings *settings,
                                    char error[CONFIG_ERROR_MAX])
{
    char shown[SHOWN_MAX];

    shown_url(shown, sizeof(shown), settings->url);
    (void)snprintf(error, CONFIG_ERROR_MAX,
                   "DOWNSTREAM_URL: \"%s\" can't be used; it takes http://HOST... or "
                   "https://HOST..., at most %d characters",
                   shown, DOWNSTREAM_URL_MAX);
}

int downstream_settings_load(struct downstream_settings *settings, const char *secrets,
                             char error[CONFIG_ERROR_MAX])
{
    if (config_load(rows, downstream_settings_table.count, settings, NULL, error) != 0)
        return -1;
    settings->secrets = secrets;
    if (!settings->enabled)
        return 0;
    if (settings->url == NULL) {
        (void)snprintf(error, CONFIG_ERROR_MAX,
                       "DOWNSTREAM_ENABLED: \"true\" can't be used without DOWNSTREAM_URL");
        return -1;
    }
    if (!url_may_be_used(settings->url)) {
        downstream_settings_refuse_url(settings, error);
        return -1;
    }
    return 0;
}
