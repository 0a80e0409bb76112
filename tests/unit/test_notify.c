/*
 * Goal: the service manager hears what sd_notify(3) says it does, whichever kind of socket it has;
 * nobody else hears anything, no text can say more than it should, and nobody waits for a manager
 * that does not listen.
 */
#include <poll.h>

static int pause_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
#define poll pause_poll
#include "lib/base/notify.c"
#undef poll

#include "tests/unit/unit.h"
#include "tests/unit/unit_dir.h"

enum { RECEIVED_MAX = 4096 };

static int manager = -1;
static unsigned pauses;
static bool drains; /* a pause is when the manager reads all that it was sent */

/* The manager's end, under a name as NOTIFY_SOCKET has it. */
static void listen_as(const char *name)
{
    struct sockaddr_un address;
    const socklen_t size = read_address(&address, name);

    assert_true(size > 0);
    if (manager >= 0)
        (void)close(manager);
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(manager >= 0);
    assert_int_equal(bind(manager, (const struct sockaddr *)&address, size), 0);
}

/* The next message, or "" for none. */
static const char *received(void)
{
    static char text[RECEIVED_MAX];
    const ssize_t length = recv(manager, text, sizeof(text) - 1, 0);

    text[length > 0 ? length : 0] = '\0';
    return text;
}

static int pause_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    (void)fds, (void)count, (void)timeout_ms;
    pauses++;
    while (drains && received()[0] != '\0')
        ;
    return 0;
}

static void set(const char *name, const char *value)
{
    if (value == NULL)
        assert_int_equal(unsetenv(name), 0);
    else
        assert_int_equal(setenv(name, value, 1), 0);
}

static struct notify opened(const char *socket_name, const char *usec, const char *pid)
{
    struct notify notify;

    set("NOTIFY_SOCKET", socket_name);
    set("WATCHDOG_USEC", usec);
    set("WATCHDOG_PID", pid);
    notify_open(&notify);
    return notify;
}

static const char *path(void)
{
    static char name[sizeof(unit_dir) + 16];

    (void)snprintf(name, sizeof(name), "%s/notify", unit_dir);
    (void)unlink(name);
    return name;
}

static void test_where_nobody_asks_nothing_is_sent(void **state)
{
    struct notify notify = opened(NULL, "2000000", NULL);

    (void)state;
    assert_int_equal(notify.fd, -1);
    assert_int_equal(notify.ping_ms, 0);
    assert_int_equal(notify_ready(&notify, "serves"), 0);
    notify_status(&notify, "serves");
    notify_ping(&notify);
    notify_stopping(&notify);
    notify_close(&notify);
    assert_null(getenv("WATCHDOG_USEC"));
}

static void hear_a_life(const char *name)
{
    struct notify notify;

    listen_as(name);
    notify = opened(name, "3000000", NULL);
    assert_true(notify.fd > STDERR_FILENO);
    assert_int_equal(notify_ready(&notify, "serves http://127.0.0.1:9464/metrics"), 0);
    assert_string_equal(received(), "READY=1\nSTATUS=serves http://127.0.0.1:9464/metrics");
    notify_status(&notify, "the disk is full");
    assert_string_equal(received(), "STATUS=the disk is full");
    notify_ping(&notify);
    assert_string_equal(received(), "WATCHDOG=1");
    notify_stopping(&notify);
    assert_string_equal(received(), "STOPPING=1\nSTATUS=ending");
    assert_null(getenv("NOTIFY_SOCKET"));
    notify_close(&notify);
    notify_ping(&notify);
    assert_string_equal(received(), "");
}

static void test_a_path_hears_all_of_a_life(void **state)
{
    (void)state;
    hear_a_life(path());
}

static void test_an_abstract_name_hears_all_of_a_life(void **state)
{
    char name[64];

    (void)state;
    (void)snprintf(name, sizeof(name), "@microtrace-test-notify/%ld", (long)getpid());
    hear_a_life(name);
}

static void test_names_that_are_no_socket_count_as_none(void **state)
{
    char longer[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 2];
    const char *const names[] = {"", "@", "/", "notify", "vsock:2:1234", longer};

    (void)state;
    memset(longer, 'a', sizeof(longer) - 1);
    longer[0] = '/';
    longer[sizeof(longer) - 1] = '\0';
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_int_equal(opened(names[i], NULL, NULL).fd, -1);
    /* One byte less is the longest. */
    longer[sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1] = '\0';
    struct notify notify = opened(longer, NULL, NULL);
    assert_true(notify.fd >= 0);
    notify_close(&notify);
}

static void test_pings_come_twice_in_the_time_that_is_allowed(void **state)
{
    char own[32];
    const struct {
        const char *usec, *pid;
        uint64_t ping_ms;
    } cases[] = {
        {"2000000", own, 1000}, {"2000000", NULL, 1000}, {"1", NULL, 1},   {"2000000", "1", 0},
        {"2000000", "", 0},     {"0", NULL, 0},          {"-5", NULL, 0},  {"2 s", NULL, 0},
        {"", NULL, 0},          {NULL, NULL, 0},         {"3999", own, 1},
    };
    const char *const name = path();

    (void)state;
    (void)snprintf(own, sizeof(own), "%ld", (long)getpid());
    listen_as(name);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct notify notify = opened(name, cases[i].usec, cases[i].pid);

        assert_int_equal(notify.ping_ms, cases[i].ping_ms);
        notify_ping(&notify);
        assert_string_equal(received(), cases[i].ping_ms > 0 ? "WATCHDOG=1" : "");
        notify_close(&notify);
    }
}

static void test_a_status_can_say_nothing_else(void **state)
{
    const char *const name = path();
    struct notify notify;

    (void)state;
    listen_as(name);
    notify = opened(name, NULL, NULL);
    notify_status(&notify, "x\nMAINPID=1");
    assert_string_equal(received(), "STATUS=x\\u000aMAINPID=1");
    notify_close(&notify);
}

static void test_a_long_status_is_cut_at_a_character(void **state)
{
    char status[NOTIFY_TEXT_MAX * 2];
    const char *const name = path();
    struct notify notify;
    const char *text;

    (void)state;
    for (size_t i = 0; i + 2 < sizeof(status); i += 2)
        memcpy(status + i, "\xc3\xa9", 3);
    listen_as(name);
    notify = opened(name, NULL, NULL);
    assert_int_equal(notify_ready(&notify, status), 0);
    text = received();
    assert_true(strlen(text) < NOTIFY_TEXT_MAX && strlen(text) > NOTIFY_TEXT_MAX - 4);
    assert_string_equal(text + strlen(text) - 2, "\xc3\xa9");
    notify_close(&notify);
}

/* Fills the manager's queue, which never waits, and reads what it would have to send. */
static struct notify with_full_queue(void)
{
    const char *const name = path();
    struct notify notify;

    listen_as(name);
    notify = opened(name, "1000000", NULL);
    for (int i = 0; i < 1000000 && send_text(&notify, "STATUS=") == 0; i++)
        continue;
    assert_int_equal(send_text(&notify, "STATUS="), -1);
    pauses = 0;
    return notify;
}

static void test_nobody_waits_for_a_full_queue(void **state)
{
    struct notify notify = with_full_queue();

    (void)state;
    notify_status(&notify, "serves");
    notify_ping(&notify);
    notify_stopping(&notify);
    assert_int_equal(pauses, 0);
    notify_close(&notify);
}

static void test_a_start_is_told_as_soon_as_there_is_room(void **state)
{
    struct notify notify = with_full_queue();

    (void)state;
    drains = true;
    assert_int_equal(notify_ready(&notify, "serves"), 0);
    drains = false;
    assert_int_equal(pauses, 1);
    assert_string_equal(received(), "READY=1\nSTATUS=serves");
    notify_close(&notify);
}

static void test_a_start_waits_for_a_second_and_no_longer(void **state)
{
    struct notify notify = with_full_queue();

    (void)state;
    assert_int_equal(notify_ready(&notify, "serves"), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(pauses, READY_TRIES);
    notify_close(&notify);
}

static void test_a_manager_that_is_gone_is_an_error_of_the_start_alone(void **state)
{
    const char *const name = path();
    struct notify notify;

    (void)state;
    listen_as(name);
    notify = opened(name, "1000000", NULL);
    (void)close(manager);
    manager = -1;
    pauses = 0;
    notify_status(&notify, "serves");
    notify_ping(&notify);
    assert_int_equal(notify_ready(&notify, "serves"), -1);
    assert_int_equal(errno, ECONNREFUSED);
    assert_int_equal(pauses, 0);
    notify_close(&notify);
}

static int clean(void **state)
{
    (void)unlink(path());
    return remove_dir(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_where_nobody_asks_nothing_is_sent),
        cmocka_unit_test(test_a_path_hears_all_of_a_life),
        cmocka_unit_test(test_an_abstract_name_hears_all_of_a_life),
        cmocka_unit_test(test_names_that_are_no_socket_count_as_none),
        cmocka_unit_test(test_pings_come_twice_in_the_time_that_is_allowed),
        cmocka_unit_test(test_a_status_can_say_nothing_else),
        cmocka_unit_test(test_a_long_status_is_cut_at_a_character),
        cmocka_unit_test(test_nobody_waits_for_a_full_queue),
        cmocka_unit_test(test_a_start_is_told_as_soon_as_there_is_room),
        cmocka_unit_test(test_a_start_waits_for_a_second_and_no_longer),
        cmocka_unit_test(test_a_manager_that_is_gone_is_an_error_of_the_start_alone),
    };

    return cmocka_run_group_tests(tests, make_dir, clean);
}
