/*
 * Goal: the sentence says whether it is well; each problem is told with the command that mends it,
 * the worst first, in the words of `microtrace spool status`.
 */
#include "view/verdict.h"

#include "tests/unit/unit.h"
#include "view/spool_words.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const uint64_t now_ms = UINT64_C(1764268800000);

static struct overview overview;
static struct agent_status status;
static struct verdict verdict;

/* An instance at work with which nothing is wrong. */
static int set_up(void **state)
{
    (void)state;
    memset(&overview, 0, sizeof(overview));
    memset(&status, 0, sizeof(status));
    overview.at_ns = now_ms * 1000000;
    overview.sequence = 7;
    overview.range_s = overview.known_s = 300;
    overview.rate = 43.2;
    overview.good_share = 0.9994;
    overview.p50_s = 0.0001;
    overview.p95_s = overview.p99_s = 0.00021;
    overview.queue_p95_s = 0.001;
    overview.busy = 1;
    overview.idle = 3;
    overview.requests = 12960;
    for (int i = 0; i < SPOOL_SIGNALS; i++) {
        overview.signals[i].full_in_s = INFINITY;
        (void)snprintf(status.signals[i].endpoint, sizeof(status.signals[i].endpoint),
                       "http://collector:4318/v1/%s", spool_signal_names[i]);
    }
    return 0;
}

static void judge(void)
{
    verdict_make(&verdict, &overview, &status, "");
}

static void sentence_is(enum verdict_level level, const char *expected)
{
    assert_string_equal(verdict.sentence, expected);
    assert_int_equal(verdict.level, level);
}

/* One problem alone. */
static void problem_is(enum verdict_level level, const char *text, const char *mend)
{
    judge();
    assert_int_equal(verdict.problem_count, 1);
    assert_string_equal(verdict.problems[0].text, text);
    assert_string_equal(verdict.problems[0].mend, mend);
    assert_int_equal(verdict.problems[0].level, level);
    assert_int_equal(verdict.level, level);
    assert_non_null(strstr(verdict.sentence, "ollector") != NULL ? verdict.sentence
                                                                 : strstr(verdict.sentence, text));
}

static void all_is_well(void **state)
{
    (void)state;
    judge();
    sentence_is(VERDICT_WELL, "All is well: 43 requests/s, 99.9 % good, p95 0.2 ms, 4 processes, "
                              "nothing waits to be sent");
    assert_int_equal(verdict.problem_count, 0);
    overview.good_share = 1;
    overview.rate = 1234.4;
    overview.idle = 0;
    overview.signals[SPOOL_LOGS].backlog = 12;
    judge();
    sentence_is(VERDICT_WELL, "All is well: 1,234 requests/s, 100 % good, p95 0.2 ms, 1 process, "
                              "12 records wait");
    /* Never 100 % where one failed. */
    overview.good_share = 0.99996;
    judge();
    assert_non_null(strstr(verdict.sentence, "99.9 % good"));
}

static void quiet_now(void **state)
{
    (void)state;
    overview.rate = 0;
    overview.good_share = overview.p95_s = NAN;
    judge();
    sentence_is(VERDICT_WELL, "All is well: 0 requests/s, 4 processes, nothing waits to be sent");
    status.signals[SPOOL_TRACES].endpoint[0] = status.signals[SPOOL_LOGS].endpoint[0] =
        status.signals[SPOOL_METRICS].endpoint[0] = '\0';
    overview.signals[SPOOL_TRACES].backlog = 100;
    judge();
    sentence_is(VERDICT_WELL,
                "All is well: 0 requests/s, 4 processes, nothing is sent: no endpoint is set");
    /* No agent at all, as `microtrace top` may find it. */
    verdict_make(&verdict, &overview, NULL, "");
    assert_int_equal(verdict.level, VERDICT_WELL);
}

static void fresh_instance(void **state)
{
    (void)state;
    overview.rate = overview.requests = 0;
    overview.good_share = overview.p95_s = overview.queue_p95_s = NAN;
    judge();
    sentence_is(VERDICT_WELL, "No requests yet");
    assert_int_equal(verdict.problem_count, 1);
    assert_int_equal(verdict.problems[0].level, VERDICT_WELL);
    assert_non_null(strstr(verdict.problems[0].mend, "curl -X POST http://localhost:8000/analyze"));
    overview.at_ns = 0;
    judge();
    sentence_is(VERDICT_WELL, "Nothing was read yet");
}

static void collector_hangs(void **state)
{
    (void)state;
    status.signals[SPOOL_TRACES].unanswered_ms = now_ms - 48000;
    overview.signals[SPOOL_TRACES].backlog = 1000;
    overview.signals[SPOOL_LOGS].backlog = 100;
    overview.signals[SPOOL_TRACES].full_in_s = 4 * 3600 + 60;
    overview.signals[SPOOL_TRACES].oldest_s = 100;
    problem_is(VERDICT_WRONG, "traces: http://collector:4318/v1/traces has not answered for 48 s",
               "metrics-agent --probe");
    sentence_is(VERDICT_WRONG, "The collector hangs for 48 s, 1,100 records wait, room for 4 h");
}

static void collector_fails(void **state)
{
    (void)state;
    status.signals[SPOOL_LOGS].failing_ms = now_ms - 300000;
    (void)snprintf(status.signals[SPOOL_LOGS].reason, sizeof(status.signals[SPOOL_LOGS].reason),
                   "connection refused");
    problem_is(VERDICT_WRONG,
               "logs: for 300 s nothing has been delivered to http://collector:4318/v1/logs: "
               "connection refused",
               "metrics-agent --probe");
    sentence_is(VERDICT_WRONG, "The collector fails for 5 min");
}

static void collector_rejects(void **state)
{
    (void)state;
    status.signals[SPOOL_LOGS].rejected = 3;
    (void)snprintf(status.signals[SPOOL_LOGS].reason, sizeof(status.signals[SPOOL_LOGS].reason),
                   "too old");
    problem_is(VERDICT_WRONG, "logs: the last answer rejected 3 records: too old",
               "metrics-agent --probe");
}

static void settings(void **state)
{
    (void)state;
    status.signals[SPOOL_LOGS].mistaken = true;
    (void)snprintf(status.signals[SPOOL_LOGS].nowhere, sizeof(status.signals[SPOOL_LOGS].nowhere),
                   "it has no scheme");
    problem_is(VERDICT_WRONG, "logs: nothing is sent: it has no scheme", "metrics-agent --check");
    (void)set_up(NULL);
    (void)snprintf(status.warnings[status.warning_count++], AGENT_STATUS_TEXT_MAX, "X is odd");
    problem_is(VERDICT_WARNING, "the agent's settings: X is odd", "metrics-agent --check");
    /* That somebody wants nothing sent is nothing wrong. */
    (void)set_up(NULL);
    (void)snprintf(status.signals[SPOOL_LOGS].nowhere, sizeof(status.signals[SPOOL_LOGS].nowhere),
                   "OTEL_LOGS_EXPORTER is none");
    judge();
    assert_int_equal(verdict.level, VERDICT_WELL);
}

static void sending_is_slow(void **state)
{
    (void)state;
    overview.signals[SPOOL_TRACES].oldest_s = 61;
    problem_is(VERDICT_WARNING,
               "traces: the oldest record has waited for 61 s; sending is slower than writing",
               "microtrace doctor");
    /* Where nothing is to be sent, records may get as old as they like. */
    status.signals[SPOOL_TRACES].endpoint[0] = '\0';
    judge();
    assert_int_equal(verdict.level, VERDICT_WELL);
}

static void writers_lose(void **state)
{
    struct agent_status_loss *const loss = status.signals[SPOOL_TRACES].lost;

    (void)state;
    for (int k = 0; k < AGENT_STATUS_LOSSES; k++) {
        char text[SPOOL_WORDS_MAX];

        (void)set_up(NULL);
        loss[k] = (struct agent_status_loss){.records = 12, .grown_ms = now_ms - 5000};
        problem_is(VERDICT_WRONG, spool_words_losing(text, "traces", 5, 12, k),
                   k == SPOOL_OVERSIZE - 1 ? "microtrace spool tail --no-follow"
                                           : "microtrace doctor");
        loss[k].grown_ms = now_ms - 60000;
        judge();
        assert_int_equal(verdict.level, VERDICT_WELL);
    }
    (void)set_up(NULL);
    overview.drops[overview.drop_count++] =
        (struct overview_drop){.reason = "cap", .records = 4000, .lately = 1500};
    overview.drops[overview.drop_count++] =
        (struct overview_drop){.reason = "no_space", .records = 1, .lately = 1};
    problem_is(
        VERDICT_WARNING,
        "the spool was full: 1,500 records were dropped for newer ones in the last 5 minutes",
        "microtrace spool status");
}

static void programs(void **state)
{
    (void)state;
    overview.server_errors = 200;
    problem_is(VERDICT_WARNING, "1.5 % of the requests of the last 5 minutes failed",
               "microtrace view --errors");
    overview.server_errors = 6480;
    problem_is(VERDICT_WRONG, "50.0 % of the requests of the last 5 minutes failed",
               "microtrace view --errors");
    overview.server_errors = 100;
    judge();
    assert_int_equal(verdict.level, VERDICT_WELL);
    (void)set_up(NULL);
    overview.died = 2;
    problem_is(VERDICT_WARNING, "processes that were killed or crashed in the last 5 minutes: 2",
               "microtrace spool tail --no-follow");
    (void)set_up(NULL);
    overview.busy = 4;
    overview.idle = 0;
    overview.queue_p95_s = 1.5;
    problem_is(VERDICT_WARNING, "all processes are busy, and requests wait 1.5 s for one (p95)",
               "");
    (void)set_up(NULL);
    overview.programs[overview.program_count++] =
        (struct overview_program){.name = "backup", .last_failure_s = 2, .last_success_s = 1};
    problem_is(VERDICT_WARNING, "the last run of backup failed", "microtrace view --errors");
    overview.programs[0].last_success_s = 3;
    judge();
    assert_int_equal(verdict.level, VERDICT_WELL);
    (void)set_up(NULL);
    overview.breaker_used = true;
    overview.breaker = 1;
    problem_is(VERDICT_WARNING, "the breaker is open: the downstream service is not called",
               "microtrace breaker status");
    (void)set_up(NULL);
    overview.chaos_on = true;
    overview.chaos_probability = 0.05;
    overview.chaos_error_rate = 1;
    problem_is(VERDICT_WARNING, "chaos is on: 5 % delayed, 100 % fail, 0 % end their process",
               "microtrace chaos off");
}

static void what_the_agent_says_comes_first(void **state)
{
    (void)state;
    status.signals[SPOOL_TRACES].unanswered_ms = now_ms - 48000;
    overview.chaos_on = true;
    verdict_make(&verdict, &overview, &status, "the spool can't be used: it is gone");
    sentence_is(VERDICT_WRONG, "the spool can't be used: it is gone");
    assert_int_equal(verdict.problem_count, 3);
    assert_string_equal(verdict.problems[0].mend, "microtrace doctor");
    assert_int_equal(verdict.problems[1].level, VERDICT_WRONG);
    assert_int_equal(verdict.problems[2].level, VERDICT_WARNING);
    (void)snprintf(overview.problem, sizeof(overview.problem), "the metrics file is damaged");
    judge();
    sentence_is(VERDICT_WRONG, "the metrics file is damaged");
}

/* More than there is room for: the worst stay, also those that come last. */
static void the_worst_stay(void **state)
{
    (void)state;
    for (size_t i = 0; i < OVERVIEW_PROGRAMS_MAX; i++)
        overview.programs[overview.program_count++] =
            (struct overview_program){.name = "x", .last_failure_s = 1};
    judge();
    assert_int_equal(verdict.problem_count, VERDICT_PROBLEMS_MAX);
    for (int i = 0; i < SPOOL_SIGNALS; i++) {
        status.signals[i].failing_ms = now_ms - 1000;
        status.signals[i].unanswered_ms = now_ms - 4000;
    }
    judge();
    assert_int_equal(verdict.problem_count, VERDICT_PROBLEMS_MAX);
    for (size_t i = 0; i < VERDICT_PROBLEMS_MAX; i++)
        assert_int_equal(verdict.problems[i].level, i < 6 ? VERDICT_WRONG : VERDICT_WARNING);
}

/* All texts at their longest: they are cut, and end. */
static void long_texts(void **state)
{
    char agent[2 * VERDICT_TEXT_MAX];

    (void)state;
    memset(agent, 'a', sizeof(agent) - 1);
    agent[sizeof(agent) - 1] = '\0';
    memset(status.signals[0].endpoint, 'e', sizeof(status.signals[0].endpoint) - 1);
    memset(status.signals[0].reason, 'r', sizeof(status.signals[0].reason) - 1);
    status.signals[0].failing_ms = 1;
    verdict_make(&verdict, &overview, &status, agent);
    assert_int_equal(strlen(verdict.sentence), VERDICT_TEXT_MAX - 1);
    assert_int_equal(strlen(verdict.problems[0].text), VERDICT_TEXT_MAX - 1);
    assert_true(strlen(verdict.problems[1].text) < VERDICT_TEXT_MAX);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, set_up)
    const struct CMUnitTest tests[] = {
        TEST(all_is_well),     TEST(quiet_now),       TEST(fresh_instance),
        TEST(collector_hangs), TEST(collector_fails), TEST(collector_rejects),
        TEST(settings),        TEST(sending_is_slow), TEST(writers_lose),
        TEST(programs),        TEST(long_texts),      TEST(what_the_agent_says_comes_first),
        TEST(the_worst_stay),
    };

    return cmocka_run_group_tests_name("verdict", tests, NULL, NULL);
}
