#include "cli/load_client.h"

#include "lib/base/clock.h"
#include "lib/base/ids.h"
#include "lib/base/library.h"

#include <assert.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BODY_MAX = 128,
    WAIT_MAX_MS = 1000,
    REASON_MAX = 512,
};

#define LIBCURL_FUNCTIONS(X)                                                                       \
    X(easy_cleanup)                                                                                \
    X(easy_getinfo)                                                                                \
    X(easy_init)                                                                                   \
    X(easy_setopt)                                                                                 \
    X(easy_strerror)                                                                               \
    X(free)                                                                                        \
    X(global_cleanup)                                                                              \
    X(global_init)                                                                                 \
    X(multi_add_handle)                                                                            \
    X(multi_cleanup)                                                                               \
    X(multi_info_read)                                                                             \
    X(multi_init)                                                                                  \
    X(multi_perform)                                                                               \
    X(multi_poll)                                                                                  \
    X(multi_remove_handle)                                                                         \
    X(multi_setopt)                                                                                \
    X(slist_append)                                                                                \
    X(slist_free_all)                                                                              \
    X(url)                                                                                         \
    X(url_cleanup)                                                                                 \
    X(url_get)                                                                                     \
    X(url_set)

/*
 * libcurl's functions without their `curl_`, loaded for this command: with the thirty libraries
 * that it brings it would take three quarters of the time of every other.
 */
static struct {
#define LIBCURL_MEMBER(name) __typeof__(curl_##name) *name;
    LIBCURL_FUNCTIONS(LIBCURL_MEMBER)
#undef LIBCURL_MEMBER
} libcurl;

static const struct library_function functions[] = {
#define FUNCTION_ROW(function) {"curl_" #function, offsetof(__typeof__(libcurl), function)},
    LIBCURL_FUNCTIONS(FUNCTION_ROW)
#undef FUNCTION_ROW
};

struct transfer {
    CURL *easy;
    struct transfer *next; /* of those that are free */
    unsigned asked;
    uint64_t due_ns, sent_ns;
    char body[BODY_MAX];
};

struct load_client {
    CURLM *multi;
    struct curl_slist *headers[LOAD_PLAN_CASES];
    char *urls[LOAD_PLAN_CASES];
    unsigned concurrency, busy;
    struct transfer *free;
    struct transfer transfers[];
};

/* Whether it is an address that a path can be put behind. */
static bool base_usable(const char *base)
{
    CURLU *url = libcurl.url();
    char *scheme = NULL, *extra = NULL;
    bool usable = false;

    if (url != NULL && libcurl.url_set(url, CURLUPART_URL, base, 0) == CURLUE_OK &&
        libcurl.url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK)
        usable = (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0) &&
                 libcurl.url_get(url, CURLUPART_QUERY, &extra, 0) == CURLUE_NO_QUERY &&
                 libcurl.url_get(url, CURLUPART_FRAGMENT, &extra, 0) == CURLUE_NO_FRAGMENT;
    libcurl.free(scheme);
    libcurl.free(extra);
    libcurl.url_cleanup(url);
    return usable;
}

static int prepare_cases(struct load_client *client, const char *base)
{
    size_t length = strlen(base);
    char header[BODY_MAX];

    while (length > 0 && base[length - 1] == '/')
        length--;
    for (unsigned i = 0; i < LOAD_PLAN_CASES; i++) {
        if (asprintf(&client->urls[i], "%.*s%s", (int)length, base, load_plan_cases[i].path) < 0) {
            client->urls[i] = NULL;
            return -1;
        }
        (void)snprintf(header, sizeof(header), "Content-Type: %s", load_plan_cases[i].content_type);
        client->headers[i] = libcurl.slist_append(NULL, header);
        if (client->headers[i] == NULL)
            return -1;
    }
    return 0;
}

static size_t ignore(char *data, size_t size, size_t count, void *user)
{
    (void)data;
    (void)user;
    return size * count;
}

static int prepare_transfer(struct load_client *client, struct transfer *transfer, double timeout_s)
{
    transfer->easy = libcurl.easy_init();
    if (transfer->easy == NULL)
        return -1;
    transfer->next = client->free;
    client->free = transfer;
    return libcurl.easy_setopt(transfer->easy, CURLOPT_PRIVATE, transfer) == CURLE_OK &&
                   libcurl.easy_setopt(transfer->easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
                   libcurl.easy_setopt(transfer->easy, CURLOPT_WRITEFUNCTION, ignore) == CURLE_OK &&
                   libcurl.easy_setopt(transfer->easy, CURLOPT_PROTOCOLS_STR, "http,https") ==
                       CURLE_OK &&
                   libcurl.easy_setopt(transfer->easy, CURLOPT_USERAGENT,
                                       "microtrace-load/" MICROTRACE_VERSION) == CURLE_OK &&
                   libcurl.easy_setopt(transfer->easy, CURLOPT_TIMEOUT_MS,
                                       (long)(timeout_s * 1000)) == CURLE_OK
               ? 0
               : -1;
}

int load_client_prepare(char *error, size_t size)
{
    char reason[REASON_MAX];

    if (library_load("libcurl.so.4", functions, sizeof(functions) / sizeof(functions[0]), &libcurl,
                     reason, sizeof(reason)) == 0)
        return 0;
    (void)snprintf(error, size, "libcurl can't be loaded: %s; install libcurl4", reason);
    return -1;
}

struct load_client *load_client_open(const char *base, unsigned concurrency, double timeout_s,
                                     const char **problem)
{
    struct load_client *client;

    assert(concurrency >= 1 && concurrency <= LOAD_CLIENT_CONCURRENCY_MAX);
    *problem = "out of memory";
    if (libcurl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return NULL;
    if (!base_usable(base)) {
        *problem = "an address like http://127.0.0.1:8000 is expected";
        libcurl.global_cleanup();
        return NULL;
    }
    client = calloc(1, sizeof(*client) + concurrency * sizeof(client->transfers[0]));
    if (client == NULL) {
        libcurl.global_cleanup();
        return NULL;
    }
    client->concurrency = concurrency;
    client->multi = libcurl.multi_init();
    if (client->multi == NULL || prepare_cases(client, base) != 0 ||
        libcurl.multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)concurrency) != CURLM_OK)
        goto fail;
    for (unsigned i = 0; i < concurrency; i++) {
        if (prepare_transfer(client, &client->transfers[i], timeout_s) != 0)
            goto fail;
    }
    return client;

fail:
    load_client_close(client);
    return NULL;
}

void load_client_close(struct load_client *client)
{
    if (client == NULL)
        return;
    for (unsigned i = 0; i < client->concurrency; i++) {
        if (client->transfers[i].easy == NULL)
            continue;
        (void)libcurl.multi_remove_handle(client->multi, client->transfers[i].easy);
        libcurl.easy_cleanup(client->transfers[i].easy);
    }
    (void)libcurl.multi_cleanup(client->multi);
    for (unsigned i = 0; i < LOAD_PLAN_CASES; i++) {
        libcurl.slist_free_all(client->headers[i]);
        free(client->urls[i]);
    }
    free(client);
    libcurl.global_cleanup();
}

unsigned load_client_busy(const struct load_client *client)
{
    return client->busy;
}

bool load_client_full(const struct load_client *client)
{
    return client->free == NULL;
}

/* Two numbers with two decimals, as people would type them. */
static const char *draw_body(struct transfer *transfer)
{
    const uint64_t random = ids_random64();

    (void)snprintf(transfer->body, sizeof(transfer->body), "{\"a\": %.2f, \"b\": %.2f}",
                   (double)(random % 20000) / 100, (double)(random / 20000 % 20000) / 100);
    return transfer->body;
}

int load_client_send(struct load_client *client, unsigned asked, uint64_t due_ns)
{
    const struct load_case *what = &load_plan_cases[asked];
    struct transfer *transfer = client->free;
    CURL *easy;

    assert(transfer != NULL && asked < LOAD_PLAN_CASES);
    easy = transfer->easy;
    transfer->asked = asked;
    transfer->due_ns = due_ns;
    transfer->sent_ns = clock_monotonic_ns();
    if (libcurl.easy_setopt(easy, CURLOPT_URL, client->urls[asked]) != CURLE_OK ||
        libcurl.easy_setopt(easy, CURLOPT_HTTPHEADER, client->headers[asked]) != CURLE_OK ||
        libcurl.easy_setopt(easy, CURLOPT_POSTFIELDS,
                            what->body != NULL ? what->body : draw_body(transfer)) != CURLE_OK ||
        libcurl.easy_setopt(easy, CURLOPT_CUSTOMREQUEST, what->method) != CURLE_OK ||
        libcurl.multi_add_handle(client->multi, easy) != CURLM_OK)
        return -1;
    client->free = transfer->next;
    client->busy++;
    return 0;
}

int load_client_wait(struct load_client *client, const int wakers[LOAD_CLIENT_WAKERS])
{
    struct curl_waitfd extra[LOAD_CLIENT_WAKERS];
    int running;

    for (unsigned i = 0; i < LOAD_CLIENT_WAKERS; i++)
        extra[i] = (struct curl_waitfd){.fd = wakers[i], .events = CURL_WAIT_POLLIN};
    if (libcurl.multi_perform(client->multi, &running) != CURLM_OK)
        return -1;
    /* What has ended in these moments gives no event that would end the waiting. */
    if ((unsigned)running < client->busy)
        return 0;
    if (libcurl.multi_poll(client->multi, extra, LOAD_CLIENT_WAKERS, WAIT_MAX_MS, NULL) != CURLM_OK)
        return -1;
    return libcurl.multi_perform(client->multi, &running) == CURLM_OK ? 0 : -1;
}

bool load_client_take(struct load_client *client, struct load_answer *answer)
{
    struct transfer *transfer = NULL;
    CURLMsg *message;
    int left;

    do {
        message = libcurl.multi_info_read(client->multi, &left);
        if (message == NULL)
            return false;
    } while (message->msg != CURLMSG_DONE);

    const CURLcode code = message->data.result;

    (void)libcurl.easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
    assert(transfer != NULL);
    *answer = (struct load_answer){
        .asked = transfer->asked,
        .due_ns = transfer->due_ns,
        .sent_ns = transfer->sent_ns,
        .end_ns = clock_monotonic_ns(),
        .code = (unsigned)code,
        .unreachable = code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST,
    };
    if (code == CURLE_OK)
        (void)libcurl.easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &answer->status);
    (void)libcurl.multi_remove_handle(client->multi, transfer->easy);
    transfer->next = client->free;
    client->free = transfer;
    client->busy--;
    return true;
}

const char *load_client_reason(unsigned code)
{
    return libcurl.easy_strerror((CURLcode)code);
}
