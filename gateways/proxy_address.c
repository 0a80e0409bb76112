#include "gateways/proxy_address.h"

#include "lib/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    BACKLOG = 4096, /* the kernel cuts it to net.core.somaxconn */
    FIRST_PASSED = 3,
    HOST_SIZE = 256,
    PORT_SIZE = 6,
};

static int parse_unix(struct proxy_address *address, const char *path,
                      char reason[PROXY_ADDRESS_REASON_MAX])
{
    if (path[0] == '\0') {
        (void)snprintf(reason, PROXY_ADDRESS_REASON_MAX, "%.120s: the path is missing",
                       address->text);
        return -1;
    }
    if (strlen(path) >= sizeof(address->un.sun_path)) {
        (void)snprintf(reason, PROXY_ADDRESS_REASON_MAX,
                       "%.120s: a unix socket's path has at most %zu bytes", path,
                       sizeof(address->un.sun_path) - 1);
        return -1;
    }
    memset(&address->un, 0, sizeof(address->un));
    address->un.sun_family = AF_UNIX;
    memcpy(address->un.sun_path, path, strlen(path));
    address->size = sizeof(address->un);
    return 0;
}

static int parse_inet(struct proxy_address *address, char reason[PROXY_ADDRESS_REASON_MAX])
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    char host[HOST_SIZE], port[PORT_SIZE];
    struct text host_text, port_text;
    struct addrinfo *found;
    int failed;

    if (text_split_host_port(text_of(address->text), &host_text, &port_text) != 0 ||
        port_text.at == NULL || host_text.len >= sizeof(host) || port_text.len >= sizeof(port)) {
        (void)snprintf(reason, PROXY_ADDRESS_REASON_MAX,
                       "%.120s: a socket is /PATH, unix:/PATH or HOST:PORT", address->text);
        return -1;
    }
    *(char *)mempcpy(host, host_text.at, host_text.len) = '\0';
    *(char *)mempcpy(port, port_text.at, port_text.len) = '\0';
    failed = getaddrinfo(host, port, &hints, &found);
    if (failed != 0) {
        (void)snprintf(reason, PROXY_ADDRESS_REASON_MAX, "%.120s: %s", address->text,
                       gai_strerror(failed));
        return -1;
    }
    memcpy(&address->storage, found->ai_addr, found->ai_addrlen);
    address->size = found->ai_addrlen;
    freeaddrinfo(found);
    return 0;
}

int proxy_address_parse(struct proxy_address *address, const char *text,
                        char reason[PROXY_ADDRESS_REASON_MAX])
{
    static const char unix_prefix[] = "unix:";

    address->text = text;
    if (strncmp(text, unix_prefix, sizeof(unix_prefix) - 1) == 0)
        return parse_unix(address, text + sizeof(unix_prefix) - 1, reason);
    return text[0] == '/' ? parse_unix(address, text, reason) : parse_inet(address, reason);
}

bool proxy_address_is_same(const struct proxy_address *a, const struct proxy_address *b)
{
    return a->size == b->size && memcmp(&a->storage, &b->storage, a->size) == 0;
}

static int open_socket(const struct proxy_address *address)
{
    const int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int yes = 1;

    /* Many records are smaller than a packet, and each is wanted at once. */
    if (fd >= 0 && address->any.sa_family != AF_UNIX)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    return fd;
}

int proxy_address_connect(const struct proxy_address *address, bool *connecting)
{
    const int fd = open_socket(address);
    int error;

    *connecting = false;
    if (fd < 0)
        return -1;
    if (connect(fd, &address->any, address->size) == 0)
        return fd;
    if (errno == EINPROGRESS) {
        *connecting = true;
        return fd;
    }
    error = errno;
    (void)close(fd);
    errno = error;
    return -1;
}

/* Whether somebody listens on the unix socket; one that nobody does is in the way. */
static bool is_in_use(const struct proxy_address *address)
{
    bool connecting;
    const int fd = proxy_address_connect(address, &connecting);

    if (fd >= 0)
        (void)close(fd);
    return fd >= 0 || errno == EAGAIN;
}

static void remove_stale(const struct proxy_address *address)
{
    struct stat status;

    if (lstat(address->un.sun_path, &status) == 0 && S_ISSOCK(status.st_mode) &&
        !is_in_use(address))
        (void)unlink(address->un.sun_path);
}

int proxy_address_listen(const struct proxy_address *address, uint32_t mode,
                         char reason[PROXY_ADDRESS_REASON_MAX])
{
    const bool is_unix = address->any.sa_family == AF_UNIX;
    const int fd = open_socket(address);
    const int yes = 1;
    mode_t mask = 0;
    int bound = -1;

    if (fd >= 0) {
        if (is_unix) {
            remove_stale(address);
            mask = umask(0777 & ~mode);
        } else {
            (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
        }
        bound = bind(fd, &address->any, address->size);
        if (is_unix)
            (void)umask(mask);
    }
    if (fd >= 0 && bound == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    (void)snprintf(reason, PROXY_ADDRESS_REASON_MAX, "can't listen on %.120s: %s", address->text,
                   strerror(errno));
    if (fd >= 0)
        (void)close(fd);
    return -1;
}

static bool listens(int fd)
{
    int value = 0;
    socklen_t size = sizeof(value);

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &size) == 0 && value != 0;
}

/* The variables are for one process, and not for what it starts. */
static int passed_by_systemd(void)
{
    const char *const pid = getenv("LISTEN_PID"), *const count = getenv("LISTEN_FDS");
    uint64_t number;

    if (pid == NULL || count == NULL || text_parse_uint(text_of(pid), &number) != 0 ||
        number != (uint64_t)getpid() || text_parse_uint(text_of(count), &number) != 0 ||
        number == 0)
        return -1;
    return listens(FIRST_PASSED) ? FIRST_PASSED : -1;
}

int proxy_address_inherited(void)
{
    int fd = passed_by_systemd();

    if (fd < 0 && listens(STDIN_FILENO))
        fd = STDIN_FILENO;
    if (fd < 0)
        return -1;
    if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
        return -1;
    return fd;
}
