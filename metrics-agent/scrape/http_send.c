#include "metrics-agent/scrape/http_send.h"

#include "metrics-agent/page/page.h"
#include "metrics-agent/page/page_assets.h"
#include "metrics-agent/scrape/http_answer.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TAG_MAX = 128 };

static const char html_type[] = "text/html; charset=utf-8";

static const char *const safety[][2] = {
    {"Content-Security-Policy",
     "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
     "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"},
    {"Referrer-Policy", "no-referrer"},
    {"X-Frame-Options", "DENY"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
};

static bool add_safety(struct MHD_Response *response)
{
    for (size_t i = 0; i < sizeof(safety) / sizeof(safety[0]); i++) {
        if (!http_answer_add(response, safety[i][0], safety[i][1]))
            return false;
    }
    return true;
}

/* Sends the response, which it takes, with `caching` as its Cache-Control. */
static enum MHD_Result send_safely(struct MHD_Connection *connection, unsigned status,
                                   struct MHD_Response *response, const char *type,
                                   const char *caching)
{
    if (response == NULL)
        return MHD_NO;
    if (!add_safety(response) || !http_answer_add(response, "Cache-Control", caching)) {
        MHD_destroy_response(response);
        return MHD_NO;
    }
    return http_answer_send(connection, status, response, type);
}

enum MHD_Result http_send_refusal(struct MHD_Connection *connection, unsigned status,
                                  const char *why)
{
    return send_safely(connection, status, http_answer_json("detail", why), http_answer_json_type,
                       "no-store");
}

static bool add_retry(struct MHD_Response *response)
{
    char seconds[16];

    (void)snprintf(seconds, sizeof(seconds), "%d", PAGE_RETRY_S);
    return http_answer_add(response, "Retry-After", seconds);
}

enum MHD_Result http_send_busy(struct MHD_Connection *connection, const char *why)
{
    struct MHD_Response *const response = http_answer_json("detail", why);

    if (response != NULL && !add_retry(response)) {
        MHD_destroy_response(response);
        return MHD_NO;
    }
    return send_safely(connection, MHD_HTTP_SERVICE_UNAVAILABLE, response, http_answer_json_type,
                       "no-store");
}

const char *http_send_header(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

enum MHD_Result http_send_html(struct MHD_Connection *connection, unsigned status,
                               struct MHD_Response *response, bool packed)
{
    if (response == NULL)
        return http_send_refusal(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
                                 "the page is longer than it may be, or memory runs out");
    if ((packed && !http_answer_add(response, "Content-Encoding", "gzip")) ||
        (status == MHD_HTTP_SERVICE_UNAVAILABLE && !add_retry(response)) ||
        !http_answer_add(response, "Vary", "Accept-Encoding")) {
        MHD_destroy_response(response);
        return MHD_NO;
    }
    return send_safely(connection, status, response, html_type, "no-store");
}

/* RFC 9110, section 13.1.2: a list of tags, weak ones too, or any. */
static bool has_tag(const char *list, const char *tag)
{
    return list != NULL && (strstr(list, tag) != NULL || strcmp(list, "*") == 0);
}

enum MHD_Result http_send_asset(struct MHD_Connection *connection, const char *path)
{
    struct http_answer answer = {.text = NULL};
    struct MHD_Response *response;
    struct page_asset asset;
    char tag[TAG_MAX];
    bool packed = false, known;

    if (page_assets_find(&asset, path) != 0)
        return http_send_refusal(connection, MHD_HTTP_NOT_FOUND, "Not Found");
    answer.length = asset.length;
    if (http_answer_accepts_gzip(http_send_header(connection, "Accept-Encoding"))) {
        answer.text = malloc(asset.length);
        if (answer.text != NULL) {
            memcpy(answer.text, asset.text, asset.length);
            packed = http_answer_pack(&answer);
        }
    }
    /* The two encodings are two representations (RFC 9110, section 8.8.3.3). */
    (void)snprintf(tag, sizeof(tag), "\"%s%s\"", page_assets_version, packed ? "-gz" : "");
    known = has_tag(http_send_header(connection, "If-None-Match"), tag);
    if (!packed || known) {
        free(answer.text);
        answer.text = NULL;
    }
    response =
        known ? MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT)
        : packed
            ? MHD_create_response_from_buffer(answer.length, answer.text, MHD_RESPMEM_MUST_FREE)
            : MHD_create_response_from_buffer(asset.length, (void *)(uintptr_t)asset.text,
                                              MHD_RESPMEM_PERSISTENT);
    if (response == NULL) {
        free(answer.text);
        return MHD_NO;
    }
    if ((packed && !known && !http_answer_add(response, "Content-Encoding", "gzip")) ||
        !http_answer_add(response, "ETag", tag) ||
        !http_answer_add(response, "Vary", "Accept-Encoding")) {
        MHD_destroy_response(response);
        return MHD_NO;
    }
    return send_safely(connection, known ? MHD_HTTP_NOT_MODIFIED : MHD_HTTP_OK, response,
                       known ? NULL : asset.type, "public, max-age=31536000, immutable");
}
