/*
 * microtrace-proxy: between a web server and any FastCGI server. One process, one loop; each
 * request is joined to a connection of its own, and passes as it comes.
 */
#include "gateways/proxy.h"

#include "lib/base/config_names.h"
#include "lib/base/descriptor.h"
#include "lib/base/message.h"
#include "lib/base/options.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* A signal that comes twice ends what is under way. */
static void signal_ready(struct proxy_source *source, uint32_t events)
{
    struct proxy *const proxy = (struct proxy *)((char *)source - offsetof(struct proxy, signals));
    struct signalfd_siginfo info;

    (void)events;
    if (read(source->fd, &info, sizeof(info)) != sizeof(info))
        return;
    if (proxy->stopping)
        proxy->stopped = true;
    else
        proxy_stop(proxy);
}

static int watch_signals(struct proxy *proxy)
{
    sigset_t set;

    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN);
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGUSR1); /* lighttpd's way to end a FastCGI program */
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return -1;
    proxy->signals = (struct proxy_source){.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK),
                                           .ready = signal_ready};
    if (proxy->signals.fd >= 0 && proxy_loop_watch(proxy->loop, &proxy->signals, EPOLLIN) == 0)
        return 0;
    message_print("can't wait for signals: %s", strerror(errno));
    return -1;
}

static void ping_due(struct proxy_timer *timer)
{
    struct proxy *const proxy = (struct proxy *)((char *)timer - offsetof(struct proxy, ping));

    notify_ping(&proxy->notify);
    proxy_timer_set(proxy->loop, &proxy->pings, &proxy->ping);
}

static void tell_ready(struct proxy *proxy)
{
    char status[NOTIFY_TEXT_MAX];

    (void)snprintf(status, sizeof(status), "passes requests on to %.400s",
                   proxy->settings->upstream);
    if (notify_ready(&proxy->notify, status) != 0)
        message_print("NOTIFY_SOCKET: the service manager can't be told: %s", strerror(errno));
    if (proxy->notify.ping_ms == 0)
        return;
    proxy->ping.due = ping_due;
    proxy_timer_queue_init(proxy->loop, &proxy->pings, proxy->notify.ping_ms);
    proxy_timer_set(proxy->loop, &proxy->pings, &proxy->ping);
}

/* As many descriptors as there may be: each request takes two. */
static void raise_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static int open_listener(struct proxy *proxy, char reason[PROXY_ADDRESS_REASON_MAX])
{
    int fd;

    if (proxy->settings->listen == NULL) {
        fd = proxy_address_inherited();
        if (fd < 0)
            (void)strcpy(reason, "--listen is missing, and no listening socket came with the "
                                 "process; see microtrace-proxy --help");
    } else {
        fd = proxy_address_listen(&proxy->listen, proxy->settings->mode, reason);
    }
    proxy->listener.fd = fd;
    return fd >= 0 ? 0 : -1;
}

static int serve(struct proxy *proxy)
{
    while (!proxy->stopped && !(proxy->stopping && proxy->fronts == NULL)) {
        if (proxy_turn(proxy) != 0) {
            message_print("epoll_wait: %s", strerror(errno));
            return -1;
        }
        telemetry_refresh(proxy->telemetry);
    }
    return 0;
}

/* Its own upstream would answer no request, and take all descriptors for the first one. */
static int parse_listen(struct proxy *proxy, char reason[PROXY_ADDRESS_REASON_MAX])
{
    if (proxy_address_parse(&proxy->listen, proxy->settings->listen, reason) != 0)
        return -1;
    if (!proxy_address_is_same(&proxy->listen, &proxy->upstream))
        return 0;
    (void)snprintf(reason, PROXY_ADDRESS_REASON_MAX,
                   "--listen and --upstream are the same socket, %.120s", proxy->settings->listen);
    return -1;
}

/* The addresses can be read; without --check also listened on. */
static int read_addresses(struct proxy *proxy)
{
    const struct proxy_settings *const settings = proxy->settings;
    char reason[PROXY_ADDRESS_REASON_MAX];

    if (proxy_address_parse(&proxy->upstream, settings->upstream, reason) != 0 ||
        (settings->listen != NULL && parse_listen(proxy, reason) != 0) ||
        (!settings->check && open_listener(proxy, reason) != 0)) {
        message_say(reason);
        return -1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    static struct proxy_settings settings;
    static struct proxy proxy = {.settings = &settings};
    int result;

    descriptor_reserve_standard();
    result = proxy_settings_read(&settings, argc, argv);
    if (result != OPTIONS_GO)
        return result;
    config_names_check(message_say);
    if (read_addresses(&proxy) != 0)
        return OPTIONS_USAGE;
    if (settings.check) {
        telemetry_settings_check(&settings.telemetry);
        return EXIT_SUCCESS;
    }
    raise_limit();
    notify_open(&proxy.notify);
    if (proxy_open(&proxy) != 0 || watch_signals(&proxy) != 0)
        return EXIT_FAILURE;
    tell_ready(&proxy);
    result = serve(&proxy);
    proxy_close(&proxy);
    return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
