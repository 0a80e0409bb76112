#include "metrics-agent/export/transfer_remedy.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    UNAUTHORIZED = 401,
    FORBIDDEN = 403,
    NOT_FOUND = 404,
    PROXY_UNAUTHORIZED = 407,
    UNSUPPORTED_MEDIA_TYPE = 415,
    LOOK = 1024, /* bytes of an answer that are searched for what may help */
};

const char *transfer_remedy_of_answer(const struct agent_export *export, const char *answer,
                                      size_t len, long status)
{
    const bool json = export->protocol == AGENT_PROTOCOL_JSON;
    char text[LOOK + 1];

    if (status == UNSUPPORTED_MEDIA_TYPE && json)
        return "; set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf";
    if (status == UNAUTHORIZED || status == FORBIDDEN)
        return "; look at OTEL_EXPORTER_OTLP_HEADERS";
    if (status == PROXY_UNAUTHORIZED)
        return "; look at the proxy in http_proxy or https_proxy";
    if (status == NOT_FOUND)
        return "; look at the path in OTEL_EXPORTER_OTLP_ENDPOINT";
    if (len > LOOK)
        len = LOOK;
    memcpy(text, len > 0 ? answer : "", len);
    text[len] = '\0';
    if (strcasestr(text, "HTTPS") != NULL && strncasecmp(export->url, "http:", 5) == 0)
        return "; the port speaks TLS: write https:// in OTEL_EXPORTER_OTLP_ENDPOINT";
    if (json && status >= 400 && status < 500 &&
        (strcasestr(text, "json") != NULL || strcasestr(text, "protobuf") != NULL ||
         strcasestr(text, "content-type") != NULL || strcasestr(text, "content type") != NULL))
        return "; if it takes no JSON, set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf";
    return "";
}

/* By the variables that libcurl goes by; HTTP_PROXY is left out, since CGI has it from a header. */
static bool has_proxy(bool tls)
{
    static const char *const names[] = {"all_proxy", "ALL_PROXY", "http_proxy"};
    static const char *const tls_names[] = {"all_proxy", "ALL_PROXY", "https_proxy", "HTTPS_PROXY"};
    bool found = false;

    for (size_t i = 0; !tls && i < sizeof(names) / sizeof(names[0]); i++)
        found = found || getenv(names[i]) != NULL;
    for (size_t i = 0; tls && i < sizeof(tls_names) / sizeof(tls_names[0]); i++)
        found = found || getenv(tls_names[i]) != NULL;
    return found;
}

const char *transfer_remedy_of_error(const struct agent_export *export, CURLcode result)
{
    const bool tls = strncasecmp(export->url, "https:", 6) == 0;

    switch (result) {
    case CURLE_SSL_CONNECT_ERROR:
        return "; if the port does not speak TLS, write http:// in OTEL_EXPORTER_OTLP_ENDPOINT";
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        return "; OTEL_EXPORTER_OTLP_CERTIFICATE names the file of trusted CAs";
    case CURLE_COULDNT_CONNECT:
        if (has_proxy(tls))
            return "; look at the proxy in http_proxy or https_proxy, and at the endpoint";
        return "; is the collector running? look at host and port in OTEL_EXPORTER_OTLP_ENDPOINT";
    case CURLE_OPERATION_TIMEDOUT:
        return "; does a firewall swallow it? look at host and port in OTEL_EXPORTER_OTLP_ENDPOINT";
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_PROXY:
        return "; look at the proxy in http_proxy or https_proxy";
    case CURLE_COULDNT_RESOLVE_HOST:
        return "; look at the host in OTEL_EXPORTER_OTLP_ENDPOINT";
    case CURLE_UNSUPPORTED_PROTOCOL: /* HTTP/0.9, as libcurl takes a gRPC server's first bytes */
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
        return tls ? ""
                   : "; if the port is one for gRPC (4317) or TLS, take the one for OTLP/HTTP "
                     "(4318) or write https://";
    default:
        return "";
    }
}
