#include "fcgi-app/downstream_settings.h"

#include "lib/trace/redact.h"

#include "lib/control/breaker.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

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
        .help = "Where the call fails: answer with an error, or compute here.",
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

/* Copies one part of the URL. Returns 0, or -1 if there is none or it does not fit. */
static int copy_part(CURLU *url, CURLUPart part, unsigned flags, char *out, size_t size)
{
    char *text = NULL;
    size_t length;

    if (curl_url_get(url, part, &text, flags) != CURLUE_OK)
        return -1;
    length = strlen(text);
    if (length > 0 && length < size)
        memcpy(out, text, length + 1);
    curl_free(text);
    return length > 0 && length < size ? 0 : -1;
}

/* Semantic conventions, url.full: neither credentials nor secrets of the query. */
static int copy_shown(CURLU *url, const char *secrets, char *out, size_t size)
{
    char user[DOWNSTREAM_URL_MAX + 1], query[DOWNSTREAM_URL_MAX + 1];
    char shown[REDACT_QUERY_MAX + 1];

    if (copy_part(url, CURLUPART_USER, 0, user, sizeof(user)) == 0 &&
        curl_url_set(url, CURLUPART_USER, "REDACTED", 0) != CURLUE_OK)
        return -1;
    if (copy_part(url, CURLUPART_PASSWORD, 0, user, sizeof(user)) == 0 &&
        curl_url_set(url, CURLUPART_PASSWORD, "REDACTED", 0) != CURLUE_OK)
        return -1;
    if (copy_part(url, CURLUPART_QUERY, 0, query, sizeof(query)) == 0) {
        const struct text text = redact_query(shown, text_of(query), secrets);

        if (text.at == shown) {
            shown[text.len] = '\0';
            if (curl_url_set(url, CURLUPART_QUERY, shown, 0) != CURLUE_OK)
                return -1;
        }
    }
    return copy_part(url, CURLUPART_URL, 0, out, size);
}

/* Semantic conventions, server.address: an IPv6 address stands there without its brackets. */
static void strip_brackets(char *host)
{
    const size_t length = strlen(host);

    if (host[0] != '[' || host[length - 1] != ']')
        return;
    memmove(host, host + 1, length - 2);
    host[length - 2] = '\0';
}

static int split_url(struct downstream_settings *settings, const char *secrets)
{
    char scheme[16], port[8];
    CURLU *url = curl_url();
    int result = -1;

    if (url == NULL)
        return -1;
    if (strlen(settings->url) <= DOWNSTREAM_URL_MAX &&
        curl_url_set(url, CURLUPART_URL, settings->url, 0) == CURLUE_OK &&
        copy_part(url, CURLUPART_SCHEME, 0, scheme, sizeof(scheme)) == 0 &&
        (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0) &&
        copy_part(url, CURLUPART_HOST, 0, settings->host, sizeof(settings->host)) == 0 &&
        copy_part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT, port, sizeof(port)) == 0 &&
        copy_shown(url, secrets, settings->shown_url, sizeof(settings->shown_url)) == 0) {
        strip_brackets(settings->host);
        settings->port = (uint16_t)atoi(port);
        result = 0;
    }
    curl_url_cleanup(url);
    return result;
}

int downstream_settings_load(struct downstream_settings *settings, const char *secrets,
                             char error[CONFIG_ERROR_MAX])
{
    if (config_load(rows, downstream_settings_table.count, settings, NULL, error) != 0)
        return -1;
    settings->host[0] = '\0';
    settings->port = 0;
    settings->shown_url[0] = '\0';
    if (!settings->enabled)
        return 0;
    if (settings->url == NULL) {
        (void)snprintf(error, CONFIG_ERROR_MAX,
                       "DOWNSTREAM_ENABLED: \"true\" can't be used without DOWNSTREAM_URL");
        return -1;
    }
    if (split_url(settings, secrets) != 0) {
        (void)snprintf(error, CONFIG_ERROR_MAX,
                       "DOWNSTREAM_URL: \"%.80s\" can't be used; it takes http://HOST... or "
                       "https://HOST..., at most %d characters",
                       settings->url, DOWNSTREAM_URL_MAX);
        return -1;
    }
    return 0;
}
