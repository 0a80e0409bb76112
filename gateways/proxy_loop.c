#include "gateways/proxy_loop.h"

#include "lib/base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { EVENTS_MAX = 256 };

struct proxy_loop {
    int fd;
    uint64_t now_ms;
    struct proxy_timer_queue *queues;
    struct proxy_garbage *garbage;
};

struct proxy_loop *proxy_loop_open(void)
{
    struct proxy_loop *const loop = calloc(1, sizeof(*loop));

    if (loop == NULL)
        return NULL;
    loop->fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->fd < 0) {
        free(loop);
        return NULL;
    }
    loop->now_ms = clock_monotonic_ms();
    return loop;
}

static void free_all(struct proxy_loop *loop)
{
    while (loop->garbage != NULL) {
        void *const memory = loop->garbage->memory;

        loop->garbage = loop->garbage->next;
        free(memory);
    }
}

void proxy_loop_close(struct proxy_loop *loop)
{
    if (loop == NULL)
        return;
    free_all(loop);
    (void)close(loop->fd);
    free(loop);
}

uint64_t proxy_loop_now_ms(const struct proxy_loop *loop)
{
    return loop->now_ms;
}

int proxy_loop_watch(struct proxy_loop *loop, struct proxy_source *source, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = source};
    int operation = EPOLL_CTL_MOD;

    if (events == source->watched)
        return 0;
    if (events == 0)
        operation = EPOLL_CTL_DEL;
    else if (source->watched == 0)
        operation = EPOLL_CTL_ADD;
    if (epoll_ctl(loop->fd, operation, source->fd, &event) != 0)
        return -1;
    source->watched = events;
    return 0;
}

void proxy_loop_free_later(struct proxy_loop *loop, struct proxy_garbage *garbage, void *memory)
{
    garbage->memory = memory;
    garbage->next = loop->garbage;
    loop->garbage = garbage;
}

/* Milliseconds until the next timer is due; -1 if none runs. */
static int wait_ms(const struct proxy_loop *loop, uint64_t now_ms)
{
    uint64_t due_ms = UINT64_MAX;

    for (const struct proxy_timer_queue *q = loop->queues; q != NULL; q = q->following) {
        if (q->ring.next != &q->ring && q->ring.next->due_ms < due_ms)
            due_ms = q->ring.next->due_ms;
    }
    if (due_ms == UINT64_MAX)
        return -1;
    if (due_ms <= now_ms)
        return 0;
    return due_ms - now_ms > 60000 ? 60000 : (int)(due_ms - now_ms);
}

static void call_due(struct proxy_loop *loop)
{
    for (struct proxy_timer_queue *q = loop->queues; q != NULL; q = q->following) {
        while (q->ring.next != &q->ring && q->ring.next->due_ms <= loop->now_ms) {
            struct proxy_timer *const timer = q->ring.next;

            proxy_timer_stop(timer);
            timer->due(timer);
        }
    }
}

int proxy_loop_turn(struct proxy_loop *loop)
{
    struct epoll_event events[EVENTS_MAX];
    const int count = epoll_wait(loop->fd, events, EVENTS_MAX, wait_ms(loop, clock_monotonic_ms()));

    if (count < 0 && errno != EINTR)
        return -1;
    loop->now_ms = clock_monotonic_ms();
    for (int i = 0; i < count; i++) {
        struct proxy_source *const source = events[i].data.ptr;

        if (source->fd >= 0)
            source->ready(source, events[i].events);
    }
    call_due(loop);
    free_all(loop);
    return 0;
}

void proxy_timer_queue_init(struct proxy_loop *loop, struct proxy_timer_queue *queue,
                            uint64_t duration_ms)
{
    queue->ring.previous = queue->ring.next = &queue->ring;
    queue->duration_ms = duration_ms;
    queue->following = loop->queues;
    loop->queues = queue;
}

void proxy_timer_set(struct proxy_loop *loop, struct proxy_timer_queue *queue,
                     struct proxy_timer *timer)
{
    proxy_timer_stop(timer);
    if (queue->duration_ms == 0)
        return;
    timer->due_ms = loop->now_ms + queue->duration_ms;
    timer->previous = queue->ring.previous;
    timer->next = &queue->ring;
    timer->previous->next = timer;
    queue->ring.previous = timer;
}

void proxy_timer_stop(struct proxy_timer *timer)
{
    if (timer->next == NULL)
        return;
    timer->previous->next = timer->next;
    timer->next->previous = timer->previous;
    timer->next = timer->previous = NULL;
}
