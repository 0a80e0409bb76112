/*
 * The proxy's one place that waits: descriptors by epoll, and timers. Timers of one duration share
 * a queue, whose first one is the next to be due; so setting and stopping one costs nothing however
 * many there are.
 */
#ifndef GATEWAYS_PROXY_LOOP_H
#define GATEWAYS_PROXY_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct proxy_loop;

/* A descriptor that is waited for. `fd` is the owner's to open and close. */
struct proxy_source {
    int fd;
    uint32_t watched; /* events of epoll(7) that are asked for; 0: not at all */
    void (*ready)(struct proxy_source *source, uint32_t events);
};

struct proxy_timer {
    struct proxy_timer *previous, *next; /* NULL while it does not run */
    uint64_t due_ms;
    void (*due)(struct proxy_timer *timer);
};

struct proxy_timer_queue {
    struct proxy_timer ring; /* closes the list at both ends */
    uint64_t duration_ms;    /* 0: its timers are never due, and setting one does nothing */
    struct proxy_timer_queue *following;
};

/* Returns NULL, with errno, if it can't be had. */
struct proxy_loop *proxy_loop_open(void);
void proxy_loop_close(struct proxy_loop *loop);

/* Milliseconds of the monotonic clock as of the last wait. */
uint64_t proxy_loop_now_ms(const struct proxy_loop *loop);

/*
 * Asks for `events` of the source from now on, 0 for none; no system call unless that changes.
 * Returns 0, or -1 with errno.
 */
int proxy_loop_watch(struct proxy_loop *loop, struct proxy_source *source, uint32_t events);

/* Waits once, calls those that are ready and those that are due. Returns 0, or -1 with errno. */
int proxy_loop_turn(struct proxy_loop *loop);

/* Where memory that is to be freed is remembered: a member of it. */
struct proxy_garbage {
    struct proxy_garbage *next;
    void *memory;
};

/*
 * Frees `memory`, which holds `garbage`, at the end of this turn: until then an event that was
 * fetched before may still come for a source in it, whose `ready` then is called with `fd` -1.
 */
void proxy_loop_free_later(struct proxy_loop *loop, struct proxy_garbage *garbage, void *memory);

void proxy_timer_queue_init(struct proxy_loop *loop, struct proxy_timer_queue *queue,
                            uint64_t duration_ms);

/* Runs the timer from now on, also one that runs. */
void proxy_timer_set(struct proxy_loop *loop, struct proxy_timer_queue *queue,
                     struct proxy_timer *timer);

/* Stops it; one that does not run stays as it is. */
void proxy_timer_stop(struct proxy_timer *timer);

#endif
