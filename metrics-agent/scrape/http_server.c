#include "metrics-agent/scrape/http_server.h"

#include "lib/base/clock.h"
#include "lib/base/json_writer.h"
#include "lib/base/request_id.h"
#include "lib/base/text.h"
#include "metrics-agent/scrape/connections.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

enum {
    HOST_MAX = 256,
    /* Until they are accepted new clients wait here, and the kernel turns away what is beyond. */
    BACKLOG = 4096,
    /* That libmicrohttpd accepts before it sees that others were shut down: two rounds of ten. */
    CLOSING_MAX = 64,
    CONNECTION_MEMORY = 32768,
    JSON_MAX = 1024,
    GZIP_WINDOW = 15 + 16,
    GZIP_MEMORY = 8,
};

struct http_server {
    struct MHD_Daemon *daemon;
    struct connections *connections;
    int fd;
    http_server_metrics *metrics;
    http_server_problem *problem;
    void *context;
};

static const char json_type[] = "application/json";

/* Takes [HOST]:PORT or HOST:PORT apart. Returns the port, or NULL. */
static const char *split_listen(const char *listen, char host[HOST_MAX])
{
    struct text name, port;

    if (text_split_host_port(text_of(listen), &name, &port) != 0 || name.len >= HOST_MAX)
        return NULL;
    memcpy(host, name.at, name.len);
    host[name.len] = '\0';
    return port.at;
}

static int listen_on(const struct addrinfo *address)
{
    int on = 1, fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    on = errno;
    (void)close(fd);
    errno = on;
    return -1;
}

static int open_socket(const char *listen, char reason[HTTP_SERVER_REASON_MAX])
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found = NULL, *a;
    char host[HOST_MAX];
    const char *port = split_listen(listen, host);
    int fd = -1, failed = port != NULL ? getaddrinfo(host, port, &hints, &found) : EAI_NONAME;

    if (failed != 0) {
        (void)snprintf(reason, HTTP_SERVER_REASON_MAX,
                       "MICROTRACE_AGENT_LISTEN: \"%.100s\" can't be used: %s; set HOST:PORT",
                       listen, gai_strerror(failed));
        return -1;
    }
    for (a = found; a != NULL && fd < 0; a = a->ai_next)
        fd = listen_on(a);
    if (fd < 0)
        (void)snprintf(reason, HTTP_SERVER_REASON_MAX, "can't listen on %.100s: %s; %s", listen,
                       strerror(errno),
                       errno == EADDRINUSE
                           ? "end the program that uses it, or set MICROTRACE_AGENT_LISTEN"
                           : "set MICROTRACE_AGENT_LISTEN to an address and port of this machine");
    freeaddrinfo(found);
    return fd;
}

/* Whether the header names gzip and does not weigh it zero (RFC 9110, section 12.5.3). */
static bool accepts_gzip(const char *header)
{
    while (header != NULL && *header != '\0') {
        size_t len;

        header += strspn(header, " \t,");
        len = strcspn(header, ",");
        if (strncasecmp(header, "gzip", 4) == 0 && strcspn(header, " \t;,") == 4) {
            const char *const end = header + len;

            /* Parameter names are in any case of letters (RFC 9110, section 5.6.6). */
            while (header < end && strncasecmp(header, "q=", 2) != 0)
                header++;
            return header == end || strtod(header + 2, NULL) > 0;
        }
        header += len;
    }
    return false;
}

/* Replaces the text by its gzip; returns false and leaves it where that fails. */
static bool pack(struct http_server_page *page)
{
    z_stream stream = {.zalloc = NULL};
    unsigned char *packed;
    size_t bound;
    bool done;

    if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, GZIP_WINDOW, GZIP_MEMORY,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return false;
    bound = deflateBound(&stream, page->length);
    packed = malloc(bound);
    stream.next_in = (unsigned char *)page->text;
    stream.avail_in = (uInt)page->length;
    stream.next_out = packed;
    stream.avail_out = (uInt)bound;
    done = packed != NULL && deflate(&stream, Z_FINISH) == Z_STREAM_END;
    if (done) {
        free(page->text);
        page->text = (char *)packed;
        page->length = stream.total_out;
    } else {
        free(packed);
    }
    (void)deflateEnd(&stream);
    return done;
}

static bool add(struct MHD_Response *response, const char *name, const char *value)
{
    return MHD_add_response_header(response, name, value) == MHD_YES;
}

/* Calls of libmicrohttpd about a connection that it has accepted, or is about to close. */
static void connection_changed(void *context, struct MHD_Connection *connection, void **ours,
                               enum MHD_ConnectionNotificationCode code)
{
    const union MHD_ConnectionInfo *info;
    struct http_server *server = context;
    int fd;

    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        connections_remove(server->connections, *ours);
        *ours = NULL;
        return;
    }
    /* What one call returns lives until the next one. */
    info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (info == NULL)
        return;
    fd = info->connect_fd;
    info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (info != NULL)
        *ours = connections_add(server->connections, fd, info->client_addr, clock_monotonic_ns());
}

/* The client's next step begins. */
static void begin(struct http_server *server, struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    if (info != NULL)
        connections_begin(server->connections, info->socket_context, clock_monotonic_ns());
}

static void request_completed(void *context, struct MHD_Connection *connection, void **state,
                              enum MHD_RequestTerminationCode code)
{
    (void)state;
    (void)code;
    begin(context, connection);
}

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status,
                              struct MHD_Response *response, const char *type)
{
    const char *own = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "X-Request-ID");
    char id[REQUEST_ID_MAX + 1];
    enum MHD_Result result = MHD_NO;

    if (response == NULL)
        return MHD_NO;
    request_id_choose(id, own);
    if (add(response, "X-Request-ID", id) && add(response, "Content-Type", type) &&
        add(response, "X-Content-Type-Options", "nosniff") &&
        (status != MHD_HTTP_METHOD_NOT_ALLOWED || add(response, "Allow", "GET, HEAD")))
        result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

/* {"<key>":"<value>"} */
static enum MHD_Result answer_json(struct MHD_Connection *connection, unsigned status,
                                   const char *key, const char *value)
{
    char json[JSON_MAX];
    struct json_writer w;

    json_writer_init(&w, json, sizeof json);
    json_writer_begin_object(&w);
    json_writer_key_string(&w, key, value);
    json_writer_end_object(&w);
    if (w.overflow)
        return MHD_NO;
    return answer(connection, status,
                  MHD_create_response_from_buffer(w.len, json, MHD_RESPMEM_MUST_COPY), json_type);
}

static enum MHD_Result answer_metrics(struct http_server *server, struct MHD_Connection *connection)
{
    struct http_server_page page = {.text = NULL};
    char reason[HTTP_SERVER_REASON_MAX];
    struct MHD_Response *response;
    bool packed = false;

    if (server->metrics(server->context,
                        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Accept"), &page,
                        reason) != 0)
        return answer_json(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "detail", reason);
    if (accepts_gzip(MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Accept-Encoding")))
        packed = pack(&page);
    response = MHD_create_response_from_buffer(page.length, page.text, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        free(page.text);
        return MHD_NO;
    }
    if ((packed && !add(response, "Content-Encoding", "gzip")) ||
        !add(response, "Vary", "Accept, Accept-Encoding")) {
        MHD_destroy_response(response);
        return MHD_NO;
    }
    return answer(connection, MHD_HTTP_OK, response, page.content_type);
}

static enum MHD_Result answer_health(struct http_server *server, struct MHD_Connection *connection)
{
    const char *problem = server->problem(server->context);

    return problem == NULL
               ? answer_json(connection, MHD_HTTP_OK, "status", "ok")
               : answer_json(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "detail", problem);
}

static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_size, void **state)
{
    static char seen;
    struct http_server *server = context;
    bool metrics = strcmp(url, "/metrics") == 0, health = strcmp(url, "/healthz") == 0;

    (void)version;
    (void)upload;
    /* The first call is for the header alone; a body is read and dropped. */
    if (*state == NULL) {
        *state = &seen;
        return MHD_YES;
    }
    if (*upload_size > 0) {
        *upload_size = 0;
        return MHD_YES;
    }
    begin(server, connection);
    if (!metrics && !health)
        return answer_json(connection, MHD_HTTP_NOT_FOUND, "detail", "Not Found");
    /* libmicrohttpd leaves the body of an answer to HEAD out. */
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return answer_json(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "detail", "Method Not Allowed");
    return metrics ? answer_metrics(server, connection) : answer_health(server, connection);
}

/* Half of the descriptors that we may have, at most: the other half is the exporter's. */
static size_t places(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 1;
    if (limit.rlim_cur < limit.rlim_max) {
        const struct rlimit all = {limit.rlim_max, limit.rlim_max};

        if (setrlimit(RLIMIT_NOFILE, &all) == 0)
            limit = all;
    }
    if (limit.rlim_cur >= 2 * CONNECTIONS_MAX)
        return CONNECTIONS_MAX;
    return limit.rlim_cur >= 2 ? limit.rlim_cur / 2 : 1;
}

/* Returns 0, or -1 and leaves socket_fd open. */
static int start(struct http_server *server, int socket_fd)
{
    const size_t most = places();
    const union MHD_DaemonInfo *info;

    server->connections = connections_open(most);
    if (server->connections == NULL)
        return -1;
    /* libmicrohttpd's own timeout begins anew with each byte: 0 is none. */
    server->daemon = MHD_start_daemon(
        MHD_USE_EPOLL, 0, NULL, NULL, handle, server, MHD_OPTION_LISTEN_SOCKET, socket_fd,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)(most + CLOSING_MAX), MHD_OPTION_CONNECTION_TIMEOUT,
        0U, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
        MHD_OPTION_NOTIFY_CONNECTION, connection_changed, server, MHD_OPTION_NOTIFY_COMPLETED,
        request_completed, server, MHD_OPTION_END);
    if (server->daemon == NULL)
        return -1;
    info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (info == NULL) {
        (void)MHD_quiesce_daemon(server->daemon);
        return -1;
    }
    server->fd = info->epoll_fd;
    return 0;
}

struct http_server *http_server_open(const char *listen, http_server_metrics *metrics,
                                     http_server_problem *problem, void *context,
                                     char reason[HTTP_SERVER_REASON_MAX])
{
    struct http_server *server = calloc(1, sizeof *server);
    int socket_fd;

    if (server == NULL) {
        (void)snprintf(reason, HTTP_SERVER_REASON_MAX, "out of memory");
        return NULL;
    }
    server->metrics = metrics;
    server->problem = problem;
    server->context = context;
    socket_fd = open_socket(listen, reason);
    if (socket_fd < 0) {
        free(server);
        return NULL;
    }
    if (start(server, socket_fd) != 0) {
        (void)snprintf(reason, HTTP_SERVER_REASON_MAX, "the HTTP server can't be started");
        (void)close(socket_fd);
        http_server_close(server);
        return NULL;
    }
    return server;
}

void http_server_close(struct http_server *server)
{
    if (server == NULL)
        return;
    if (server->daemon != NULL)
        MHD_stop_daemon(server->daemon);
    connections_close(server->connections);
    free(server);
}

int http_server_fd(const struct http_server *server)
{
    return server->fd;
}

uint64_t http_server_timeout_ms(const struct http_server *server)
{
    const uint64_t now = clock_monotonic_ns(), due = connections_expire(server->connections, now);
    MHD_UNSIGNED_LONG_LONG timeout;
    uint64_t ms = UINT64_MAX;

    if (due != UINT64_MAX)
        ms = (due - now + CLOCK_NS_PER_MS - 1) / CLOCK_NS_PER_MS;
    return MHD_get_timeout(server->daemon, &timeout) == MHD_YES && timeout < ms ? timeout : ms;
}

void http_server_run(struct http_server *server)
{
    (void)MHD_run(server->daemon);
}
