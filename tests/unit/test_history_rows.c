/*
 * Goal: routes, programs, processes, the books and the switches are told of as the metrics file has
 * them, whatever comes and goes, and however many there are: those with most to count are kept.
 */
#include "lib/control/breaker.h"
#include "lib/control/chaos.h"
#include "tests/unit/history_fixture.h"
#include "view/process_memory.h"

#include <signal.h>

static void test_many_routes(void **state)
{
    enum { MANY = 500 };
    struct world w;
    char path[32];
    uint64_t sum = MANY + 49;

    begin(&w, *state);
    for (int i = 0; i < MANY; i++) {
        snprintf(path, sizeof path, "/%03d", i);
        answer(&w, path, "200", i == 321 ? 100 : 1, 0.001);
    }
    look(&w, 0);
    for (int i = 0; i < MANY; i++) {
        snprintf(path, sizeof path, "/%03d", i);
        answer(&w, path, "200", 1, 0.001);
    }
    answer(&w, "/321", "200", 49, 0.001);
    look(&w, 5000);
    ask(&w, 300);
    assert_true(w.now.requests == (double)sum);
    assert_int_equal(w.now.route_count, OVERVIEW_ROUTES_MAX);
    /* The one that had counted most is kept from the first look on. */
    assert_string_equal(w.now.routes[0].path, "/321");
    assert_near(w.now.routes[0].rate, 10);
    /* Another one has no row, and gets one by what it counts. */
    assert_null(route_of(&w.now, "/499"));
    for (uint64_t s = 10; s <= 240; s += 5) {
        answer(&w, "/499", "200", 20, 0.001);
        sum += 20;
        look(&w, s * 1000);
    }
    ask(&w, 300);
    assert_non_null(route_of(&w.now, "/499"));
    assert_string_equal(w.now.routes[0].path, "/499");
    /* What it counted in the five seconds before it got the row is not in there. */
    assert_true(w.now.routes[0].rate > 3.8 && w.now.routes[0].rate <= 4);
    assert_true(isnan(w.now.routes[0].rates.points[OVERVIEW_POINTS - 45]));
    assert_true(w.now.requests == (double)sum);
    /* A route that comes while all rows are taken counts too. */
    for (uint64_t s = 245; s <= 420; s += 5) {
        answer(&w, "/new", "200", 50, 0.001);
        sum += 50;
        look(&w, s * 1000);
    }
    assert_non_null(route_of(ask(&w, 900), "/new"));
    assert_string_equal(w.now.routes[0].path, "/new");
    assert_non_null(route_of(&w.now, "/499"));
    assert_true(w.now.requests == (double)sum);
    end(&w);
}

/* More of them than are remembered: the totals still hold. */
static void test_too_many_routes(void **state)
{
    enum { MANY = 3000 };
    struct world w;
    char path[32];
    uint64_t sum = 0;

    begin(&w, *state);
    look(&w, 0);
    for (uint64_t round = 1; round <= 30; round++) {
        for (int i = 0; i < MANY; i += 3) {
            snprintf(path, sizeof path, "/%04d", (int)round % 3 + i);
            answer(&w, path, "200", 1, 0.001);
            sum++;
        }
        look(&w, round * 5000);
    }
    assert_true(ask(&w, 300)->requests == (double)sum);
    assert_int_equal(w.now.route_count, OVERVIEW_ROUTES_MAX);
    end(&w);
}

/* Names are cut, and stay UTF-8: 62 bytes, and a character of three that does not fit. */
static void test_long_names(void **state)
{
    char path[OVERVIEW_NAME_MAX + 3];
    struct world w;

    memset(path, 'a', 62);
    path[0] = '/';
    memcpy(path + 62, "\u20ac", sizeof "\u20ac");
    begin(&w, *state);
    look(&w, 0);
    answer(&w, path, "200", 5, 0.001);
    look(&w, 5000);
    path[62] = '\0';
    assert_non_null(route_of(ask(&w, 300), path));
    end(&w);
}

/* A child that works for `shop` until it is killed. */
static pid_t start_worker(const struct fixture *f)
{
    int done[2];
    char byte;
    pid_t child;

    assert_int_equal(pipe(done), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct metrics *const own = metrics_open(f->dir, 0);
        struct metrics_family *const all = metrics_declare(own, &workers),
                                     *const mine = metrics_declare(own, &program_workers);

        metrics_live_gauge_set(metrics_live_gauge(all, VALUES("busy")), 1);
        metrics_live_gauge_set(metrics_live_gauge(all, VALUES("idle")), 0);
        metrics_live_gauge_set(metrics_live_gauge(mine, VALUES("shop", "busy")), 1);
        metrics_live_gauge_set(metrics_live_gauge(mine, VALUES("shop", "idle")), 0);
        if (write(done[1], "x", 1) == 1)
            (void)pause();
        _exit(0);
    }
    assert_int_equal(read(done[0], &byte, 1), 1);
    (void)close(done[0]);
    (void)close(done[1]);
    return child;
}

static void test_programs_come_and_go(void **state)
{
    struct world w;
    struct metrics_family *counts, *seconds;
    pid_t child;

    begin(&w, *state);
    counts = metrics_declare(w.metrics, &runs);
    seconds = metrics_declare(w.metrics, &run_seconds);
    look(&w, 0);
    metrics_add(metrics_counter(counts, VALUES("backup", "success")), 3);
    metrics_add(metrics_counter(counts, VALUES("backup", "timeout")), 1);
    for (int i = 0; i < 4; i++)
        metrics_observe(metrics_histogram(seconds, VALUES("backup")), 5);
    child = start_worker(w.f);
    look(&w, 5000);
    ask(&w, 300);
    assert_true(w.now.busy == 1 && w.now.idle == 0);
    assert_int_equal(w.now.program_count, 2);
    assert_string_equal(w.now.programs[0].name, "backup");
    assert_true(w.now.programs[0].runs == 4);
    assert_true(w.now.programs[0].failures == 1);
    /* rank 3.8 of 4 in (1, 10]. */
    assert_near(w.now.programs[0].run_p95_s, 1 + 9 * 0.95);
    assert_true(isnan(w.now.programs[0].busy));
    assert_string_equal(w.now.programs[1].name, "shop");
    assert_true(w.now.programs[1].busy == 1);
    assert_near(w.now.programs[1].activity.points[OVERVIEW_POINTS - 1], 0.5);
    /* The child, busy, and this process, which is in the file too. */
    assert_int_equal(w.now.processes_all, 2);
    assert_int_equal(w.now.process_count, 2);
    assert_int_equal(w.now.processes[0].pid, child);
    assert_true(w.now.processes[0].busy);
    assert_string_equal(w.now.processes[0].name, "shop");
    assert_true(w.now.processes[0].resident_bytes > 100000);
    assert_int_equal(w.now.processes[1].pid, getpid());
    assert_false(w.now.processes[1].busy);
    /* It is killed: told of for a minute, and counted once. */
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    look(&w, 10000);
    look(&w, 15000);
    ask(&w, 300);
    assert_true(w.now.died == 1);
    assert_true(w.now.busy == 0);
    assert_int_equal(w.now.processes_all, 1);
    assert_int_equal(w.now.process_count, 2);
    assert_true(w.now.processes[0].died);
    assert_int_equal(w.now.processes[0].pid, child);
    assert_string_equal(w.now.processes[0].name, "shop");
    assert_true(w.now.programs[1].busy == 0);
    assert_near(highest(&w.now.deaths), 1);
    for (uint64_t s = 20; s <= 75; s += 5)
        look(&w, s * 1000);
    assert_int_equal(ask(&w, 300)->process_count, 1);
    assert_true(w.now.died == 1);
    end(&w);
}

/* Those that died before the first look: nobody knows when. */
static void test_the_dead_of_before(void **state)
{
    struct world w;
    pid_t child;

    begin(&w, *state);
    child = start_worker(w.f);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    look(&w, 0);
    look(&w, 5000);
    assert_int_equal(ask(&w, 300)->process_count, 1);
    assert_true(w.now.died == 0);
    end(&w);
}

static void test_who_ends_in_good_order(void **state)
{
    struct world w;
    pid_t child;

    begin(&w, *state);
    look(&w, 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        metrics_close(metrics_open(w.f->dir, 0));
        _exit(0);
    }
    fixture_wait(child);
    look(&w, 5000);
    assert_int_equal(ask(&w, 300)->process_count, 1);
    assert_true(w.now.died == 0);
    end(&w);
}

static void test_memory_of_processes(void **state)
{
    const uint64_t now = clock_unix_ns();
    char command[PROCESS_MEMORY_COMMAND_MAX], own[PROCESS_MEMORY_COMMAND_MAX] = "";
    FILE *const comm = fopen("/proc/self/comm", "r");

    (void)state;
    /* Under an emulator it is that one's name. */
    assert_non_null(comm);
    assert_int_equal(fscanf(comm, "%15[^\n]", own), 1);
    (void)fclose(comm);
    assert_true(process_memory_resident((uint32_t)getpid(), now, command) > 100000);
    assert_string_equal(command, own);
    /* Who was there before this process began was another one of its number. */
    assert_true(process_memory_resident((uint32_t)getpid(), now - 86400 * SECOND, command) == 0);
    /* A slot may tell anything. */
    assert_true(process_memory_resident((uint32_t)getpid(), INT64_MAX, command) > 100000);
    assert_true(process_memory_resident(0, now, command) == 0);
    assert_true(process_memory_resident(UINT32_MAX, now, command) == 0);
    assert_string_equal(command, "");
}

static void set_gauge(struct world *w, enum families number, double value)
{
    metrics_gauge_set(
        metrics_gauge(metrics_declare(w->metrics, &families_table[number]), VALUES("traces")),
        value);
}

static void test_books(void **state)
{
    struct world w;
    struct metrics_family *written, *exported, *dropped;

    begin(&w, *state);
    written = metrics_declare(w.metrics, &families_table[FAMILY_SPOOL_WRITTEN]);
    exported = metrics_declare(w.metrics, &families_table[FAMILY_EXPORT_RECORDS]);
    dropped = metrics_declare(w.metrics, &families_table[FAMILY_SPOOL_DROPPED]);
    metrics_add(metrics_counter(dropped, VALUES("traces", "cap")), 4);
    for (int i = 0; i <= 6; i++) {
        metrics_add(metrics_counter(written, VALUES("traces")), 100);
        metrics_add(metrics_counter(exported, VALUES("traces", "delivered")), 50);
        set_gauge(&w, FAMILY_SPOOL_BACKLOG, 50 * (i + 1));
        set_gauge(&w, FAMILY_SPOOL_BYTES, 1000 * (i + 1));
        set_gauge(&w, FAMILY_SPOOL_LIMIT, 10000);
        set_gauge(&w, FAMILY_SPOOL_OLDEST_AGE, 12);
        look(&w, (uint64_t)i * 5000);
    }
    metrics_add(metrics_counter(dropped, VALUES("traces", "cap")), 6);
    metrics_add(metrics_counter(dropped, VALUES("logs", "cap")), 1);
    metrics_add(metrics_counter(exported, VALUES("traces", "rejected")), 2);
    look(&w, 30000);
    ask(&w, 300);
    const struct overview_signal *const s = &w.now.signals[SPOOL_TRACES];
    assert_int_equal(s->written, 700);
    assert_int_equal(s->delivered, 350);
    assert_int_equal(s->rejected, 2);
    assert_int_equal(s->quarantined, 0);
    assert_int_equal(s->dropped, 10);
    assert_int_equal(s->backlog, 350);
    assert_near(s->oldest_s, 12);
    assert_near(s->written_rate, 20);
    assert_near(s->delivered_rate, 10);
    /* 3,000 bytes left at 200 a second. */
    assert_near(s->full_in_s, 15);
    assert_near(s->backlogs.points[OVERVIEW_POINTS - 1], 350);
    assert_int_equal(w.now.drop_count, 1);
    assert_string_equal(w.now.drops[0].reason, "cap");
    assert_int_equal(w.now.drops[0].records, 11);
    assert_true(w.now.drops[0].lately == 7);
    assert_true(isnan(w.now.signals[SPOOL_METRICS].full_in_s));
    set_gauge(&w, FAMILY_SPOOL_BYTES, 500);
    look(&w, 35000);
    assert_true(isinf(ask(&w, 300)->signals[SPOOL_TRACES].full_in_s));
    end(&w);
}

static void test_chaos_and_breaker(void **state)
{
    const struct chaos_set set = {.state = CHAOS_ON, .probability = 0.25, .error_rate = 0.5};
    struct world w;
    struct metrics_words_file file;
    struct breaker breaker = {.limits = {5, 1000, 1000}};

    begin(&w, *state);
    look(&w, 0);
    assert_false(ask(&w, 300)->chaos_on);
    assert_false(w.now.breaker_used);
    assert_int_equal(metrics_words_open(&file, w.f->file, true), METRICS_FILE_OK);
    chaos_control_write(&file.words, &set);
    metrics_words_close(&file);
    breaker_attach(&breaker, w.metrics);
    metrics_add(metrics_counter(metrics_declare(w.metrics, &calls), VALUES("success")), 3);
    metrics_add(metrics_counter(metrics_declare(w.metrics, &calls), VALUES("timeout")), 2);
    look(&w, 5000);
    ask(&w, 300);
    assert_true(w.now.chaos_on);
    assert_near(w.now.chaos_probability, 0.25);
    assert_near(w.now.chaos_error_rate, 0.5);
    assert_true(w.now.breaker_used);
    assert_int_equal(w.now.breaker, BREAKER_CLOSED);
    assert_true(w.now.calls == 5);
    assert_true(w.now.call_failures == 2);
    breaker_force_open(&breaker, 1000);
    look(&w, 10000);
    assert_int_equal(ask(&w, 300)->breaker, BREAKER_OPEN);
    end(&w);
}

/* Another program's idea of our families: it is left alone. */
static void test_other_families_of_these_names(void **state)
{
    static const double one[] = {1};
    static const struct metrics_family_def other_requests = {
        .name = "requests_total", .help = "x", .kind = METRICS_COUNTER, .labels = {"host"}};
    static const struct metrics_family_def other_latency = {
        .name = "request_latency_seconds",
        .help = "x",
        .unit = "seconds",
        .kind = METRICS_HISTOGRAM,
        .labels = {"method", "path"},
        .bounds = one,
        .bound_count = 1,
    };
    struct world w;

    begin(&w, *state);
    for (uint64_t at = 0; at <= 5000; at += 5000) {
        metrics_add(metrics_counter(metrics_declare(w.metrics, &other_requests), VALUES("x")), 1);
        metrics_observe(
            metrics_histogram(metrics_declare(w.metrics, &other_latency), VALUES("GET", "/")), 1);
        look(&w, at);
    }
    assert_true(isnan(ask(&w, 300)->rate));
    assert_true(w.now.requests == 0);
    assert_true(isnan(w.now.p50_s));
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_many_routes),
        TEST(test_too_many_routes),
        TEST(test_long_names),
        TEST(test_programs_come_and_go),
        TEST(test_the_dead_of_before),
        TEST(test_who_ends_in_good_order),
        cmocka_unit_test(test_memory_of_processes),
        TEST(test_books),
        TEST(test_chaos_and_breaker),
        TEST(test_other_families_of_these_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
