#include "fcgi-app/downstream_target.h"

#include "fcgi-app/libcurl.h"
#include "lib/trace/redact.h"

#include <stdlib.h>
#include <string.h>

/* Copies one part of the URL. Returns 0, or -1 if there is none or it does not fit. */
static int copy_part(const struct libcurl *curl, CURLU *url, CURLUPart part, unsigned flags,
                     char *out, size_t size)
{
    char *text = NULL;
    size_t length;

    if (curl->url_get(url, part, &text, flags) != CURLUE_OK)
        return -1;
    length = strlen(text);
    if (length > 0 && length < size)
        memcpy(out, text, length + 1);
    curl->free(text);
    return length > 0 && length < size ? 0 : -1;
}

/* Semantic conventions, url.full: neither credentials nor secrets of the query. */
static int copy_shown(const struct libcurl *curl, CURLU *url, const char *secrets, char *out,
                      size_t size)
{
    char user[DOWNSTREAM_URL_MAX + 1], query[DOWNSTREAM_URL_MAX + 1];
    char shown[REDACT_QUERY_MAX + 1];

    if (copy_part(curl, url, CURLUPART_USER, 0, user, sizeof(user)) == 0 &&
        curl->url_set(url, CURLUPART_USER, "REDACTED", 0) != CURLUE_OK)
        return -1;
    if (copy_part(curl, url, CURLUPART_PASSWORD, 0, user, sizeof(user)) == 0 &&
        curl->url_set(url, CURLUPART_PASSWORD, "REDACTED", 0) != CURLUE_OK)
        return -1;
    if (copy_part(curl, url, CURLUPART_QUERY, 0, query, sizeof(query)) == 0) {
        const struct text text = redact_query(shown, text_of(query), secrets);

        if (text.at == shown) {
            shown[text.len] = '\0';
            if (curl->url_set(url, CURLUPART_QUERY, shown, 0) != CURLUE_OK)
                return -1;
        }
    }
    return copy_part(curl, url, CURLUPART_URL, 0, out, size);
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

int downstream_target_read(struct downstream_target *target, const struct libcurl *curl,
                           const struct downstream_settings *settings)
{
    char scheme[16], port[8];
    CURLU *url = curl->url();
    int result = -1;

    if (url == NULL)
        return -1;
    if (curl->url_set(url, CURLUPART_URL, settings->url, 0) == CURLUE_OK &&
        copy_part(curl, url, CURLUPART_SCHEME, 0, scheme, sizeof(scheme)) == 0 &&
        (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0) &&
        copy_part(curl, url, CURLUPART_HOST, 0, target->host, sizeof(target->host)) == 0 &&
        copy_part(curl, url, CURLUPART_PORT, CURLU_DEFAULT_PORT, port, sizeof(port)) == 0 &&
        copy_shown(curl, url, settings->secrets, target->shown_url, sizeof(target->shown_url)) ==
            0) {
        strip_brackets(target->host);
        target->port = (uint16_t)atoi(port);
        result = 0;
    }
    curl->url_cleanup(url);
    return result;
}
