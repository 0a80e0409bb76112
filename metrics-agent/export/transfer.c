#include "metrics-agent/export/transfer.h"

#include "lib/base/clock.h"
#include "metrics-agent/export/otlp_protobuf.h"

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

struct transfer {
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
    char answer[TRANSFER_ANSWER_MAX];
};

static size_t take_answer(char *bytes, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;
    size_t len = size * count, room = sizeof transfer->answer - transfer->answer_len;

    if (len > room) {
        memcpy(transfer->answer + transfer->answer_len, bytes, room);
        transfer->answer_len += room;
        transfer->answer_cut = true;
        return 0;
    }
    memcpy(transfer->answer + transfer->answer_len, bytes, len);
    transfer->answer_len += len;
    return len;
}

static int add_header(struct transfer *transfer, const char *header)
{
    struct curl_slist *longer = curl_slist_append(transfer->headers, header);

    if (longer == NULL)
        return -1;
    transfer->headers = longer;
    return 0;
}

static int make_headers(struct transfer *transfer)
{
    const char *list = transfer->export->headers;
    char header[AGENT_SETTINGS_HEADER_MAX];
    int found, count = 0;

    if (add_header(transfer, transfer->export->protocol == AGENT_PROTOCOL_PROTOBUF
                                 ? "Content-Type: application/x-protobuf"
                                 : "Content-Type: application/json") != 0 ||
        add_header(transfer, "Expect:") != 0)
        return -1;
    if (transfer->export->compression == AGENT_COMPRESSION_GZIP &&
        add_header(transfer, "Content-Encoding: gzip") != 0)
        return -1;
    while (list != NULL && (found = agent_settings_header(&list, header)) != 0) {
        if (found > 0 && count++ < AGENT_SETTINGS_HEADERS_MAX && add_header(transfer, header) != 0)
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

static bool set_options(struct transfer *transfer)
{
    const struct agent_export *export = transfer->export;
    CURL *easy = transfer->easy;
    long timeout = (long)export->timeout_ms;

    return curl_easy_setopt(easy, CURLOPT_URL, export->url) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_USERAGENT, "MicroTrace/" MICROTRACE_VERSION) ==
               CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, timeout) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_answer) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer) == CURLE_OK &&
           set_authority(easy, export->certificate) &&
           set_string(easy, CURLOPT_SSLCERT, export->client_certificate) &&
           set_string(easy, CURLOPT_SSLKEY, export->client_key);
}

struct transfer *transfer_open(CURLM *multi, const struct agent_export *export)
{
    struct transfer *transfer = calloc(1, sizeof *transfer);

    if (transfer == NULL)
        return NULL;
    transfer->multi = multi;
    transfer->export = export;
    transfer->easy = curl_easy_init();
    if (export->compression == AGENT_COMPRESSION_GZIP)
        transfer->gzip_ready = deflateInit2(&transfer->gzip, Z_BEST_SPEED, Z_DEFLATED, GZIP_WINDOW,
                                            GZIP_MEMORY, Z_DEFAULT_STRATEGY) == Z_OK;
    if (transfer->easy == NULL || make_headers(transfer) != 0 || !set_options(transfer) ||
        (export->compression == AGENT_COMPRESSION_GZIP && !transfer->gzip_ready)) {
        transfer_close(transfer);
        return NULL;
    }
    return transfer;
}

void transfer_close(struct transfer *transfer)
{
    if (transfer == NULL)
        return;
    transfer_cancel(transfer);
    curl_easy_cleanup(transfer->easy);
    curl_slist_free_all(transfer->headers);
    if (transfer->gzip_ready)
        (void)deflateEnd(&transfer->gzip);
    free(transfer->packed);
    free(transfer);
}

/* Compresses the body; returns its length, 0 for want of memory. */
static size_t pack(struct transfer *transfer, const char *body, size_t len)
{
    size_t bound;

    if (deflateReset(&transfer->gzip) != Z_OK)
        return 0;
    bound = deflateBound(&transfer->gzip, len);
    if (bound > transfer->packed_cap) {
        free(transfer->packed);
        transfer->packed_cap = 0;
        transfer->packed = malloc(bound);
        if (transfer->packed == NULL)
            return 0;
        transfer->packed_cap = bound;
    }
    transfer->gzip.next_in = (unsigned char *)body;
    transfer->gzip.avail_in = (uInt)len;
    transfer->gzip.next_out = transfer->packed;
    transfer->gzip.avail_out = (uInt)transfer->packed_cap;
    return deflate(&transfer->gzip, Z_FINISH) == Z_STREAM_END ? transfer->gzip.total_out : 0;
}

int transfer_send(struct transfer *transfer, const char *body, size_t len)
{
    assert(!transfer->busy);
    if (transfer->gzip_ready) {
        len = pack(transfer, body, len);
        body = (const char *)transfer->packed;
        if (len == 0)
            return -1;
    }
    transfer->answer_len = 0;
    transfer->answer_cut = false;
    transfer->error[0] = '\0';
    if (curl_easy_setopt(transfer->easy, CURLOPT_POSTFIELDS, body) != CURLE_OK ||
        curl_easy_setopt(transfer->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len) !=
            CURLE_OK ||
        curl_multi_add_handle(transfer->multi, transfer->easy) != CURLM_OK)
        return -1;
    transfer->busy = true;
    transfer->started_ns = clock_monotonic_ns();
    return 0;
}

bool transfer_busy(const struct transfer *transfer)
{
    return transfer->busy;
}

void transfer_cancel(struct transfer *transfer)
{
    if (transfer->busy)
        (void)curl_multi_remove_handle(transfer->multi, transfer->easy);
    transfer->busy = false;
}

bool transfer_owns(const struct transfer *transfer, const CURL *easy)
{
    return transfer->easy == easy;
}

/* The start of the answer as one printable line. */
static void describe(const struct transfer *transfer, long status, char detail[TRANSFER_DETAIL_MAX])
{
    size_t i, len;
    int start = snprintf(detail, TRANSFER_DETAIL_MAX, "HTTP %ld%s", status,
                         transfer->answer_len > 0 ? ": " : "");

    len = transfer->answer_len;
    if (len > (size_t)(TRANSFER_DETAIL_MAX - start - 1))
        len = (size_t)(TRANSFER_DETAIL_MAX - start - 1);
    for (i = 0; i < len; i++) {
        char c = transfer->answer[i];

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
static uint64_t rejected(const struct transfer *transfer)
{
    static const char json[] = "application/json";
    const char *type = NULL;

    (void)curl_easy_getinfo(transfer->easy, CURLINFO_CONTENT_TYPE, &type);
    if (transfer->export->protocol == AGENT_PROTOCOL_PROTOBUF &&
        (type == NULL || strncasecmp(type, json, sizeof json - 1) != 0))
        return otlp_protobuf_rejected(transfer->answer, transfer->answer_len);
    return retry_rejected(transfer->answer, transfer->answer_len);
}

static const char *header_value(const struct transfer *transfer, const char *name)
{
    struct curl_header *header;

    return curl_easy_header(transfer->easy, name, 0, CURLH_HEADER, -1, &header) == CURLHE_OK
               ? header->value
               : NULL;
}

/*
 * A date is taken relative to the Date of the same answer where there is one: our clock and the
 * peer's may be hours apart.
 */
static uint64_t retry_after_s(const struct transfer *transfer)
{
    const char *until = header_value(transfer, "Retry-After"),
               *date = header_value(transfer, "Date");
    const time_t until_s = until != NULL ? curl_getdate(until, NULL) : -1;
    const time_t date_s = date != NULL ? curl_getdate(date, NULL) : -1;
    curl_off_t after = 0;

    if (until_s > 0 && date_s > 0 && strspn(until, " \t0123456789") < strlen(until))
        return until_s > date_s ? (uint64_t)(until_s - date_s) : 0;
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &after);
    return after > 0 ? (uint64_t)after : 0;
}

void transfer_finish(struct transfer *transfer, CURLcode result, struct transfer_outcome *outcome)
{
    long status = 0;

    memset(outcome, 0, sizeof *outcome);
    outcome->seconds = (double)(clock_monotonic_ns() - transfer->started_ns) / 1e9;
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    transfer_cancel(transfer);
    /* An answer longer than we look at is cut off by us; its status still counts. */
    if (result == CURLE_OK || (result == CURLE_WRITE_ERROR && transfer->answer_cut)) {
        outcome->verdict = retry_of_status(status);
        outcome->retry_after_s = retry_after_s(transfer);
        outcome->too_large = status == PAYLOAD_TOO_LARGE;
        if (outcome->verdict == RETRY_DELIVERED)
            outcome->rejected = rejected(transfer);
        (void)snprintf(outcome->code, sizeof outcome->code, "%ld", status);
        describe(transfer, status, outcome->detail);
        return;
    }
    outcome->verdict = verdict_of_error(result);
    (void)snprintf(outcome->code, sizeof outcome->code, "%s",
                   result == CURLE_OPERATION_TIMEDOUT ? "timeout" : "error");
    (void)snprintf(outcome->detail, sizeof outcome->detail, "%s",
                   transfer->error[0] != '\0' ? transfer->error : curl_easy_strerror(result));
}
