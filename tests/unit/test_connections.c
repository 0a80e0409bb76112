/*
 * Goal: who asks nothing loses the connection after its time, whatever bytes it sends, and earlier
 * where others need its place; nobody else does.
 */
#include "metrics-agent/scrape/connections.h"

#include "lib/base/clock.h"
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PLACES = 6, CLIENTS_MAX = 64 };

static const uint64_t second = UINT64_C(1000) * CLOCK_NS_PER_MS;
static const uint64_t step = CONNECTIONS_STEP_S * UINT64_C(1000) * CLOCK_NS_PER_MS;

struct client {
    struct connection *connection;
    int fd, peer;
};

static struct {
    struct connections *connections;
    struct client clients[CLIENTS_MAX];
    size_t count;
} world;

static int set_up(void **state)
{
    (void)state;
    world.count = 0;
    world.connections = connections_open(PLACES);
    return world.connections != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < world.count; i++) {
        connections_remove(world.connections, world.clients[i].connection);
        (void)close(world.clients[i].fd);
        (void)close(world.clients[i].peer);
    }
    connections_close(world.connections);
    return 0;
}

static struct client *arrive(const char *address, uint64_t now)
{
    struct client *client = &world.clients[world.count];
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    const struct sockaddr *from = (const struct sockaddr *)&v4;
    int pair[2];

    assert_true(world.count < CLIENTS_MAX);
    if (inet_pton(AF_INET, address, &v4.sin_addr) != 1) {
        assert_int_equal(inet_pton(AF_INET6, address, &v6.sin6_addr), 1);
        from = (const struct sockaddr *)&v6;
    }
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    client->fd = pair[0];
    client->peer = pair[1];
    client->connection = connections_add(world.connections, client->fd, from, now);
    assert_non_null(client->connection);
    world.count++;
    return client;
}

/* Whether the client has been told to go. */
static bool closed(const struct client *client)
{
    char byte;

    return recv(client->peer, &byte, 1, MSG_PEEK) == 0;
}

static void a_step_has_its_time(void **state)
{
    struct client *idle, *served;

    (void)state;
    assert_true(connections_expire(world.connections, 0) == UINT64_MAX);
    idle = arrive("192.0.2.1", second);
    served = arrive("192.0.2.1", second);
    assert_true(connections_expire(world.connections, step) == second + step);
    connections_begin(world.connections, served->connection, step);
    assert_true(connections_expire(world.connections, second + step) == 2 * step);
    assert_true(closed(idle));
    assert_false(closed(served));
    connections_begin(world.connections, served->connection, step + 2 * second);
    assert_true(connections_expire(world.connections, 2 * step) == 2 * step + 2 * second);
    assert_false(closed(served));
    assert_true(connections_expire(world.connections, 2 * step + 2 * second) == UINT64_MAX);
    assert_true(closed(served));
}

static void who_was_shut_down_has_no_next_step(void **state)
{
    struct client *client = arrive("192.0.2.1", 0);

    (void)state;
    assert_true(connections_expire(world.connections, step) == UINT64_MAX);
    assert_true(closed(client));
    connections_begin(world.connections, client->connection, step);
    assert_true(connections_expire(world.connections, step) == UINT64_MAX);
}

static void the_longest_waiting_makes_room(void **state)
{
    struct client *clients[PLACES + 3];

    (void)state;
    for (size_t i = 0; i < PLACES; i++)
        clients[i] = arrive("127.0.0.1", i);
    for (size_t i = 0; i < 2; i++)
        connections_begin(world.connections, clients[i]->connection, PLACES);
    for (size_t i = PLACES; i < PLACES + 3; i++)
        clients[i] = arrive("127.0.0.1", i);
    for (size_t i = 0; i < PLACES + 3; i++)
        if (closed(clients[i]) != (i >= 2 && i <= 4))
            fail_msg("client %zu", i);
}

/* A crowd at one address, in one network of IPv6 or mapped into it costs the others nothing. */
static void a_crowd_makes_room_itself(void **state)
{
    static const char *const crowds[][2] = {
        {"198.51.100.7", "198.51.100.7"},
        {"2001:db8:0:1::1", "2001:db8:0:1:ffff::2"},
        {"::ffff:198.51.100.7", "::ffff:198.51.100.7"},
    };
    struct client *scraper, *other;

    for (size_t crowd = 0; crowd < sizeof crowds / sizeof crowds[0]; crowd++) {
        scraper = arrive("::ffff:192.0.2.1", 0);
        other = arrive("2001:db8:0:2::1", 0);
        for (uint64_t i = 0; i < 2 * PLACES; i++)
            (void)arrive(crowds[crowd][i % 2], i);
        assert_false(closed(scraper));
        assert_false(closed(other));
        tear_down(state);
        assert_int_equal(set_up(state), 0);
    }
}

static void who_left_gives_a_place_back(void **state)
{
    struct client *first = arrive("127.0.0.1", 0);

    (void)state;
    for (size_t i = 0; i < 3 * PLACES; i++) {
        struct client *client = arrive("127.0.0.1", i);

        connections_remove(world.connections, client->connection);
        client->connection = NULL;
    }
    assert_false(closed(first));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_step_has_its_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_was_shut_down_has_no_next_step, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_longest_waiting_makes_room, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_crowd_makes_room_itself, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_left_gives_a_place_back, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
