#include "fcgi-app/downstream_client.h"

#include "fcgi-app/libcurl.h"
#include "lib/base/answer_bound.h"
#include "lib/base/trust_file.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    RETRY_AFTER_MAX_S = 86400, /* no call waits that long */
    FIELD_MAX = 16384,         /* bytes of a header field that is sent; baggage has at most 8192 */
};

struct downstream_client {
    const struct libcurl *curl;
    CURL *handle;
    struct downstream_target target;
    struct curl_slist *fields; /* header fields of the next POST */
    bool out_of_memory;        /* a field could not be put */
    const char *request;       /* what is to be sent */
    size_t request_length, request_sent;
    struct answer_bound bound;
    size_t body_length;
    bool too_long; /* the body */
    char body[DOWNSTREAM_CLIENT_BODY_MAX + 1];
};

static size_t read_request(char *buffer, size_t size, size_t count, void *data)
{
    struct downstream_client *client = data;
    const size_t room = size * count, left = client->request_length - client->request_sent;
    const size_t n = left < room ? left : room;

    memcpy(buffer, client->request + client->request_sent, n);
    client->request_sent += n;
    return n;
}

/*
 * libcurl goes back to the start for a second try by its own, which it is not to have. It refuses
 * that try then, and from 8.7 on asks again before the next request, for which it is right.
 */
static int rewind_request(void *data, curl_off_t offset, int origin)
{
    const struct downstream_client *client = data;

    return client->request_sent == 0 && offset == 0 && origin == SEEK_SET ? CURL_SEEKFUNC_OK
                                                                          : CURL_SEEKFUNC_FAIL;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *data)
{
    struct downstream_client *client = data;
    const size_t n = size * count;

    if (n > DOWNSTREAM_CLIENT_BODY_MAX - client->body_length) {
        client->too_long = true;
        return 0;
    }
    memcpy(client->body + client->body_length, bytes, n);
    client->body_length += n;
    return n;
}

static size_t count_head(char *bytes, size_t size, size_t count, void *data)
{
    struct downstream_client *client = data;
    const size_t n = size * count;

    (void)bytes;
    return answer_bound_head(&client->bound, n) ? n : 0;
}

/* Told of the body as it came, framing included; what it returns can't end the transfer. */
static int count_wire(CURL *handle, curl_infotype type, char *bytes, size_t length, void *data)
{
    struct downstream_client *client = data;

    (void)handle, (void)bytes;
    if (type == CURLINFO_DATA_IN)
        (void)answer_bound_wire(&client->bound, length);
    return 0;
}

/* Called after each piece that was read; not 0 ends the transfer. */
static int check_bound(void *data, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                       curl_off_t up)
{
    const struct downstream_client *client = data;

    (void)down_total, (void)down, (void)up_total, (void)up;
    return !answer_bound_kept(&client->bound);
}

static bool set_trust(const struct libcurl *curl, CURL *handle)
{
    const char *const file = trust_file(curl->version_info(CURLVERSION_NOW)->cainfo);

    return file == NULL || (curl->easy_setopt(handle, CURLOPT_CAINFO, file) == CURLE_OK &&
                            curl->easy_setopt(handle, CURLOPT_CAPATH, NULL) == CURLE_OK);
}

/* Returns whether all of it was accepted. */
static bool set_options(struct downstream_client *client,
                        const struct downstream_settings *settings)
{
    const struct libcurl *curl = client->curl;
    CURL *handle = client->handle;

    return curl->easy_setopt(handle, CURLOPT_URL, settings->url) == CURLE_OK &&
           curl->easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl->easy_setopt(handle, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) ==
               CURLE_OK &&
           curl->easy_setopt(handle, CURLOPT_PROXY, "") == CURLE_OK &&
           curl->easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl->easy_setopt(handle, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl->easy_setopt(handle, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK &&
           curl->easy_setopt(handle, CURLOPT_MAXCONNECTS, 1L) == CURLE_OK &&
           curl->easy_setopt(handle, CURLOPT_USERAGENT, "microtrace/" MICROTRACE_VERSION) ==
               CURLE_OK &&
           curl->easy_setopt(handle, CURLOPT_POST, 1L) == CURLE_OK &&
           curl->easy_setopt(handle, CURLOPT_READFUNCTION, read_request) == CURLE_OK &&
           curl->easy_setopt(handle, CURLOPT_READDATA, client) == CURLE_OK &&
           curl->easy_setopt(handle, CURLOPT_SEEKFUNCTION, rewind_request) == CURLE_OK &&
           curl->easy_setopt(handle, CURLOPT_SEEKDATA, client) == CURLE_OK &&
           curl->easy_setopt(handle, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK &&
           curl->easy_setopt(handle, CURLOPT_WRITEDATA, client) == CURLE_OK &&
           curl->easy_setopt(handle, CURLOPT_HEADERFUNCTION, count_head) == CURLE_OK &&
           curl->easy_setopt(handle, CURLOPT_HEADERDATA, client) == CURLE_OK &&
           curl->easy_setopt(handle, CURLOPT_VERBOSE, 1L) == CURLE_OK &&
           curl->easy_setopt(handle, CURLOPT_DEBUGFUNCTION, count_wire) == CURLE_OK &&
           curl->easy_setopt(handle, CURLOPT_DEBUGDATA, client) == CURLE_OK &&
           curl->easy_setopt(handle, CURLOPT_NOPROGRESS, 0L) == CURLE_OK &&
           curl->easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, check_bound) == CURLE_OK &&
           curl->easy_setopt(handle, CURLOPT_XFERINFODATA, client) == CURLE_OK &&
           set_trust(curl, handle);
}

static void put_line(struct downstream_client *client, const char *line)
{
    struct curl_slist *longer = client->curl->slist_append(client->fields, line);

    if (longer == NULL)
        client->out_of_memory = true;
    else
        client->fields = longer;
}

struct downstream_client *downstream_client_open(const struct downstream_settings *settings,
                                                 char error[CONFIG_ERROR_MAX])
{
    const struct libcurl *curl = libcurl_load(error, CONFIG_ERROR_MAX);
    struct downstream_client *client;

    if (curl == NULL)
        return NULL;
    client = calloc(1, sizeof(*client));
    if (client == NULL || curl->global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(client);
        (void)snprintf(error, CONFIG_ERROR_MAX, "the downstream client can't be set up");
        return NULL;
    }
    client->curl = curl;
    client->handle = curl->easy_init();
    if (downstream_target_read(&client->target, curl, settings) != 0) {
        downstream_settings_refuse_url(settings, error);
    } else if (client->handle == NULL || !set_options(client, settings)) {
        (void)snprintf(error, CONFIG_ERROR_MAX, "the downstream client can't be set up");
    } else {
        return client;
    }
    downstream_client_close(client);
    return NULL;
}

void downstream_client_close(struct downstream_client *client)
{
    if (client == NULL)
        return;
    client->curl->slist_free_all(client->fields);
    client->curl->easy_cleanup(client->handle);
    client->curl->global_cleanup();
    free(client);
}

const struct downstream_target *downstream_client_target(const struct downstream_client *client)
{
    return &client->target;
}

void downstream_client_put(void *to, const char *name, const char *value)
{
    char line[FIELD_MAX];
    int length = snprintf(line, sizeof(line), "%s: %s", name, value);

    if (length > 0 && (size_t)length < sizeof(line))
        put_line(to, line);
}

static enum downstream_outcome outcome_of(const struct downstream_client *client, CURLcode code,
                                          long status)
{
    switch (code) {
    case CURLE_OK:
        return status == 200 ? DOWNSTREAM_SUCCESS : downstream_policy_status(status);
    case CURLE_OPERATION_TIMEDOUT:
        return DOWNSTREAM_TIMEOUT;
    case CURLE_WRITE_ERROR:
    case CURLE_ABORTED_BY_CALLBACK:
    case CURLE_FILESIZE_EXCEEDED:
        /* An overlong answer is not a result, but a status of failure needs no body. */
        return client->too_long ? downstream_policy_status(status) : DOWNSTREAM_BAD_RESPONSE;
    case CURLE_UNSUPPORTED_PROTOCOL: /* what answers does not speak HTTP/1 */
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
        return DOWNSTREAM_BAD_RESPONSE;
    default:
        return DOWNSTREAM_CONNECTION_FAILED;
    }
}

static CURLcode perform(struct downstream_client *client, size_t length, uint64_t timeout_ms)
{
    const struct libcurl *curl = client->curl;
    CURL *handle = client->handle;

    if (client->out_of_memory ||
        curl->easy_setopt(handle, CURLOPT_HTTPHEADER, client->fields) != CURLE_OK ||
        curl->easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)length) != CURLE_OK ||
        curl->easy_setopt(handle, CURLOPT_TIMEOUT_MS, (long)timeout_ms) != CURLE_OK)
        return CURLE_OUT_OF_MEMORY;
    return curl->easy_perform(handle);
}

void downstream_client_post(struct downstream_client *client, const char *body, size_t length,
                            uint64_t timeout_ms, struct downstream_response *response)
{
    curl_off_t retry_after = 0;
    CURLcode code;

    /* Without "Expect: 100-continue", which would cost a round trip. */
    put_line(client, "Expect:");
    put_line(client, "Content-Type: application/json");
    put_line(client, "Accept: application/json");
    client->request = body;
    client->request_length = length;
    client->request_sent = 0;
    client->body_length = 0;
    client->too_long = false;
    answer_bound_begin(&client->bound, DOWNSTREAM_CLIENT_HEAD_MAX, DOWNSTREAM_CLIENT_BODY_MAX);
    code = perform(client, length, timeout_ms);
    client->too_long = client->too_long || !answer_bound_kept(&client->bound);
    client->body[client->body_length] = '\0';
    *response = (struct downstream_response){
        .problem = client->too_long   ? "The answer is too long"
                   : code != CURLE_OK ? client->curl->easy_strerror(code)
                                      : NULL,
        .body = client->body,
        .length = client->body_length,
    };
    (void)client->curl->easy_getinfo(client->handle, CURLINFO_RESPONSE_CODE, &response->status);
    if (client->curl->easy_getinfo(client->handle, CURLINFO_RETRY_AFTER, &retry_after) ==
            CURLE_OK &&
        retry_after > 0)
        response->retry_after_ms =
            (uint64_t)(retry_after < RETRY_AFTER_MAX_S ? retry_after : RETRY_AFTER_MAX_S) * 1000;
    response->outcome = outcome_of(client, code, response->status);
    (void)client->curl->easy_setopt(client->handle, CURLOPT_HTTPHEADER, NULL);
    client->curl->slist_free_all(client->fields);
    client->fields = NULL;
    client->out_of_memory = false;
}
