#include "gateways/cgi_listen.h"

#include "lib/base/message.h"
#include "lib/base/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    BACKLOG = 511,
    IDLE_S = 2,
    SYSTEMD_FD = 3, /* sd_listen_fds(3) */
    HOST_MAX = 64,
};

static const char unix_prefix[] = "unix:";

volatile sig_atomic_t cgi_listen_stopping;
static int nowhere = -1;

union address {
    struct sockaddr any;
    struct sockaddr_un un;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

/* Reads ADDRESS:PORT or [ADDRESS]:PORT. */
static int read_host_port(const char *text, int family, void *address, in_port_t *port)
{
    struct text host, number;
    char name[HOST_MAX];
    uint64_t value;

    if (text_split_host_port(text_of(text), &host, &number) != 0 || number.at == NULL ||
        host.len >= sizeof(name) || text_parse_uint(number, &value) != 0 || value == 0)
        return -1;
    memcpy(name, host.at, host.len);
    name[host.len] = '\0';
    *port = htons((uint16_t)value);
    return inet_pton(family, name, address) == 1 ? 0 : -1;
}

/* Returns the address's size, or 0. */
static socklen_t read_url(const char *url, union address *address)
{
    memset(address, 0, sizeof(*address));
    if (strncmp(url, unix_prefix, sizeof(unix_prefix) - 1) == 0) {
        const char *const path = url + sizeof(unix_prefix) - 1;

        address->un.sun_family = AF_UNIX;
        if (path[0] == '\0' || strlen(path) >= sizeof(address->un.sun_path))
            return 0;
        (void)strcpy(address->un.sun_path, path);
        return sizeof(address->un);
    }
    if (strncmp(url, "tcp:", 4) == 0) {
        address->in.sin_family = AF_INET;
        return read_host_port(url + 4, AF_INET, &address->in.sin_addr, &address->in.sin_port) == 0
                   ? sizeof(address->in)
                   : 0;
    }
    if (strncmp(url, "tcp6:[", 6) == 0) {
        address->in6.sin6_family = AF_INET6;
        return read_host_port(url + 5, AF_INET6, &address->in6.sin6_addr,
                              &address->in6.sin6_port) == 0
                   ? sizeof(address->in6)
                   : 0;
    }
    return 0;
}

/*
 * A socket's file that a process has left behind keeps others from using its name. connect(2)
 * refuses any other file as well, and that is not ours to remove.
 */
static void remove_stale(const union address *address, socklen_t size)
{
    struct stat status;
    int fd;

    if (lstat(address->un.sun_path, &status) != 0 || !S_ISSOCK(status.st_mode))
        return;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    if (connect(fd, &address->any, size) != 0 && errno == ECONNREFUSED)
        (void)unlink(address->un.sun_path);
    (void)close(fd);
}

static int take(int fd)
{
    if (fd == CGI_LISTEN_FD)
        return fcntl(fd, F_SETFD, FD_CLOEXEC);
    if (dup3(fd, CGI_LISTEN_FD, O_CLOEXEC) < 0)
        return -1;
    return close(fd);
}

/* As read_url; says on stderr what is wrong. */
static socklen_t read_named(const char *url, union address *address)
{
    const socklen_t size = read_url(url, address);

    if (size == 0)
        message_print("--listen: \"%s\" can't be used; it takes unix:/path, tcp:127.0.0.1:9000 or "
                      "tcp6:[::1]:9000",
                      url);
    return size;
}

int cgi_listen_check(const char *url)
{
    union address address;

    return url == NULL || read_named(url, &address) > 0 ? 0 : -1;
}

static int open_url(const char *url)
{
    union address address;
    const socklen_t size = read_named(url, &address);
    const int on = 1;
    int fd;

    if (size == 0)
        return -1;
    if (address.any.sa_family == AF_UNIX)
        remove_stale(&address, size);
    fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(fd, &address.any, size) != 0 || listen(fd, BACKLOG) != 0 || take(fd) != 0) {
        message_print("can't listen on %s: %s", url, strerror(errno));
        return -1;
    }
    return 0;
}

int cgi_listen_is_ready(void)
{
    int listens = 0;
    socklen_t size = sizeof(listens);

    return getsockopt(CGI_LISTEN_FD, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens;
}

int cgi_listen(const char *url)
{
    const char *const pid = getenv("LISTEN_PID"), *const count = getenv("LISTEN_FDS");

    if (url != NULL)
        return open_url(url);
    if (pid != NULL && count != NULL && atoi(pid) == getpid() && atoi(count) > 0 &&
        take(SYSTEMD_FD) != 0) {
        message_print("can't use the socket that systemd passes: %s", strerror(errno));
        return -1;
    }
    if (!cgi_listen_is_ready()) {
        message_print("there is no socket to listen on: give --listen, or start it by a web "
                      "server, spawn-fcgi or systemd; see microtrace-cgi --help");
        return -1;
    }
    return fcntl(CGI_LISTEN_FD, F_SETFD, FD_CLOEXEC);
}

void cgi_listen_end(const char *url)
{
    const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    if (fd >= 0) {
        (void)dup3(fd, CGI_LISTEN_FD, O_CLOEXEC);
        (void)close(fd);
    }
    if (url != NULL && strncmp(url, unix_prefix, sizeof(unix_prefix) - 1) == 0)
        (void)unlink(url + sizeof(unix_prefix) - 1);
}

/*
 * A flag alone would be too late for a process that is just about to wait in accept. A listening
 * socket that has turned into something else fails accept at once.
 */
static void stop(int signal_number)
{
    const int saved = errno;

    (void)signal_number;
    cgi_listen_stopping = 1;
    (void)dup2(nowhere, CGI_LISTEN_FD);
    errno = saved;
}

int cgi_listen_stop_on_signals(void)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGUSR1};
    const struct sigaction action = {.sa_handler = stop};
    const struct timeval idle = {.tv_sec = IDLE_S};
    int domain = 0;
    socklen_t size = sizeof(domain);

    nowhere = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (nowhere < 0)
        return -1;
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        if (sigaction(signals[i], &action, NULL) != 0)
            return -1;
    }
    /* Not over TCP, where connections inherit the limit. */
    if (getsockopt(CGI_LISTEN_FD, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX)
        (void)setsockopt(CGI_LISTEN_FD, SOL_SOCKET, SO_RCVTIMEO, &idle, sizeof(idle));
    return 0;
}

int cgi_listen_accept(void)
{
    for (;;) {
        const int fd = accept4(CGI_LISTEN_FD, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd >= 0)
            return fd;
        if (cgi_listen_stopping) {
            errno = 0;
            return -1;
        }
        /* Errors of one connection, which accept(2) passes on, are no reason to end. */
        if (errno == EAGAIN || errno == EBADF || errno == ENOTSOCK || errno == EINVAL ||
            errno == EOPNOTSUPP || errno == EFAULT || errno == EMFILE || errno == ENFILE ||
            errno == ENOMEM)
            return -1;
    }
}
