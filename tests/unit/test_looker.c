/*
 * Goal: the caller never waits for the thread; the same question is looked for once, one that
 * nobody needs any more not at all, and at most four wait. A thread that hangs is left behind.
 */
#include "metrics-agent/page/looker.h"

#include "lib/base/clock.h"
#include "tests/unit/unit.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { DEADLINE_MS = 20000, NAMES_MAX = 256 };

/* The disk, which a test can hang. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool hangs;
    unsigned looks; /* that have begun */
    char names[NAMES_MAX];
} disk = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static struct looker *looker;

static unsigned look(struct html *html, const struct page_query *query, const char *run_dir,
                     const char *spool_dir)
{
    assert_string_equal(run_dir, "run");
    assert_string_equal(spool_dir, "spool");
    (void)pthread_mutex_lock(&disk.lock);
    if (disk.looks < NAMES_MAX - 1)
        disk.names[disk.looks++] = query->find[0];
    (void)pthread_cond_broadcast(&disk.changed);
    while (disk.hangs)
        (void)pthread_cond_wait(&disk.changed, &disk.lock);
    (void)pthread_mutex_unlock(&disk.lock);
    html_text(html, query->find);
    return 200;
}

static void hang(bool hangs)
{
    (void)pthread_mutex_lock(&disk.lock);
    disk.hangs = hangs;
    (void)pthread_cond_broadcast(&disk.changed);
    (void)pthread_mutex_unlock(&disk.lock);
}

static unsigned looks(void)
{
    unsigned n;

    (void)pthread_mutex_lock(&disk.lock);
    n = disk.looks;
    (void)pthread_mutex_unlock(&disk.lock);
    return n;
}

static int set_up(void **state)
{
    const struct looker_settings settings = {.write = look, .run_dir = "run", .spool_dir = "spool"};

    (void)state;
    disk.hangs = false;
    disk.looks = 0;
    memset(disk.names, 0, sizeof(disk.names));
    looker = looker_open(&settings);
    return looker != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    hang(false);
    looker_close(looker);
    return 0;
}

static struct looker_question *ask(const char *find)
{
    struct page_query query = {.minutes = 5};

    (void)snprintf(query.find, sizeof(query.find), "%s", find);
    return looker_ask(looker, &query);
}

/* A turn of the caller's loop. */
static void turn(void)
{
    struct pollfd fd = {.fd = looker_fd(looker), .events = POLLIN};

    (void)poll(&fd, 1, 20);
    (void)looker_run(looker, clock_monotonic_ns());
}

static void turn_until_looks(unsigned n)
{
    const uint64_t end_ms = clock_monotonic_ms() + DEADLINE_MS;

    while (looks() < n && clock_monotonic_ms() < end_ms)
        turn();
    assert_int_equal(looks(), n);
}

static void turn_until_answered(const struct looker_question *question, const char *expected)
{
    const uint64_t end_ms = clock_monotonic_ms() + DEADLINE_MS;
    const char *section;
    size_t len;

    while (looker_answer(question, &section, &len) == 0 && clock_monotonic_ms() < end_ms)
        turn();
    assert_int_equal(looker_answer(question, &section, &len), 200);
    assert_string_equal(section, expected);
    assert_int_equal(len, strlen(expected));
}

static void answers_in_turn(void **state)
{
    struct looker_question *const a = ask("a"), *const b = ask("b<");

    (void)state;
    turn_until_answered(a, "a");
    turn_until_answered(b, "b&lt;");
    looker_leave(looker, a);
    looker_leave(looker, b);
}

static void asked_twice_looked_for_once(void **state)
{
    struct looker_question *first, *second, *third;

    (void)state;
    hang(true);
    first = ask("x");
    turn_until_looks(1);
    /* While it is looked for, and while it waits. */
    second = ask("x");
    assert_ptr_equal(first, second);
    third = ask("y");
    assert_ptr_equal(third, ask("y"));
    hang(false);
    turn_until_answered(second, "x");
    looker_leave(looker, first);
    turn_until_answered(second, "x");
    looker_leave(looker, second);
    turn_until_answered(third, "y");
    looker_leave(looker, third);
    looker_leave(looker, third);
    assert_int_equal(looks(), 2);
}

static void nobody_waits_nobody_looks(void **state)
{
    struct looker_question *a, *b, *c;

    (void)state;
    hang(true);
    a = ask("a");
    turn_until_looks(1);
    b = ask("b");
    c = ask("c");
    looker_leave(looker, b);
    /* Also one that is looked for already: its answer is thrown away. */
    looker_leave(looker, a);
    hang(false);
    turn_until_answered(c, "c");
    looker_leave(looker, c);
    assert_string_equal(disk.names, "ac");
}

static void four_wait_at_most(void **state)
{
    struct looker_question *questions[LOOKER_WAITING_MAX + 1];
    char name[2] = "a";

    (void)state;
    hang(true);
    questions[0] = ask("first");
    turn_until_looks(1);
    for (int i = 1; i <= LOOKER_WAITING_MAX; i++) {
        name[0] = (char)('a' + i);
        questions[i] = ask(name);
        assert_non_null(questions[i]);
    }
    assert_null(ask("more"));
    looker_leave(looker, questions[1]);
    questions[1] = ask("more");
    assert_non_null(questions[1]);
    hang(false);
    turn_until_answered(questions[1], "more");
    for (int i = 0; i <= LOOKER_WAITING_MAX; i++)
        looker_leave(looker, questions[i]);
}

static void ends_when_idle_and_begins_anew(void **state)
{
    const uint64_t minute_ns = (uint64_t)LOOKER_IDLE_S * CLOCK_NS_PER_S;
    struct looker_question *question = ask("a");
    uint64_t due_ns;

    (void)state;
    turn_until_answered(question, "a");
    looker_leave(looker, question);
    due_ns = looker_run(looker, clock_monotonic_ns());
    assert_true(due_ns > clock_monotonic_ns() && due_ns <= clock_monotonic_ns() + minute_ns);
    /* No thread, no time at which anything is due. */
    assert_true(looker_run(looker, due_ns) == UINT64_MAX);
    question = ask("b");
    turn_until_answered(question, "b");
    looker_leave(looker, question);
}

static void a_hung_thread_is_left_behind(void **state)
{
    const struct looker_settings settings = {.write = look, .run_dir = "run", .spool_dir = "spool"};
    struct looker_question *question;
    uint64_t began_ms;

    (void)state;
    hang(true);
    question = ask("a");
    turn_until_looks(1);
    looker_leave(looker, question);
    began_ms = clock_monotonic_ms();
    looker_close(looker);
    /* Without the disk ever answering. */
    assert_true(clock_monotonic_ms() - began_ms < DEADLINE_MS);
    looker = looker_open(&settings);
    assert_non_null(looker);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(answers_in_turn),
        TEST(asked_twice_looked_for_once),
        TEST(nobody_waits_nobody_looks),
        TEST(four_wait_at_most),
        TEST(ends_when_idle_and_begins_anew),
        TEST(a_hung_thread_is_left_behind),
    };

    return cmocka_run_group_tests_name("looker", tests, NULL, NULL);
}
