/*
 * Connections are accepted here and then given to libfcgi, for two reasons: a stop request must
 * neither be missed while waiting nor lose a connection that was just accepted, and the wait that
 * libfcgi makes after each accept and before each close would cost two system calls a request.
 */
#include "fcgi-app/gateway.h"

#include "fcgi-app/route.h"
#include "lib/base/clock.h"
#include "lib/base/message.h"

#include <assert.h>
#include <errno.h>
#include <fcgiapp.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum {
    LISTENING = 0, /* FastCGI 1.0 specification, section 2.2 */
    /* An accept that takes no longer has found a connection that was there already. */
    QUEUED_NS = 100000,
    PATIENCE_NS = 10000000, /* that no client falls short of */
    IDLE_S = 2,             /* without a request, before the caller may see to other things */
};

struct gateway_fcgi {
    struct gateway base;
    FCGX_Request fcgi;
    int64_t unread;    /* bytes of the body that were not read; negative: not known */
    uint64_t empty_ns; /* when nobody stood in the queue, the last time that is known */
    bool stale;        /* the last request was abandoned: those behind it may be, too */
};

/* What the signal handler needs. */
static volatile sig_atomic_t stopping;
static volatile sig_atomic_t connection = -1;
static int nowhere = -1; /* /dev/null */

/* The server sends a request in one go; after a stop request it gets this long for the rest. */
static void limit_waiting(int fd)
{
    const struct timeval second = {.tv_sec = 1};

    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
}

/*
 * Wakes accept now and then, at no cost for a request. Not over TCP, where connections inherit the
 * limit of the listening socket.
 */
static void limit_idling(void)
{
    const struct timeval idle = {.tv_sec = IDLE_S};
    int domain = 0;
    socklen_t size = sizeof(domain);

    if (getsockopt(LISTENING, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX)
        (void)setsockopt(LISTENING, SOL_SOCKET, SO_RCVTIMEO, &idle, sizeof(idle));
}

/*
 * A flag alone would be too late for a process that is just about to wait in accept. A listening
 * socket that has turned into something else fails accept at once, also when accept is restarted.
 */
static void stop(int signal_number)
{
    int saved = errno;

    (void)signal_number;
    stopping = 1;
    (void)dup2(nowhere, LISTENING);
    if (connection >= 0)
        limit_waiting(connection);
    errno = saved;
}

static int install_handlers(void)
{
    /* With SA_RESTART a signal can't break a request that is being read. */
    struct sigaction action = {.sa_handler = stop, .sa_flags = SA_RESTART};
    static const int signals[] = {SIGTERM, SIGINT, SIGUSR1};

    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        if (sigaction(signals[i], &action, NULL) != 0)
            return -1;
    }
    return 0;
}

/* A connection, or -1: with errno 0 if the process is to end, EAGAIN if none comes. */
static int accept_connection(void)
{
    for (;;) {
        int fd = accept(LISTENING, NULL, NULL);

        if (fd >= 0) {
            connection = fd;
            if (stopping)
                limit_waiting(fd);
            return fd;
        }
        if (stopping) {
            errno = 0;
            return -1;
        }
        if (errno == EAGAIN)
            return -1;
        /* Errors of one connection, which accept(2) passes on, are no reason to end. */
        if (errno == EBADF || errno == ENOTSOCK || errno == EINVAL || errno == EOPNOTSUPP ||
            errno == EFAULT || errno == EMFILE || errno == ENFILE || errno == ENOMEM)
            return -1;
    }
}

/* Accepts the next connection, and tells whether it may have stood in the queue for long. */
static int take_connection(struct gateway_fcgi *gateway, bool *queued)
{
    const uint64_t asked_ns = clock_monotonic_ns();
    const int fd = accept_connection();
    const uint64_t now_ns = clock_monotonic_ns();
    const bool waited = now_ns - asked_ns >= QUEUED_NS && !gateway->stale;

    /* So long a wait may have been a stop, during which others came. */
    *queued = now_ns - (waited ? asked_ns : gateway->empty_ns) >= PATIENCE_NS;
    /* It had to wait; whether others came while we did not run is not known. */
    if (waited)
        gateway->empty_ns = asked_ns;
    return fd;
}

/*
 * Whether the server has closed the connection. Only where the request stood in a queue: one that
 * has just come is not worth a system call. Over TCP a close can't be told from a half-close.
 */
static bool is_abandoned(int fd)
{
    struct pollfd peer = {.fd = fd};

    return poll(&peer, 1, 0) == 1 && (peer.revents & POLLHUP) != 0;
}

static int next(struct gateway *base, struct request *request)
{
    struct gateway_fcgi *gateway = (struct gateway_fcgi *)base;
    bool queued = false;

    for (;;) {
        /* A server may ask to keep the connection (FCGI_KEEP_CONN); then it is still open. */
        if (gateway->fcgi.ipcFd < 0) {
            connection = -1;
            gateway->fcgi.ipcFd = take_connection(gateway, &queued);
            if (gateway->fcgi.ipcFd < 0 && errno == 0)
                return GATEWAY_END;
            if (gateway->fcgi.ipcFd < 0 && errno == EAGAIN)
                return GATEWAY_IDLE;
            if (gateway->fcgi.ipcFd < 0) {
                message_print("accept: %s", strerror(errno));
                return -1;
            }
            /* FCGX_Accept_r closes what it takes for the last request's connection. */
            gateway->fcgi.keepConnection = 1;
        }
        if (FCGX_Accept_r(&gateway->fcgi) == 0)
            break;
        /* That connection brought no request; libfcgi has closed it. */
    }
    request_from_environment(request, (const char *const *)gateway->fcgi.envp);
    request_path_of_program(request, route_is);
    gateway->unread = request->content_length;
    request->abandoned = queued && is_abandoned(gateway->fcgi.ipcFd);
    gateway->stale = request->abandoned;
    return GATEWAY_REQUEST;
}

static size_t read_body(struct gateway *base, char *buffer, size_t length)
{
    struct gateway_fcgi *gateway = (struct gateway_fcgi *)base;
    size_t got = 0;

    while (got < length) {
        int n = FCGX_GetStr(buffer + got, (int)(length - got), gateway->fcgi.in);

        if (n <= 0)
            break;
        got += (size_t)n;
    }
    if (gateway->unread >= 0)
        gateway->unread -= (int64_t)got;
    return got;
}

static bool reply(struct gateway *base, const struct reply *reply)
{
    struct gateway_fcgi *gateway = (struct gateway_fcgi *)base;
    char head[REPLY_HEAD_MAX];
    size_t head_length = reply_write_head(reply, head);
    bool delivered;

    (void)FCGX_PutStr(head, (int)head_length, gateway->fcgi.out);
    (void)FCGX_PutStr(reply->body.buf, (int)reply_body_length(reply), gateway->fcgi.out);
    /*
     * A close with unread data resets the connection and may take the answer with it, so libfcgi
     * by default waits for the server to close first. When all has been read there is no need to.
     */
    if (gateway->unread <= 0 && FCGX_GetChar(gateway->fcgi.in) == EOF)
        FCGX_Detach(&gateway->fcgi);
    else
        FCGX_Attach(&gateway->fcgi);
    /* In the order of FCGX_Finish_r, which does not say whether the last write went well. */
    delivered = FCGX_FClose(gateway->fcgi.err) == 0 && FCGX_FClose(gateway->fcgi.out) == 0;
    FCGX_Finish_r(&gateway->fcgi);
    return delivered;
}

static void drop(struct gateway *base)
{
    struct gateway_fcgi *gateway = (struct gateway_fcgi *)base;

    FCGX_Detach(&gateway->fcgi);
    FCGX_Finish_r(&gateway->fcgi);
}

struct gateway *gateway_fcgi(void)
{
    static struct gateway_fcgi gateway = {
        .base = {.next = next, .read_body = read_body, .reply = reply, .drop = drop},
    };

    /* libfcgi's own check of the peer's address is passed by; better refuse than ignore it. */
    if (getenv("FCGI_WEB_SERVER_ADDRS") != NULL) {
        message_print("FCGI_WEB_SERVER_ADDRS is not supported; listen on a Unix socket "
                      "or on a loopback address instead");
        return NULL;
    }
    errno = 0;
    nowhere = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (nowhere < 0 || FCGX_Init() != 0 || FCGX_InitRequest(&gateway.fcgi, -1, 0) != 0 ||
        install_handlers() != 0) {
        message_print("can't set up FastCGI: %s", strerror(errno));
        return NULL;
    }
    limit_idling();
    return &gateway.base;
}
