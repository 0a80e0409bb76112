/*
 * What a service tells the service manager that has started it: sd_notify(3) and
 * sd_watchdog_enabled(3), the protocol of which are datagrams of NAME=value lines to the socket
 * that NOTIFY_SOCKET names. Where no manager asks, nothing is sent and nothing costs a system call.
 */
#ifndef LIB_BASE_NOTIFY_H
#define LIB_BASE_NOTIFY_H

#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

enum {
    NOTIFY_TEXT_MAX = 512, /* bytes of a message with its NUL; a longer status is cut */
};

struct notify {
    int fd; /* -1: nobody asks */
    socklen_t size;
    struct sockaddr_un address;
    uint64_t ping_ms; /* between two calls of notify_ping; 0: none are expected */
};

/*
 * Reads NOTIFY_SOCKET (a path, or an abstract name that begins with @), WATCHDOG_USEC and
 * WATCHDOG_PID, and takes them out of the environment: what this process starts is not the service.
 * Call it before there are threads. A socket that can't be used counts as none.
 */
void notify_open(struct notify *notify);

/* For a process that does not speak for the service, a fork for example. */
void notify_close(struct notify *notify);

/*
 * READY=1 and a status: the service has started. Waits up to a second where the manager's queue is
 * full, since a start that is not reported counts as failed. Returns 0, also where nobody asks, or
 * -1 with errno.
 */
int notify_ready(const struct notify *notify, const char *status);

/*
 * STATUS=: one line for people (`systemctl status`). Never waits: what the manager's queue has no
 * room for is dropped. So do those that follow. Threads may call them together.
 */
void notify_status(const struct notify *notify, const char *status);

/* WATCHDOG=1: this process goes on. To be called each `ping_ms`, half of what the manager allows.
 */
void notify_ping(const struct notify *notify);

/* STOPPING=1: it ends, and that is no failure. */
void notify_stopping(const struct notify *notify);

#endif
