#include "http/http_settings.h"

#include "lib/base/message.h"
#include "lib/trace/propagation.h"

#include <string.h>

static const struct config_setting rows[] = {
    {
        .name = "MICROTRACE_TRUSTED_PROXIES",
        .type = CONFIG_STRING,
        .offset = offsetof(struct http_settings, trusted_proxies),
        .help = "Addresses and networks (10.0.0.0/8,::1) of proxies whose Forwarded and "
                "X-Forwarded-For, -Proto, -Host count.",
    },
    {
        .name = "MICROTRACE_REDACT_QUERY",
        .type = CONFIG_STRING,
        .offset = offsetof(struct http_settings, redact_query),
        .help = "Names in a query, with commas, whose values spans show as REDACTED, beside "
                "X-Amz-Signature, X-Amz-Credential, X-Amz-Security-Token, AWSAccessKeyId, "
                "Signature, sig and X-Goog-Signature.",
    },
    {
        .name = "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS",
        .type = CONFIG_STRING,
        .offset = offsetof(struct http_settings, known_methods),
        .otel = true,
        .help =
            "The methods that spans name, with commas, in place of the standard ones; others are "
            "_OTHER.",
    },
    {
        .name = "OTEL_PROPAGATORS",
        .type = CONFIG_STRING,
        .offset = offsetof(struct http_settings, propagator_names),
        .otel = true,
        .fallback = "tracecontext,baggage",
        .help = "A list of tracecontext, baggage, b3, b3multi, jaeger; or none.",
    },
};

const struct config_table http_settings_table = {rows, sizeof(rows) / sizeof(rows[0])};

int http_settings_load(struct http_settings *settings, char error[CONFIG_ERROR_MAX])
{
    memset(settings, 0, sizeof(*settings));
    if (config_load(rows, http_settings_table.count, settings, message_say, error) != 0)
        return -1;
    if (forwarded_parse_proxies(&settings->proxies, settings->trusted_proxies) != 0) {
        (void)snprintf(error, CONFIG_ERROR_MAX,
                       "MICROTRACE_TRUSTED_PROXIES: \"%.80s\" can't be used; it takes at most %d "
                       "addresses or networks with commas, as 192.0.2.1,10.0.0.0/8",
                       settings->trusted_proxies, FORWARDED_PROXIES_MAX);
        return -1;
    }
    config_warn(propagation_parse(&settings->propagators, settings->propagator_names));
    return 0;
}
