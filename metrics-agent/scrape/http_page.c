#include "metrics-agent/scrape/http_page.h"

#include "lib/base/clock.h"
#include "metrics-agent/scrape/http_answer.h"
#include "metrics-agent/scrape/http_cache.h"
#include "metrics-agent/scrape/http_send.h"

#include <malloc.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

enum {
    LOOK_MS = 500,  /* between two looks whether clients that wait are still there */
    REST_MS = 1000, /* after the last answer, until its memory is given back */
    SOCKET_BYTES = 65536,
};

enum route { ROUTE_DOCUMENT, ROUTE_LIVE, ROUTE_CSS, ROUTE_JS, ROUTES };

static const char *const paths[ROUTES] = {"/", "/live", "/page.css", "/page.js"};

TAILQ_HEAD(requests, http_page_request);

struct http_page_request {
    enum route route;
    bool seen;       /* its header was */
    bool parsed;     /* `query` is set */
    bool waiting;    /* it is suspended, and on the list */
    bool over;       /* it has waited long enough */
    bool left;       /* its client has closed its side */
    uint64_t due_ns; /* when that is */
    struct MHD_Connection *connection;
    TAILQ_ENTRY(http_page_request) entry;
    struct looker_question *question;
    struct page_query query;
    bool long_query;
    char text[]; /* of the query */
};

struct http_page {
    struct page *page;
    const char *listen;
    struct requests waiting;
    size_t live, traces; /* of those that wait */
    size_t sending;      /* bytes of answers that are one client's each and not sent yet */
    bool stopping;
    struct http_cache cache;
    uint64_t look_ns, rest_ns; /* when to look for clients that left, to give memory back; 0: not */
};

struct http_page *http_page_open(struct page *page, const char *listen)
{
    struct http_page *const server = calloc(1, sizeof(*server));

    if (server == NULL)
        return NULL;
    server->page = page;
    server->listen = listen;
    TAILQ_INIT(&server->waiting);
    return server;
}

void http_page_close(struct http_page *server)
{
    if (server == NULL)
        return;
    http_cache_clear(&server->cache);
    free(server);
}

struct http_page_request *http_page_begin(const char *uri)
{
    const size_t path = strcspn(uri, "?");
    const char *const text = uri[path] == '?' ? uri + path + 1 : "";
    const size_t len = strlen(text);

    for (int i = 0; i < ROUTES; i++) {
        struct http_page_request *request;

        /* As it is: what is still encoded is no path of ours. */
        if (strlen(paths[i]) != path || memcmp(paths[i], uri, path) != 0)
            continue;
        request = calloc(1, sizeof(*request) + PAGE_QUERY_MAX);
        if (request == NULL)
            return NULL;
        request->route = (enum route)i;
        request->long_query = len >= PAGE_QUERY_MAX;
        if (!request->long_query)
            memcpy(request->text, text, len + 1);
        return request;
    }
    return NULL;
}

static int fd_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *const info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

    return info != NULL ? info->connect_fd : -1;
}

/* An answer that only one client gets. */
struct own_answer {
    struct http_page *server;
    struct http_answer answer;
};

static void drop_own(void *context)
{
    struct own_answer *const own = context;

    own->server->sending -= own->answer.length;
    free(own->answer.text);
    free(own);
}

/* Takes the answer. NULL if memory runs out. */
static struct MHD_Response *respond_own(struct http_page *server, struct MHD_Connection *connection,
                                        const struct http_answer *answer)
{
    struct own_answer *const own = malloc(sizeof(*own));
    const int most = SOCKET_BYTES;
    struct MHD_Response *response;

    if (own == NULL) {
        free(answer->text);
        return NULL;
    }
    *own = (struct own_answer){server, *answer};
    server->sending += answer->length;
    /* Else the kernel takes megabytes of it at once, and only the kernel knows of them. */
    (void)setsockopt(fd_of(connection), SOL_SOCKET, SO_SNDBUF, &most, sizeof(most));
    response = MHD_create_response_from_buffer_with_free_callback_cls(answer->length, answer->text,
                                                                      drop_own, own);
    if (response == NULL)
        drop_own(own);
    return response;
}

/* Takes the text, which is malloc'd or NULL. Who reads slowly must not fill the memory. */
static enum MHD_Result send_html(struct http_page *server, struct MHD_Connection *connection,
                                 unsigned status, char *text, size_t len)
{
    struct http_answer answer = {.text = text, .length = len};
    struct MHD_Response *response = NULL;
    bool packed = false;

    if (text != NULL) {
        packed = http_answer_accepts_gzip(http_send_header(connection, "Accept-Encoding")) &&
                 http_answer_pack(&answer);
        if (answer.length > HTTP_PAGE_SENDING_MAX - server->sending) {
            free(answer.text);
            return http_send_busy(connection, "clients are slow to read what they asked for: try "
                                              "again in a few seconds");
        }
        response = respond_own(server, connection, &answer);
    }
    return http_send_html(connection, status, response, packed);
}

static char *make_text(struct http_page *server, enum http_cache_kind kind,
                       const struct page_query *query, size_t *len)
{
    switch (kind) {
    case HTTP_CACHE_DOCUMENT:
        return page_document(server->page, query, NULL, len);
    case HTTP_CACHE_LIVE:
        return page_main(server->page, query, len);
    case HTTP_CACHE_SEARCH:
    case HTTP_CACHE_KINDS:
        break;
    }
    return page_no_traces(query, NULL, len);
}

/* The text of this kind, from the cache or made now; NULL if it can't be made. */
static struct http_cache_text *find_text(struct http_page *server, enum http_cache_kind kind,
                                         const struct page_query *query, bool packed)
{
    struct http_cache_text **const at =
        http_cache_at(&server->cache, page_sequence(server->page), kind, query->minutes, packed);
    const struct http_cache_text *plain;
    struct http_answer answer;
    const char *bytes;

    if (*at != NULL)
        return *at;
    if (!packed) {
        answer.text = make_text(server, kind, query, &answer.length);
        if (answer.text != NULL)
            *at = http_cache_text_new(answer.text, answer.length);
        return *at;
    }
    plain = find_text(server, kind, query, false);
    if (plain == NULL)
        return NULL;
    bytes = http_cache_bytes(plain, &answer.length);
    answer.text = malloc(answer.length);
    if (answer.text == NULL)
        return NULL;
    memcpy(answer.text, bytes, answer.length);
    if (http_answer_pack(&answer))
        *at = http_cache_text_new(answer.text, answer.length);
    else
        free(answer.text);
    return *at;
}

/* What depends on the sample and the range alone. */
static enum MHD_Result send_same(struct http_page *server, struct MHD_Connection *connection,
                                 enum http_cache_kind kind, const struct page_query *query)
{
    const bool packed = http_answer_accepts_gzip(http_send_header(connection, "Accept-Encoding"));
    struct http_cache_text *const text = find_text(server, kind, query, packed);

    return http_send_html(connection, MHD_HTTP_OK, text != NULL ? http_cache_response(text) : NULL,
                          packed);
}

static size_t *count_of(struct http_page *server, const struct http_page_request *request)
{
    return request->question != NULL ? &server->traces : &server->live;
}

/* The handler is called again once it is resumed. */
static enum MHD_Result wait_for_it(struct http_page *server, struct http_page_request *request,
                                   struct MHD_Connection *connection)
{
    const uint64_t now = clock_monotonic_ns();

    if (TAILQ_EMPTY(&server->waiting))
        server->look_ns = now + clock_ms_to_ns(LOOK_MS);
    if (!request->waiting && request->due_ns == 0)
        request->due_ns = now + (uint64_t)HTTP_PAGE_WAIT_S * CLOCK_NS_PER_S;
    request->waiting = true;
    request->connection = connection;
    TAILQ_INSERT_TAIL(&server->waiting, request, entry);
    ++*count_of(server, request);
    MHD_suspend_connection(connection);
    return MHD_YES;
}

static void wait_no_more(struct http_page *server, struct http_page_request *request)
{
    TAILQ_REMOVE(&server->waiting, request, entry);
    --*count_of(server, request);
    request->waiting = false;
}

static void resume(struct http_page *server, struct http_page_request *request)
{
    wait_no_more(server, request);
    request->over = true;
    MHD_resume_connection(request->connection);
}

static enum MHD_Result send_live(struct http_page *server, struct http_page_request *request,
                                 struct MHD_Connection *connection, bool head)
{
    /* A number of another agent's, from before a restart, is not waited for. */
    if (!request->over && !head && !server->stopping && server->live < HTTP_PAGE_LIVE_MAX &&
        request->query.after == page_sequence(server->page))
        return wait_for_it(server, request, connection);
    return send_same(server, connection, HTTP_CACHE_LIVE, &request->query);
}

/* Sends the section, as it is or in its document. */
static enum MHD_Result send_section(struct http_page *server,
                                    const struct http_page_request *request,
                                    struct MHD_Connection *connection, unsigned status,
                                    const char *section, size_t len)
{
    char *text;

    if (request->query.part)
        text = strndup(section, len);
    else
        text = page_document(server->page, &request->query, section, &len);
    return send_html(server, connection, status, text, len);
}

static enum MHD_Result send_no_traces(struct http_page *server,
                                      const struct http_page_request *request,
                                      struct MHD_Connection *connection, const char *why)
{
    size_t len = 0;
    char *const section = page_no_traces(&request->query, why, &len);
    enum MHD_Result result;

    if (section == NULL)
        return MHD_NO;
    result = send_section(server, request, connection, MHD_HTTP_SERVICE_UNAVAILABLE, section, len);
    free(section);
    return result;
}

static enum MHD_Result send_traces(struct http_page *server, struct http_page_request *request,
                                   struct MHD_Connection *connection)
{
    const char *section;
    unsigned status;
    size_t len = 0;

    if (request->question == NULL) {
        if (server->traces < HTTP_PAGE_TRACES_MAX && !server->stopping)
            request->question = looker_ask(page_looker(server->page), &request->query);
        if (request->question == NULL)
            return send_no_traces(server, request, connection,
                                  "Too many ask for traces at the same time. Try again in a few "
                                  "seconds.");
    }
    status = looker_answer(request->question, &section, &len);
    if (status != 0) {
        const enum MHD_Result result =
            send_section(server, request, connection, status, section, len);

        /* What is sent is a copy. */
        looker_leave(page_looker(server->page), request->question);
        request->question = NULL;
        return result;
    }
    if (!request->over && !server->stopping)
        return wait_for_it(server, request, connection);
    return send_no_traces(server, request, connection,
                          request->left
                              ? "The client closed its side of the connection before the spool was "
                                "read. Ask again, and leave it open."
                              : "The spool has not been read within 10 seconds: it is very large, "
                                "or its disk is slow or hangs. Try again, or look at the disk.");
}

static enum MHD_Result send_document(struct http_page *server, struct http_page_request *request,
                                     struct MHD_Connection *connection)
{
    if (page_query_wants_traces(&request->query))
        return send_traces(server, request, connection);
    return send_same(server, connection,
                     request->query.part ? HTTP_CACHE_SEARCH : HTTP_CACHE_DOCUMENT,
                     &request->query);
}

/*
 * Whether somebody else's page, not a person who follows a link, makes a browser ask (Fetch
 * Metadata Request Headers, W3C): it could not read the answer, but have the spool read all day,
 * and learn from how long that takes.
 */
static bool is_of_another_page(struct MHD_Connection *connection)
{
    const char *const site = http_send_header(connection, "Sec-Fetch-Site");
    const char *const what = http_send_header(connection, "Sec-Fetch-Dest");

    return site != NULL && (strcmp(site, "cross-site") == 0 || strcmp(site, "same-site") == 0) &&
           (what == NULL || strcmp(what, "document") != 0);
}

enum MHD_Result http_page_handle(struct http_page *server, struct http_page_request *request,
                                 struct MHD_Connection *connection, const char *method)
{
    const bool head = strcmp(method, "HEAD") == 0;
    const char *why;

    /* The first call is for the header alone. */
    if (!request->seen) {
        request->seen = true;
        return MHD_YES;
    }
    server->rest_ns = clock_monotonic_ns() + clock_ms_to_ns(REST_MS);
    if (!page_query_host(http_send_header(connection, "Host"), server->listen))
        return http_send_refusal(
            connection, MHD_HTTP_MISDIRECTED_REQUEST,
            "the Host header names neither an IP address nor localhost nor the host of "
            "MICROTRACE_AGENT_LISTEN");
    if (is_of_another_page(connection))
        return http_send_refusal(connection, MHD_HTTP_FORBIDDEN,
                                 "another site's page asks; follow a link, or enter the address");
    if (!head && strcmp(method, "GET") != 0)
        return http_send_refusal(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "Method Not Allowed");
    if (request->route == ROUTE_CSS || request->route == ROUTE_JS)
        return http_send_asset(connection, paths[request->route]);
    if (request->long_query)
        return http_send_refusal(connection, MHD_HTTP_URI_TOO_LONG,
                                 "the query is longer than 2047 bytes");
    if (!request->parsed && page_query_parse(&request->query, request->text, &why) != 0)
        return http_send_refusal(connection, MHD_HTTP_BAD_REQUEST, why);
    request->parsed = true;
    return request->route == ROUTE_LIVE ? send_live(server, request, connection, head)
                                        : send_document(server, request, connection);
}

void http_page_end(struct http_page *server, struct http_page_request *request)
{
    if (request->waiting)
        wait_no_more(server, request);
    looker_leave(page_looker(server->page), request->question);
    free(request);
}

/* The client has closed its side: it can't be asked whether it still reads, and most do not. */
static bool has_left(const struct http_page_request *request)
{
    struct pollfd fd = {.fd = fd_of(request->connection), .events = POLLRDHUP};

    return poll(&fd, 1, 0) > 0;
}

static bool is_done(const struct http_page *server, const struct http_page_request *request)
{
    const char *section;

    return request->question != NULL ? looker_answer(request->question, &section, NULL) != 0
                                     : request->query.after != page_sequence(server->page);
}

/* Returns when the first of them has waited long enough. */
static uint64_t resume_due(struct http_page *server, uint64_t now_ns, bool look)
{
    struct http_page_request *r = TAILQ_FIRST(&server->waiting), *next;
    uint64_t due_ns = UINT64_MAX;

    for (; r != NULL; r = next) {
        next = TAILQ_NEXT(r, entry);
        r->left = look && has_left(r);
        if (now_ns < r->due_ns && !is_done(server, r) && !r->left) {
            due_ns = r->due_ns < due_ns ? r->due_ns : due_ns;
        } else {
            resume(server, r);
            /* libmicrohttpd has to run now. */
            due_ns = now_ns;
        }
    }
    return due_ns;
}

uint64_t http_page_run(struct http_page *server, uint64_t now_ns)
{
    const uint64_t looker_ns = looker_run(page_looker(server->page), now_ns);
    const bool look = now_ns >= server->look_ns || looker_ns <= now_ns;
    uint64_t due_ns = resume_due(server, now_ns, look);

    if (look)
        server->look_ns = now_ns + clock_ms_to_ns(LOOK_MS);
    if (!TAILQ_EMPTY(&server->waiting) && server->look_ns < due_ns)
        due_ns = server->look_ns;
    if (server->cache.sequence != page_sequence(server->page))
        http_cache_clear(&server->cache);
    if (server->rest_ns != 0 && now_ns >= server->rest_ns) {
        (void)malloc_trim(0);
        server->rest_ns = 0;
    }
    if (server->rest_ns != 0 && server->rest_ns < due_ns)
        due_ns = server->rest_ns;
    return looker_ns < due_ns ? looker_ns : due_ns;
}

void http_page_stop(struct http_page *server)
{
    struct http_page_request *r;

    server->stopping = true;
    while ((r = TAILQ_FIRST(&server->waiting)) != NULL)
        resume(server, r);
}
