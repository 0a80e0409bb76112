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
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { ACCEPTS = 32 }; /* connections that are taken in one turn */

static struct proxy *of_listener(struct proxy_source *source)
{
    return (struct proxy *)((char *)source - offsetof(struct proxy, listener));
}

/*
 * Without descriptors or memory the next one waits in the queue until a connection ends: nothing
 * else would change that.
 */
static void accept_ready(struct proxy_source *source, uint32_t events)
{
    struct proxy *const proxy = of_listener(source);

    (void)events;
    for (int i = 0; i < ACCEPTS; i++) {
        const int fd = accept4(source->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            proxy_front_open(proxy, fd);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            (void)proxy_loop_watch(proxy->loop, source, 0);
            proxy_timer_set(proxy->loop, &proxy->pauses, &proxy->pause);
        }
        return;
    }
}

static void pause_due(struct proxy_timer *timer)
{
    struct proxy *const proxy = (struct proxy *)((char *)timer - offsetof(struct proxy, pause));

    if (!proxy->stopping)
        (void)proxy_loop_watch(proxy->loop, &proxy->listener, EPOLLIN);
}

/* No new connections; those without a request end, the others when theirs is answered. */
static void stop(struct proxy *proxy)
{
    struct proxy_front *next;

    proxy->stopping = true;
    (void)proxy_loop_watch(proxy->loop, &proxy->listener, 0);
    (void)close(proxy->listener.fd);
    proxy->listener.fd = -1;
    proxy_back_close_idle(proxy);
    for (struct proxy_front *front = proxy->fronts; front != NULL; front = next) {
        next = front->next;
        if (front->exchange == NULL) {
            front->closing = true;
            proxy_front_settle(front);
        }
    }
}

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
        stop(proxy);
}

/* A signal that comes twice ends what is under way. */
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
    return proxy->signals.fd >= 0 ? proxy_loop_watch(proxy->loop, &proxy->signals, EPOLLIN) : -1;
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
    proxy->listener = (struct proxy_source){.fd = fd, .ready = accept_ready};
    return fd >= 0 ? 0 : -1;
}

static void init_timers(struct proxy *proxy)
{
    const struct proxy_settings *const settings = proxy->settings;

    proxy_timer_queue_init(proxy->loop, &proxy->connects, settings->connect_timeout_ms);
    proxy_timer_queue_init(proxy->loop, &proxy->waits, settings->timeout_ms);
    proxy_timer_queue_init(proxy->loop, &proxy->ends, settings->end_timeout_ms);
    proxy_timer_queue_init(proxy->loop, &proxy->aborts, PROXY_ABORT_MS);
    proxy_timer_queue_init(proxy->loop, &proxy->keeps, settings->keep_time_ms);
    proxy_timer_queue_init(proxy->loop, &proxy->lingers, PROXY_LINGER_MS);
    proxy_timer_queue_init(proxy->loop, &proxy->pauses, PROXY_PAUSE_MS);
    proxy->pause.due = pause_due;
}

static int open_proxy(struct proxy *proxy)
{
    static const struct resource_service service = {"microtrace-proxy", MICROTRACE_VERSION,
                                                    "https://opentelemetry.io/schemas/1.45.0"};
    static struct observer observer;
    const struct proxy_settings *const settings = proxy->settings;

    proxy->loop = proxy_loop_open();
    proxy->scratch = malloc(PROXY_HEAD_MAX + PROXY_HEAD_ADDED_MAX);
    proxy->scripts = proxy_scripts_open();
    proxy->telemetry = telemetry_open(&settings->telemetry, &service);
    if (proxy->loop == NULL || proxy->scratch == NULL || proxy->scripts == NULL ||
        proxy->telemetry == NULL || proxy_chunk_init(&proxy->chunk, settings->buffer_bytes) != 0) {
        message_print("can't start: %s", strerror(errno));
        return -1;
    }
    proxy->observer = &observer;
    observer_init(&observer, &settings->observer, proxy->telemetry);
    init_timers(proxy);
    if (watch_signals(proxy) != 0 ||
        proxy_loop_watch(proxy->loop, &proxy->listener, EPOLLIN) != 0) {
        message_print("can't wait for events: %s", strerror(errno));
        return -1;
    }
    return 0;
}

static void close_proxy(struct proxy *proxy)
{
    while (proxy->fronts != NULL) {
        if (proxy->fronts->exchange != NULL)
            proxy_exchange_fail(proxy->fronts->exchange, PROXY_CLIENT_GONE);
        proxy_front_close(proxy->fronts);
    }
    proxy_back_close_idle(proxy);
    if (proxy->settings->listen != NULL && proxy->listen.any.sa_family == AF_UNIX)
        (void)unlink(proxy->listen.un.sun_path);
    proxy_loop_close(proxy->loop);
    observer_free(proxy->observer);
    telemetry_close(proxy->telemetry);
    proxy_scripts_free(proxy->scripts);
    free(proxy->scratch);
    free(proxy->chunk.memory);
}

static int serve(struct proxy *proxy)
{
    while (!proxy->stopped && !(proxy->stopping && proxy->fronts == NULL)) {
        if (proxy_loop_turn(proxy->loop) != 0) {
            message_print("epoll_wait: %s", strerror(errno));
            return -1;
        }
        telemetry_refresh(proxy->telemetry);
    }
    return 0;
}

/* The addresses can be read; without --check also listened on. */
static int read_addresses(struct proxy *proxy)
{
    const struct proxy_settings *const settings = proxy->settings;
    char reason[PROXY_ADDRESS_REASON_MAX];

    if (proxy_address_parse(&proxy->upstream, settings->upstream, reason) != 0 ||
        (settings->listen != NULL &&
         proxy_address_parse(&proxy->listen, settings->listen, reason) != 0) ||
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
    if (open_proxy(&proxy) != 0)
        return EXIT_FAILURE;
    result = serve(&proxy);
    close_proxy(&proxy);
    return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
