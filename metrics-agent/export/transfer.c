#include "metrics-agent/export/transfer.h"

#include "lib/base/answer_bound.h"
#include "lib/base/clock.h"
#include "lib/base/trust_file.h"
#include "metrics-agent/export/otlp_protobuf.h"
#include "metrics-agent/export/transfer_headers.h"
#include "metrics-agent/export/transfer_remedy.h"

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
    DETAIL_QUOTE = 200,  /* bytes of an answer that a message quotes */
    ANSWER_FIRST = 4096, /* bytes of the first buffer for an answer */
};

struct transfer {
    CURLM *multi;
    CURL *easy;
    struct transfer_headers headers;
    const struct agent_export *export;
    bool busy;
    uint64_t started_ns;
    z_stream gzip;
    bool gzip_ready;
    unsigned char *packed;
    size_t packed_cap;
    char *answer;
    size_t answer_len, answer_room;
    struct answer_bound bound;
    bool head_complete; /* of the final answer, not of a 1xx */
    bool cut;           /* we stopped reading: the body is too long, or there is no memory */
    char error[CURL_ERROR_SIZE];
};

/* Room for `len` more bytes of the answer. */
static int make_room(struct transfer *transfer, size_t len)
{
    size_t room = transfer->answer_room == 0 ? ANSWER_FIRST : transfer->answer_room;
    char *answer;

    if (len > TRANSFER_ANSWER_MAX - transfer->answer_len)
        return -1;
    while (room < transfer->answer_len + len)
        room *= 2;
    if (room == transfer->answer_room)
        return 0;
    answer = realloc(transfer->answer, room);
    if (answer == NULL)
        return -1;
    transfer->answer = answer;
    transfer->answer_room = room;
    return 0;
}

static size_t take_answer(char *bytes, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;
    size_t len = size * count;

    if (make_room(transfer, len) != 0) {
        transfer->cut = true;
        return 0;
    }
    memcpy(transfer->answer + transfer->answer_len, bytes, len);
    transfer->answer_len += len;
    return len;
}

/* Called for each line of the head, and for trailers. */
static size_t take_head(char *bytes, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;
    size_t len = size * count;
    long status = 0;

    if (!answer_bound_head(&transfer->bound, len))
        return 0;
    if (!transfer->head_complete && len <= 2 && (bytes[0] == '\r' || bytes[0] == '\n')) {
        (void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
        transfer->head_complete = status >= 200;
    }
    return len;
}

/* Told of the body as it came, framing included; what it returns can't end the transfer. */
static int count_wire(CURL *easy, curl_infotype type, char *bytes, size_t len, void *context)
{
    struct transfer *transfer = context;

    (void)easy, (void)bytes;
    if (type == CURLINFO_DATA_IN)
        (void)answer_bound_wire(&transfer->bound, len);
    return 0;
}

/* Called after each piece that was read; not 0 ends the transfer. */
static int check_bound(void *context, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                       curl_off_t up)
{
    const struct transfer *transfer = context;

    (void)down_total, (void)down, (void)up_total, (void)up;
    return !answer_bound_kept(&transfer->bound);
}

static bool set_string(CURL *easy, CURLoption option, const char *value)
{
    return value == NULL || curl_easy_setopt(easy, option, value) == CURLE_OK;
}

/* Where an own CA is set, it is the only one that is trusted. */
static bool set_authority(CURL *easy, const char *certificate)
{
    if (certificate == NULL)
        certificate = trust_file(curl_version_info(CURLVERSION_NOW)->cainfo);
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
           curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers.list) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, timeout) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_answer) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_head) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_VERBOSE, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, count_wire) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_DEBUGDATA, transfer) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, check_bound) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_XFERINFODATA, transfer) == CURLE_OK &&
           /* A renewed file of CAs counts from the next connection on. */
           curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L) == CURLE_OK &&
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
    if (transfer->easy == NULL || transfer_headers_open(&transfer->headers, export) != 0 ||
        !set_options(transfer) ||
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
    transfer_headers_close(&transfer->headers);
    if (transfer->gzip_ready)
        (void)deflateEnd(&transfer->gzip);
    free(transfer->packed);
    free(transfer->answer);
    free(transfer);
}

/* Compresses the body; returns its length, 0 if memory runs out. */
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
    /* A long answer was an exception: its memory is given back. */
    if (transfer->answer_room > ANSWER_FIRST) {
        free(transfer->answer);
        transfer->answer = NULL;
        transfer->answer_room = 0;
    }
    transfer->answer_len = 0;
    answer_bound_begin(&transfer->bound, TRANSFER_HEAD_MAX, TRANSFER_ANSWER_MAX);
    transfer->head_complete = transfer->cut = false;
    transfer->error[0] = '\0';
    if (transfer_headers_refresh(&transfer->headers, transfer->export) &&
        curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers.list) != CURLE_OK)
        return -1;
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

uint64_t transfer_started_ns(const struct transfer *transfer)
{
    return transfer->started_ns;
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

    len = transfer->answer_len < DETAIL_QUOTE ? transfer->answer_len : DETAIL_QUOTE;
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
 * A date is taken relative to the Date of the same answer if there is one: our clock and the peer's
 * may be hours apart.
 */
static uint64_t retry_after_s(const struct transfer *transfer)
{
    const char *until = header_value(transfer, "Retry-After"),
               *date = header_value(transfer, "Date");
    const time_t until_s = until != NULL ? curl_getdate(until, NULL) : -1;
    const time_t date_s = date != NULL ? curl_getdate(date, NULL) : -1;
    curl_off_t after = 0;
    unsigned long long seconds;

    if (until_s > 0 && date_s > 0 && strspn(until, " \t0123456789") < strlen(until))
        return until_s > date_s ? (uint64_t)(until_s - date_s) : 0;
    /* libcurl takes a number that it can't hold for none. */
    if (until != NULL && until[strspn(until, "0123456789")] == '\0' && until[0] != '\0') {
        seconds = strtoull(until, NULL, 10);
        return seconds < RETRY_AFTER_MAX_S ? seconds : RETRY_AFTER_MAX_S;
    }
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &after);
    return after > 0 ? (uint64_t)after : 0;
}

/*
 * A success whose body is a page for people: a captive portal or a proxy's log-in answered, not the
 * endpoint. OTLP answers in the request's encoding (OTLP specification, "OTLP/HTTP Response");
 * other bodies that some back ends send ("ok") are let pass.
 */
static bool is_page(const struct transfer *transfer)
{
    const char *type = NULL, *at = transfer->answer, *const end = at + transfer->answer_len;

    if (transfer->answer_len == 0)
        return false;
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_CONTENT_TYPE, &type);
    if (type != NULL && strcasestr(type, "html") != NULL)
        return true;
    while (at < end && strchr(" \t\r\n", *at) != NULL && *at != '\0')
        at++;
    return at < end && *at == '<';
}

void transfer_finish(struct transfer *transfer, CURLcode result, struct transfer_outcome *outcome)
{
    long status = 0;
    size_t len;

    memset(outcome, 0, sizeof *outcome);
    outcome->seconds = (double)(clock_monotonic_ns() - transfer->started_ns) / 1e9;
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    transfer_cancel(transfer);
    if (transfer->head_complete) {
        (void)snprintf(outcome->code, sizeof outcome->code, "%ld", status);
        describe(transfer, status, outcome->detail);
        outcome->verdict = retry_of_status(status);
        outcome->retry_after_s = retry_after_s(transfer);
        outcome->too_large = status == PAYLOAD_TOO_LARGE;
        if (outcome->verdict == RETRY_DELIVERED && is_page(transfer)) {
            outcome->verdict = RETRY_HOLD;
            (void)snprintf(outcome->detail, sizeof outcome->detail,
                           "HTTP %ld with a web page, not an answer of OTLP: a portal or proxy "
                           "answers in the endpoint's place",
                           status);
        } else if (outcome->verdict == RETRY_DELIVERED) {
            outcome->rejected = rejected(transfer);
            outcome->cut = result != CURLE_OK;
        } else {
            len = strlen(outcome->detail);
            (void)snprintf(outcome->detail + len, sizeof outcome->detail - len, "%s",
                           transfer_remedy_of_answer(transfer->export, transfer->answer,
                                                     transfer->answer_len, status));
        }
        return;
    }
    outcome->verdict = verdict_of_error(result);
    (void)snprintf(outcome->code, sizeof outcome->code, "%s",
                   result == CURLE_OPERATION_TIMEDOUT ? "timeout" : "error");
    if (transfer->bound.head > TRANSFER_HEAD_MAX)
        (void)snprintf(outcome->detail, sizeof outcome->detail,
                       "the answer's head is longer than %d bytes", TRANSFER_HEAD_MAX);
    else if (result == CURLE_OK) /* libcurl takes an end within the head for the head's end */
        (void)snprintf(outcome->detail, sizeof outcome->detail, "the answer ends in its head");
    else
        (void)snprintf(outcome->detail, sizeof outcome->detail, "%s%s",
                       transfer->error[0] != '\0' ? transfer->error : curl_easy_strerror(result),
                       transfer_remedy_of_error(transfer->export, result));
}
