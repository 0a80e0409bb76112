#include "lib/base/notify.h"

#include "lib/base/descriptor.h"
#include "lib/base/printable.h"
#include "lib/base/text.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    READY_TRIES = 20, /* READY_PAUSE_MS apart: one second */
    READY_PAUSE_MS = 50,
    USEC_PER_MS = 1000,
};

/* A path, or @ and an abstract name. Returns the address's size, or 0. */
static socklen_t read_address(struct sockaddr_un *address, const char *name)
{
    const size_t length = strlen(name);

    if ((name[0] != '/' && name[0] != '@') || length < 2 || length >= sizeof(address->sun_path))
        return 0;
    memset(address, 0, sizeof(*address));
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, name, length);
    if (name[0] == '/')
        return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + 1);
    /* Its size, not a NUL, ends an abstract name. */
    address->sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

static uint64_t read_uint(const char *name)
{
    const char *const text = getenv(name);
    uint64_t value;

    return text != NULL && text_parse_uint(text_of(text), &value) == 0 ? value : 0;
}

void notify_open(struct notify *notify)
{
    static const char *const names[] = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"};
    const char *const socket_name = getenv(names[0]);
    const uint64_t usec = read_uint(names[1]), pid = read_uint(names[2]);

    *notify = (struct notify){.fd = -1};
    if (socket_name != NULL && (notify->size = read_address(&notify->address, socket_name)) > 0)
        notify->fd = descriptor_move(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (notify->fd >= 0 && usec > 0 && (getenv(names[2]) == NULL || pid == (uint64_t)getpid()))
        notify->ping_ms = usec / USEC_PER_MS / 2 > 0 ? usec / USEC_PER_MS / 2 : 1;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        (void)unsetenv(names[i]);
}

void notify_close(struct notify *notify)
{
    if (notify->fd >= 0)
        (void)close(notify->fd);
    *notify = (struct notify){.fd = -1};
}

/* Returns 0, or -1 with errno. */
static int send_text(const struct notify *notify, const char *text)
{
    const struct sockaddr *const address = (const struct sockaddr *)&notify->address;

    if (notify->fd < 0)
        return 0;
    return sendto(notify->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT, address,
                  notify->size) < 0
               ? -1
               : 0;
}

/* Behind `first`, in one line. */
static void write_status(char text[NOTIFY_TEXT_MAX], const char *first, const char *status)
{
    const size_t length = (size_t)snprintf(text, NOTIFY_TEXT_MAX, "%sSTATUS=", first);
    const size_t wrote =
        printable_copy(text + length, NOTIFY_TEXT_MAX - length - 1, status, strlen(status));

    text[length + wrote] = '\0';
}

int notify_ready(const struct notify *notify, const char *status)
{
    char text[NOTIFY_TEXT_MAX];
    int result = -1;

    write_status(text, "READY=1\n", status);
    for (int i = 0; i < READY_TRIES && result != 0; i++) {
        result = send_text(notify, text);
        if (result != 0 && errno != EAGAIN && errno != EINTR && errno != ENOBUFS)
            break;
        if (result != 0)
            (void)poll(NULL, 0, READY_PAUSE_MS);
    }
    return result;
}

void notify_status(const struct notify *notify, const char *status)
{
    char text[NOTIFY_TEXT_MAX];

    write_status(text, "", status);
    (void)send_text(notify, text);
}

void notify_ping(const struct notify *notify)
{
    if (notify->ping_ms > 0)
        (void)send_text(notify, "WATCHDOG=1");
}

void notify_stopping(const struct notify *notify)
{
    (void)send_text(notify, "STOPPING=1\nSTATUS=ending");
}
