#include "metrics-agent/scrape/connections.h"

#include "lib/base/clock.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/random.h>

enum { BUCKETS = 4096 };

static const uint64_t step_ns = (uint64_t)CONNECTIONS_STEP_S * 1000 * CLOCK_NS_PER_MS;

TAILQ_HEAD(list, connection);

struct connection {
    TAILQ_ENTRY(connection) entry;
    uint64_t began_ns; /* of its step */
    int fd;
    uint16_t bucket; /* of its address */
    bool shut;       /* it takes no place any more, and is on no list */
};

struct connections {
    size_t places, taken;
    uint64_t seed;                /* so that nobody can choose addresses of one bucket */
    struct list list;             /* that whose step has lasted longest first */
    uint16_t of_address[BUCKETS]; /* places taken; addresses may share a bucket */
};

_Static_assert(CONNECTIONS_MAX <= UINT16_MAX, "counts of places");

struct connections *connections_open(size_t places)
{
    struct connections *connections = calloc(1, sizeof *connections);

    if (connections == NULL)
        return NULL;
    connections->places = places < CONNECTIONS_MAX ? places : CONNECTIONS_MAX;
    if (getrandom(&connections->seed, sizeof connections->seed, 0) !=
        (ssize_t)sizeof connections->seed)
        connections->seed = clock_unix_ns();
    TAILQ_INIT(&connections->list);
    return connections;
}

void connections_close(struct connections *connections)
{
    free(connections);
}

/* One client of IPv6 has a network of 64 bits to choose addresses from. Others have no address. */
static uint16_t bucket_of(const struct connections *connections, const struct sockaddr *address)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    uint64_t number = 0;

    if (address->sa_family == AF_INET) {
        memcpy(&v4, address, sizeof v4);
        number = v4.sin_addr.s_addr;
    } else if (address->sa_family == AF_INET6) {
        memcpy(&v6, address, sizeof v6);
        memcpy(&number, &v6.sin6_addr.s6_addr[IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr) ? 8 : 0],
               sizeof number);
    }
    /* The finalizer of splitmix64. */
    number ^= connections->seed;
    number = (number ^ (number >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    number = (number ^ (number >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (uint16_t)((number ^ (number >> 31)) % BUCKETS);
}

static void give_up_place(struct connections *connections, struct connection *connection)
{
    TAILQ_REMOVE(&connections->list, connection, entry);
    connections->taken--;
    connections->of_address[connection->bucket]--;
}

static void shut(struct connections *connections, struct connection *connection)
{
    give_up_place(connections, connection);
    connection->shut = true;
    /* One that the peer has closed already is as good. */
    (void)shutdown(connection->fd, SHUT_RDWR);
}

/* At the cost of a look at each, a few microseconds. */
static void make_room(struct connections *connections)
{
    struct connection *const first = TAILQ_FIRST(&connections->list), *victim = first;

    for (struct connection *c = first; c != NULL; c = TAILQ_NEXT(c, entry))
        if (connections->of_address[c->bucket] > connections->of_address[victim->bucket])
            victim = c;
    if (victim != NULL)
        shut(connections, victim);
}

struct connection *connections_add(struct connections *connections, int fd,
                                   const struct sockaddr *address, uint64_t now)
{
    struct connection *connection = calloc(1, sizeof *connection);

    if (connection == NULL) {
        (void)shutdown(fd, SHUT_RDWR);
        return NULL;
    }
    if (connections->taken >= connections->places)
        make_room(connections);
    *connection =
        (struct connection){.began_ns = now, .fd = fd, .bucket = bucket_of(connections, address)};
    TAILQ_INSERT_TAIL(&connections->list, connection, entry);
    connections->taken++;
    connections->of_address[connection->bucket]++;
    return connection;
}

void connections_begin(struct connections *connections, struct connection *connection, uint64_t now)
{
    if (connection == NULL || connection->shut)
        return;
    connection->began_ns = now;
    TAILQ_REMOVE(&connections->list, connection, entry);
    TAILQ_INSERT_TAIL(&connections->list, connection, entry);
}

void connections_remove(struct connections *connections, struct connection *connection)
{
    if (connection == NULL)
        return;
    if (!connection->shut)
        give_up_place(connections, connection);
    free(connection);
}

uint64_t connections_expire(struct connections *connections, uint64_t now)
{
    struct connection *c;

    while ((c = TAILQ_FIRST(&connections->list)) != NULL && now >= c->began_ns + step_ns)
        shut(connections, c);
    return c != NULL ? c->began_ns + step_ns : UINT64_MAX;
}
