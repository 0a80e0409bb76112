#include "metrics-agent/scrape/http_server.h"

#include "lib/base/clock.h"
#include "lib/base/text.h"
#include "metrics-agent/scrape/connections.h"
#include "metrics-agent/scrape/http_answer.h"
#include "metrics-agent/scrape/http_page.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    HOST_MAX = 256,
    /* Until they are accepted new clients wait here, and the kernel turns away what is beyond. */
    BACKLOG = 4096,
    /* That libmicrohttpd accepts before it sees that others were shut down: two rounds of ten. */
    CLOSING_MAX = 64,
    CONNECTION_MEMORY = 32768,
};

struct http_server {
    struct MHD_Daemon *daemon;
    struct connections *connections;
    struct http_page *page; /* NULL for none */
    const char *listen;
    bool local;
    int fd;
    http_server_metrics *metrics;
    http_server_problem *problem;
    void *context;
};

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

/* Whether only this machine can reach the socket. */
static bool is_local(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = {.any.sa_family = AF_UNSPEC};
    socklen_t size = sizeof address;

    if (getsockname(fd, &address.any, &size) != 0)
        return false;
    if (address.any.sa_family == AF_INET)
        return ntohl(address.v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    return address.any.sa_family == AF_INET6 &&
           (IN6_IS_ADDR_LOOPBACK(&address.v6.sin6_addr) ||
            (IN6_IS_ADDR_V4MAPPED(&address.v6.sin6_addr) &&
             address.v6.sin6_addr.s6_addr[12] == IN_LOOPBACKNET));
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

/* The state of a request that is not the page's, once its header was seen. */
static char seen;

/* The first call of libmicrohttpd about a request: what it returns is the request's state. */
static void *request_begun(void *context, const char *uri, struct MHD_Connection *connection)
{
    struct http_server *server = context;

    (void)connection;
    return server->page != NULL ? http_page_begin(uri) : NULL;
}

static void request_completed(void *context, struct MHD_Connection *connection, void **state,
                              enum MHD_RequestTerminationCode code)
{
    struct http_server *server = context;

    (void)code;
    if (*state != NULL && *state != &seen)
        http_page_end(server->page, *state);
    *state = NULL;
    begin(server, connection);
}

/* {"<key>":"<value>"} */
static enum MHD_Result answer_json(struct MHD_Connection *connection, unsigned status,
                                   const char *key, const char *value)
{
    return http_answer_send(connection, status, http_answer_json(key, value),
                            http_answer_json_type);
}

static enum MHD_Result answer_metrics(struct http_server *server, struct MHD_Connection *connection)
{
    struct http_answer answer = {.text = NULL};
    char reason[HTTP_SERVER_REASON_MAX];
    struct MHD_Response *response;
    bool packed = false;

    if (server->metrics(server->context,
                        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Accept"), &answer,
                        reason) != 0)
        return answer_json(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "detail", reason);
    if (http_answer_accepts_gzip(
            MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Accept-Encoding")))
        packed = http_answer_pack(&answer);
    response = MHD_create_response_from_buffer(answer.length, answer.text, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        free(answer.text);
        return MHD_NO;
    }
    if ((packed && !http_answer_add(response, "Content-Encoding", "gzip")) ||
        !http_answer_add(response, "Vary", "Accept, Accept-Encoding")) {
        MHD_destroy_response(response);
        return MHD_NO;
    }
    return http_answer_send(connection, MHD_HTTP_OK, response, answer.content_type);
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
    if (*state != &seen)
        return http_page_handle(server->page, *state, connection, method);
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
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, handle, server,
        MHD_OPTION_LISTEN_SOCKET, socket_fd, MHD_OPTION_URI_LOG_CALLBACK, request_begun, server,
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
    server->listen = listen;
    server->local = is_local(socket_fd);
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
    if (server->page != NULL && server->daemon != NULL) {
        http_page_stop(server->page);
        /* Who waited is answered. */
        (void)MHD_run(server->daemon);
    }
    if (server->daemon != NULL)
        MHD_stop_daemon(server->daemon);
    http_page_close(server->page);
    connections_close(server->connections);
    free(server);
}

bool http_server_is_local(const struct http_server *server)
{
    return server->local;
}

int http_server_add_page(struct http_server *server, struct page *page)
{
    server->page = http_page_open(page, server->listen);
    return server->page != NULL ? 0 : -1;
}

int http_server_fd(const struct http_server *server)
{
    return server->fd;
}

uint64_t http_server_timeout_ms(const struct http_server *server)
{
    const uint64_t now = clock_monotonic_ns();
    const uint64_t page_due = server->page != NULL ? http_page_run(server->page, now) : UINT64_MAX;
    uint64_t due = connections_expire(server->connections, now), ms = UINT64_MAX;
    MHD_UNSIGNED_LONG_LONG timeout;

    if (page_due < due)
        due = page_due > now ? page_due : now;
    if (due != UINT64_MAX)
        ms = (due - now + CLOCK_NS_PER_MS - 1) / CLOCK_NS_PER_MS;
    return MHD_get_timeout(server->daemon, &timeout) == MHD_YES && timeout < ms ? timeout : ms;
}

void http_server_run(struct http_server *server)
{
    (void)MHD_run(server->daemon);
}
