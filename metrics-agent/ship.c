#include "metrics-agent/ship.h"

#include "lib/base/clock.h"
#include "metrics-agent/otlp_protobuf.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <zlib.h>

enum {
    GZIP_WINDOW = 15 + 16, /* zlib's way to ask for a gzip header */
    GZIP_MEMORY = 8,
    PAYLOAD_TOO_LARGE = 413,
};

struct ship {
    CURLM *multi;
    CURL *easy;
    struct curl_slist *headers;
    const struct agent_export *export;
    bool busy;
    uint64_t started_ns;
    z_stream gzip;
    bool gzip_ready;
    unsigned char *packed;
    size_t packed_cap;
    size_t answer_len;
    bool answer_cut;
    char error[CURL_ERROR_SIZE];
    char answer[SHIP_ANSWER_MAX];
};

static size_t take_answer(char *bytes, size_t size, size_t count, void *context)
{
    struct ship *ship = context;
    size_t len = size * count, room = sizeof ship->answer - ship->answer_len;

    if (len > room) {
        memcpy(ship->answer + ship->answer_len, bytes, room);
        ship->answer_len += room;
        ship->answer_cut = true;
        return 0;
    }
    memcpy(ship->answer + ship->answer_len, bytes, len);
    ship->answer_len += len;
    return len;
}

static int add_header(struct ship *ship, const char *header)
{
    struct curl_slist *longer = curl_slist_append(ship->headers, header);

    if (longer == NULL)
        return -1;
    ship->headers = longer;
    return 0;
}

static int make_headers(struct ship *ship)
{
    const char *list = ship->export->headers;
    char header[AGENT_SETTINGS_HEADER_MAX];
    int found, count = 0;

    if (add_header(ship, ship->export->protocol == AGENT_PROTOCOL_PROTOBUF
                             ? "Content-Type: application/x-protobuf"
                             : "Content-Type: application/json") != 0 ||
        add_header(ship, "Expect:") != 0)
        return -1;
    if (ship->export->compression == AGENT_COMPRESSION_GZIP &&
        add_header(ship, "Content-Encoding: gzip") != 0)
        return -1;
    while (list != NULL && (found = agent_settings_header(&list, header)) != 0) {
        if (found > 0 && count++ < AGENT_SETTINGS_HEADERS_MAX && add_header(ship, header) != 0)
            return -1;
    }
    return 0;
}

static bool set_string(CURL *easy, CURLoption option, const char *value)
{
    return value == NULL || curl_easy_setopt(easy, option, value) == CURLE_OK;
}

/* Where an own CA is set, it is the only one that is trusted. */
static bool set_authority(CURL *easy, const char *certificate)
{
    return certificate == NULL ||
           (curl_easy_setopt(easy, CURLOPT_CAINFO, certificate) == CURLE_OK &&
            curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) == CURLE_OK);
}

static bool set_options(struct ship *ship)
{
    const struct agent_export *export = ship->export;
    CURL *easy = ship->easy;
    long timeout = (long)export->timeout_ms;

    return curl_easy_setopt(easy, CURLOPT_URL, export->url) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_USERAGENT, "MicroTrace/" MICROTRACE_VERSION) ==
               CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HTTPHEADER, ship->headers) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, timeout) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, ship->error) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_answer) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEDATA, ship) == CURLE_OK &&
           set_authority(easy, export->certificate) &&
           set_string(easy, CURLOPT_SSLCERT, export->client_certificate) &&
           set_string(easy, CURLOPT_SSLKEY, export->client_key);
}

struct ship *ship_open(CURLM *multi, const struct agent_export *export)
{
    struct ship *ship = calloc(1, sizeof *ship);

    if (ship == NULL)
        return NULL;
    ship->multi = multi;
    ship->export = export;
    ship->easy = curl_easy_init();
    if (export->compression == AGENT_COMPRESSION_GZIP)
        ship->gzip_ready = deflateInit2(&ship->gzip, Z_BEST_SPEED, Z_DEFLATED, GZIP_WINDOW,
                                        GZIP_MEMORY, Z_DEFAULT_STRATEGY) == Z_OK;
    if (ship->easy == NULL || make_headers(ship) != 0 || !set_options(ship) ||
        (export->compression == AGENT_COMPRESSION_GZIP && !ship->gzip_ready)) {
        ship_close(ship);
        return NULL;
    }
    return ship;
}

void ship_close(struct ship *ship)
{
    if (ship == NULL)
        return;
    ship_cancel(ship);
    curl_easy_cleanup(ship->easy);
    curl_slist_free_all(ship->headers);
    if (ship->gzip_ready)
        (void)deflateEnd(&ship->gzip);
    free(ship->packed);
    free(ship);
}

/* Compresses the body; returns its length, 0 for want of memory. */
static size_t pack(struct ship *ship, const char *body, size_t len)
{
    size_t bound;

    if (deflateReset(&ship->gzip) != Z_OK)
        return 0;
    bound = deflateBound(&ship->gzip, len);
    if (bound > ship->packed_cap) {
        free(ship->packed);
        ship->packed_cap = 0;
        ship->packed = malloc(bound);
        if (ship->packed == NULL)
            return 0;
        ship->packed_cap = bound;
    }
    ship->gzip.next_in = (unsigned char *)body;
    ship->gzip.avail_in = (uInt)len;
    ship->gzip.next_out = ship->packed;
    ship->gzip.avail_out = (uInt)ship->packed_cap;
    return deflate(&ship->gzip, Z_FINISH) == Z_STREAM_END ? ship->gzip.total_out : 0;
}

int ship_send(struct ship *ship, const char *body, size_t len)
{
    assert(!ship->busy);
    if (ship->gzip_ready) {
        len = pack(ship, body, len);
        body = (const char *)ship->packed;
        if (len == 0)
            return -1;
    }
    ship->answer_len = 0;
    ship->answer_cut = false;
    ship->error[0] = '\0';
    if (curl_easy_setopt(ship->easy, CURLOPT_POSTFIELDS, body) != CURLE_OK ||
        curl_easy_setopt(ship->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len) != CURLE_OK ||
        curl_multi_add_handle(ship->multi, ship->easy) != CURLM_OK)
        return -1;
    ship->busy = true;
    ship->started_ns = clock_monotonic_ns();
    return 0;
}

bool ship_busy(const struct ship *ship)
{
    return ship->busy;
}

void ship_cancel(struct ship *ship)
{
    if (ship->busy)
        (void)curl_multi_remove_handle(ship->multi, ship->easy);
    ship->busy = false;
}

bool ship_owns(const struct ship *ship, const CURL *easy)
{
    return ship->easy == easy;
}

/* The start of the answer as one printable line. */
static void describe(const struct ship *ship, long status, char detail[SHIP_DETAIL_MAX])
{
    size_t i, len;
    int start =
        snprintf(detail, SHIP_DETAIL_MAX, "HTTP %ld%s", status, ship->answer_len > 0 ? ": " : "");

    len = ship->answer_len;
    if (len > (size_t)(SHIP_DETAIL_MAX - start - 1))
        len = (size_t)(SHIP_DETAIL_MAX - start - 1);
    for (i = 0; i < len; i++) {
        char c = ship->answer[i];

        detail[(size_t)start + i] = c >= 0x20 && c < 0x7f ? c : ' ';
    }
    detail[(size_t)start + len] = '\0';
}

/* A transfer that never got an answer. */
static enum retry_verdict verdict_of_error(CURLcode result)
{
    switch (result) {
    case CURLE_COULDNT_CONNECT:
        return RETRY_REFUSED;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
        return RETRY_HOLD;
    default:
        return RETRY_AGAIN;
    }
}

/* The answer comes in the encoding of the request, unless it says that it doesn't. */
static uint64_t rejected(const struct ship *ship)
{
    static const char json[] = "application/json";
    const char *type = NULL;

    (void)curl_easy_getinfo(ship->easy, CURLINFO_CONTENT_TYPE, &type);
    if (ship->export->protocol == AGENT_PROTOCOL_PROTOBUF &&
        (type == NULL || strncasecmp(type, json, sizeof json - 1) != 0))
        return otlp_protobuf_rejected(ship->answer, ship->answer_len);
    return retry_rejected(ship->answer, ship->answer_len);
}

static const char *header_value(const struct ship *ship, const char *name)
{
    struct curl_header *header;

    return curl_easy_header(ship->easy, name, 0, CURLH_HEADER, -1, &header) == CURLHE_OK
               ? header->value
               : NULL;
}

/*
 * A date is taken relative to the Date of the same answer where there is one: our clock and the
 * peer's may be hours apart.
 */
static uint64_t retry_after_s(const struct ship *ship)
{
    const char *until = header_value(ship, "Retry-After"), *date = header_value(ship, "Date");
    const time_t until_s = until != NULL ? curl_getdate(until, NULL) : -1;
    const time_t date_s = date != NULL ? curl_getdate(date, NULL) : -1;
    curl_off_t after = 0;

    if (until_s > 0 && date_s > 0 && strspn(until, " \t0123456789") < strlen(until))
        return until_s > date_s ? (uint64_t)(until_s - date_s) : 0;
    (void)curl_easy_getinfo(ship->easy, CURLINFO_RETRY_AFTER, &after);
    return after > 0 ? (uint64_t)after : 0;
}

void ship_finish(struct ship *ship, CURLcode result, struct ship_outcome *outcome)
{
    long status = 0;

    memset(outcome, 0, sizeof *outcome);
    outcome->seconds = (double)(clock_monotonic_ns() - ship->started_ns) / 1e9;
    (void)curl_easy_getinfo(ship->easy, CURLINFO_RESPONSE_CODE, &status);
    ship_cancel(ship);
    /* An answer longer than we look at is cut off by us; its status still counts. */
    if (result == CURLE_OK || (result == CURLE_WRITE_ERROR && ship->answer_cut)) {
        outcome->verdict = retry_of_status(status);
        outcome->retry_after_s = retry_after_s(ship);
        outcome->too_large = status == PAYLOAD_TOO_LARGE;
        if (outcome->verdict == RETRY_DELIVERED)
            outcome->rejected = rejected(ship);
        (void)snprintf(outcome->code, sizeof outcome->code, "%ld", status);
        describe(ship, status, outcome->detail);
        return;
    }
    outcome->verdict = verdict_of_error(result);
    (void)snprintf(outcome->code, sizeof outcome->code, "%s",
                   result == CURLE_OPERATION_TIMEDOUT ? "timeout" : "error");
    (void)snprintf(outcome->detail, sizeof outcome->detail, "%s",
                   ship->error[0] != '\0' ? ship->error : curl_easy_strerror(result));
}
