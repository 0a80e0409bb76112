/*
 * Which of the agent's clients keep their connection. Each has CONNECTIONS_STEP_S seconds for each
 * step: to send a whole request, to take the whole answer, to come with the next request. Bytes in
 * between win it no time. When all places are taken, the address that has most of them gives up the
 * one that has waited longest, so a new client always finds a place, and no crowd at one address
 * costs another address anything. There is no fixed bound per address: where all clients share one
 * (a proxy, the loopback interface), it would keep the scraper away together with the crowd.
 *
 * A connection is closed by shutdown(2). Whoever owns the descriptor then sees its end and closes
 * it.
 */
#ifndef METRICS_AGENT_SCRAPE_CONNECTIONS_H
#define METRICS_AGENT_SCRAPE_CONNECTIONS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum {
    CONNECTIONS_MAX = 1024, /* a connection may hold 32 KiB of a request's head */
    CONNECTIONS_STEP_S = 15,
};

struct connections;
struct connection;

/*
 * `places` are at least 1. NULL if memory runs out. Times are of clock_monotonic_ns, and never go
 * back from one call to the next.
 */
struct connections *connections_open(size_t places);

/* All connections must have been removed. NULL does nothing. */
void connections_close(struct connections *connections);

/*
 * A connection was accepted: `fd` stays the caller's, `address` is its peer's. Makes room first
 * where there is none. Returns NULL if memory runs out: `fd` is then shut down.
 */
struct connection *connections_add(struct connections *connections, int fd,
                                   const struct sockaddr *address, uint64_t now);

/* Its next step begins. NULL does nothing. */
void connections_begin(struct connections *connections, struct connection *connection,
                       uint64_t now);

/* `fd` is about to be closed. NULL does nothing. */
void connections_remove(struct connections *connections, struct connection *connection);

/* Shuts down those whose time is over. Returns when the next one's is; UINT64_MAX for never. */
uint64_t connections_expire(struct connections *connections, uint64_t now);

#endif
