#include "gateways/proxy.h"

#include "lib/base/message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ACCEPTS = 32,      /* connections that are taken in one turn */
    LAST_ROUNDS = 128, /* of them before it listens no more: a queue has at most 4096 */
};

static struct proxy *of_listener(struct proxy_source *source)
{
    return (struct proxy *)((char *)source - offsetof(struct proxy, listener));
}

/* Without descriptors or memory, connections wait in the listen queue for PROXY_PAUSE_MS. */
static void pause_accepting(struct proxy *proxy)
{
    (void)proxy_loop_watch(proxy->loop, &proxy->listener, 0);
    proxy_timer_set(proxy->loop, &proxy->pauses, &proxy->pause);
}

/* Returns whether there may be more. */
static bool accept_some(struct proxy *proxy)
{
    struct proxy_source *const source = &proxy->listener;

    for (int i = 0; i < ACCEPTS; i++) {
        const int fd = accept4(source->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            proxy_front_open(proxy, fd);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
            pause_accepting(proxy);
        return false;
    }
    return true;
}

static void accept_ready(struct proxy_source *source, uint32_t events)
{
    (void)events;
    (void)accept_some(of_listener(source));
}

static void pause_due(struct proxy_timer *timer)
{
    struct proxy *const proxy = (struct proxy *)((char *)timer - offsetof(struct proxy, pause));

    /* Without memory for it even this fails, and nothing else would try it again. */
    if (!proxy->stopping && proxy_loop_watch(proxy->loop, &proxy->listener, EPOLLIN) != 0)
        pause_accepting(proxy);
}

int proxy_turn(struct proxy *proxy)
{
    if (proxy_loop_turn(proxy->loop) != 0)
        return -1;
    if (proxy->gathered)
        (void)telemetry_flush(proxy->telemetry);
    proxy->gathered = false;
    proxy_front_let_go(proxy);
    return 0;
}

void proxy_stop(struct proxy *proxy)
{
    struct proxy_front *next;

    notify_stopping(&proxy->notify);
    /* Now, so that a successor's is not taken away. */
    if (proxy->settings->listen != NULL && proxy->listen.any.sa_family == AF_UNIX)
        (void)unlink(proxy->listen.un.sun_path);
    /* Those in the queue are answered, too, unless a successor has the same socket. */
    for (int i = 0; i < LAST_ROUNDS && proxy->settings->listen != NULL && accept_some(proxy); i++)
        continue;
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
    proxy_timer_queue_init(proxy->loop, &proxy->graces, PROXY_GRACE_MS);
    proxy_timer_queue_init(proxy->loop, &proxy->agains, PROXY_AGAIN_MS);
    proxy->pause.due = pause_due;
}

int proxy_open(struct proxy *proxy)
{
    static const struct resource_service service = {"microtrace-proxy", MICROTRACE_VERSION,
                                                    "https://opentelemetry.io/schemas/1.45.0"};
    static struct observer observer;
    const struct proxy_settings *const settings = proxy->settings;

    proxy->loop = proxy_loop_open();
    proxy->scratch = malloc(PROXY_HEAD_MAX + HEAD_LINE_ADDED_MAX);
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
    proxy->listener.ready = accept_ready;
    if (proxy->listener.fd >= 0 && proxy_loop_watch(proxy->loop, &proxy->listener, EPOLLIN) != 0) {
        message_print("can't wait for events: %s", strerror(errno));
        return -1;
    }
    return 0;
}

void proxy_close(struct proxy *proxy)
{
    while (proxy->fronts != NULL) {
        if (proxy->fronts->exchange != NULL)
            proxy_exchange_fail(proxy->fronts->exchange, PROXY_CLIENT_GONE);
        proxy_front_close(proxy->fronts);
    }
    proxy_back_close_idle(proxy);
    proxy_loop_close(proxy->loop);
    observer_free(proxy->observer);
    telemetry_close(proxy->telemetry);
    proxy_scripts_free(proxy->scripts);
    free(proxy->scratch);
    free(proxy->chunk.memory);
}
