/*
 * Goal: what a downstream call decides is what docs/downstream.md says: which settings are
 * accepted, which outcomes are tried again or count against the breaker, how long pauses are and a
 * whole call can last, and which bodies are a result.
 */
#include "fcgi-app/downstream_client.h"
#include "fcgi-app/downstream_policy.h"
#include "fcgi-app/downstream_settings.h"
#include "fcgi-app/libcurl.h"
#include "lib/base/ids.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

static const char *const variables[] = {
    "DOWNSTREAM_ENABLED",    "DOWNSTREAM_URL",      "DOWNSTREAM_TIMEOUT_MS", "DOWNSTREAM_RETRIES",
    "DOWNSTREAM_BACKOFF_MS", "DOWNSTREAM_FALLBACK", "BREAKER_FAILURES",      "BREAKER_OPEN_MS",
};

static int forget_settings(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
        unsetenv(variables[i]);
    return 0;
}

static struct downstream_settings load_good(void)
{
    struct downstream_settings settings;
    char error[CONFIG_ERROR_MAX];

    if (downstream_settings_load(&settings, "token", error) != 0)
        fail_msg("%s", error);
    return settings;
}

static void expect_error(const char *first, const char *second)
{
    struct downstream_settings settings;
    char error[CONFIG_ERROR_MAX] = "";

    assert_int_equal(downstream_settings_load(&settings, "token", error), -1);
    if (strstr(error, first) == NULL || strstr(error, second) == NULL)
        fail_msg("%s", error);
}

static void defaults_are_those_of_the_documentation(void **state)
{
    const struct downstream_settings settings = load_good();

    (void)state;
    assert_false(settings.enabled);
    assert_int_equal(settings.timeout_ms, 1000);
    assert_int_equal(settings.retries, 2);
    assert_int_equal(settings.backoff_ms.low, 50);
    assert_int_equal(settings.backoff_ms.high, 1000);
    assert_int_equal(settings.fallback, DOWNSTREAM_FALLBACK_NONE);
    assert_int_equal(settings.breaker_failures, 5);
    assert_int_equal(settings.breaker_open_ms, 10000);
    assert_int_equal(downstream_policy_budget_ms(&settings), 3 * 1000 + 50 + 100);
}

static const struct libcurl *libcurl(void)
{
    char error[CONFIG_ERROR_MAX];
    const struct libcurl *curl = libcurl_load(error, sizeof(error));

    if (curl == NULL)
        fail_msg("%s", error);
    return curl;
}

static void the_url_is_taken_apart_and_shown_without_a_password(void **state)
{
    static const struct {
        const char *url, *host, *shown;
        unsigned port;
    } cases[] = {
        {"http://example.test/analyze", "example.test", "http://example.test/analyze", 80},
        {"https://example.test:8443/x?y=1", "example.test", "https://example.test:8443/x?y=1",
         8443},
        {"https://example.test", "example.test", "https://example.test/", 443},
        {"http://[::1]:81/", "::1", "http://[::1]:81/", 81},
        {"http://me:secret@example.test/", "example.test", "http://REDACTED:REDACTED@example.test/",
         80},
        {"http://example.test/?sig=a&token=b&c=d", "example.test",
         "http://example.test/?sig=REDACTED&token=REDACTED&c=d", 80},
        {"http://me@example.test/", "example.test", "http://REDACTED@example.test/", 80},
    };

    (void)state;
    setenv("DOWNSTREAM_ENABLED", "TRUE", 1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct downstream_settings settings;
        struct downstream_target target;

        setenv("DOWNSTREAM_URL", cases[i].url, 1);
        settings = load_good();
        assert_true(settings.enabled);
        assert_int_equal(downstream_target_read(&target, libcurl(), &settings), 0);
        assert_string_equal(target.host, cases[i].host);
        assert_int_equal(target.port, cases[i].port);
        assert_string_equal(target.shown_url, cases[i].shown);
    }
}

static void settings_that_can_not_be_used_are_named(void **state)
{
    static const char *const urls[] = {"example.test/x", "ftp://example.test/",
                                       "file:///etc/passwd", "gopher://x/", "http:/x"};
    char longest[DOWNSTREAM_URL_MAX + 32] = "http://example.test/";

    (void)state;
    setenv("DOWNSTREAM_ENABLED", "true", 1);
    expect_error("DOWNSTREAM_ENABLED", "DOWNSTREAM_URL");
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        setenv("DOWNSTREAM_URL", urls[i], 1);
        expect_error("DOWNSTREAM_URL", urls[i]);
    }
    memset(longest + strlen(longest), 'x', sizeof(longest) - strlen(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    setenv("DOWNSTREAM_URL", longest, 1);
    expect_error("DOWNSTREAM_URL", "2048");
    setenv("DOWNSTREAM_URL", "http://example.test/", 1);
    setenv("DOWNSTREAM_FALLBACK", "remote", 1);
    expect_error("DOWNSTREAM_FALLBACK", "remote");
    setenv("DOWNSTREAM_FALLBACK", "local", 1);
    setenv("BREAKER_FAILURES", "0", 1);
    expect_error("BREAKER_FAILURES", "0");
    setenv("BREAKER_FAILURES", "1", 1);
    setenv("DOWNSTREAM_BACKOFF_MS", "100-50", 1);
    expect_error("DOWNSTREAM_BACKOFF_MS", "100-50");
}

static void a_url_that_only_libcurl_can_judge_is_refused_by_the_target(void **state)
{
    static const char *const urls[] = {"http://", "http://a b/", "http://x:99999/"};

    (void)state;
    setenv("DOWNSTREAM_ENABLED", "true", 1);
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        struct downstream_settings settings;
        struct downstream_target target;
        char error[CONFIG_ERROR_MAX];

        setenv("DOWNSTREAM_URL", urls[i], 1);
        settings = load_good();
        assert_int_equal(downstream_target_read(&target, libcurl(), &settings), -1);
        assert_null(downstream_client_open(&settings, error));
        if (strstr(error, "DOWNSTREAM_URL") == NULL || strstr(error, urls[i]) == NULL)
            fail_msg("%s", error);
    }
}

static void a_url_that_is_not_used_is_not_looked_at(void **state)
{
    (void)state;
    setenv("DOWNSTREAM_URL", "nonsense", 1);
    setenv("DOWNSTREAM_ENABLED", "false", 1);
    assert_false(load_good().enabled);
}

static void outcomes_and_what_follows_from_them(void **state)
{
    static const struct {
        long status;
        enum downstream_outcome outcome;
        bool retried, failure;
    } cases[] = {
        {204, DOWNSTREAM_BAD_RESPONSE, false, true},  {302, DOWNSTREAM_BAD_RESPONSE, false, true},
        {400, DOWNSTREAM_CLIENT_ERROR, false, false}, {404, DOWNSTREAM_CLIENT_ERROR, false, false},
        {422, DOWNSTREAM_CLIENT_ERROR, false, false}, {428, DOWNSTREAM_CLIENT_ERROR, false, false},
        {429, DOWNSTREAM_THROTTLED, true, true},      {500, DOWNSTREAM_SERVER_ERROR, false, true},
        {501, DOWNSTREAM_SERVER_ERROR, false, true},  {502, DOWNSTREAM_SERVER_ERROR, true, true},
        {503, DOWNSTREAM_SERVER_ERROR, true, true},   {504, DOWNSTREAM_SERVER_ERROR, true, true},
        {505, DOWNSTREAM_SERVER_ERROR, false, true},  {599, DOWNSTREAM_SERVER_ERROR, false, true},
        {600, DOWNSTREAM_BAD_RESPONSE, false, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const enum downstream_outcome outcome = downstream_policy_status(cases[i].status);

        assert_int_equal(outcome, cases[i].outcome);
        assert_int_equal(downstream_policy_retryable(outcome, cases[i].status), cases[i].retried);
        assert_int_equal(downstream_policy_is_failure(outcome), cases[i].failure);
    }
    assert_true(downstream_policy_retryable(DOWNSTREAM_CONNECTION_FAILED, 0));
    assert_true(downstream_policy_retryable(DOWNSTREAM_TIMEOUT, 0));
    assert_false(downstream_policy_retryable(DOWNSTREAM_SUCCESS, 200));
    assert_true(downstream_policy_is_failure(DOWNSTREAM_CONNECTION_FAILED));
    assert_true(downstream_policy_is_failure(DOWNSTREAM_TIMEOUT));
    assert_true(downstream_policy_is_failure(DOWNSTREAM_BAD_RESPONSE));
    assert_false(downstream_policy_is_failure(DOWNSTREAM_SUCCESS));
}

static void pauses_double_up_to_a_limit_and_use_all_below_it(void **state)
{
    const struct config_range backoff = {.low = 50, .high = 1000};
    static const unsigned limits[] = {50, 100, 200, 400, 800, 1000, 1000};
    unsigned quarters[4] = {0};

    (void)state;
    for (unsigned retry = 1; retry <= 7; retry++)
        assert_int_equal(downstream_policy_backoff_limit(backoff, retry), limits[retry - 1]);
    assert_int_equal(downstream_policy_backoff_limit((struct config_range){0, 1000}, 10), 0);
    assert_int_equal(downstream_policy_backoff_limit((struct config_range){60000, 60000}, 10),
                     60000);
    for (int i = 0; i < 10000; i++) {
        const uint64_t pause = downstream_policy_pause_ms(backoff, 4, ids_random64(), 0);

        assert_true(pause <= 400);
        quarters[pause * 4 / 401]++;
    }
    /* More than ten standard deviations to either side of 2500. */
    for (int i = 0; i < 4; i++)
        assert_true(quarters[i] > 2000 && quarters[i] < 3000);
}

static void a_retry_after_is_the_least_pause(void **state)
{
    const struct config_range backoff = {.low = 50, .high = 1000};

    (void)state;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(downstream_policy_pause_ms(backoff, 1, ids_random64(), 2000), 2000);
        assert_true(downstream_policy_pause_ms(backoff, 6, ids_random64(), 500) >= 500);
    }
}

static void a_retry_after_of_ours_is_never_too_early(void **state)
{
    static const struct {
        uint64_t wait_ms;
        unsigned seconds;
    } cases[] = {{0, 0}, {1, 1}, {999, 1}, {1000, 1}, {1001, 2}, {2000, 2}, {119999, 120}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(downstream_policy_retry_after_s(cases[i].wait_ms), cases[i].seconds);
}

static int read_result(const char *body, struct analysis_result *result)
{
    return downstream_policy_read_result(body, strlen(body), result);
}

static void bodies_that_are_a_result(void **state)
{
    struct analysis_result result;

    (void)state;
    assert_int_equal(read_result("{\"sum\": 14.0, \"difference\": 7.0}", &result), 0);
    assert_true(result.sum == 14 && result.difference == 7);
    assert_int_equal(read_result(" {\"x\":[],\"difference\":-1e308,\"sum\":3}\n", &result), 0);
    assert_true(result.sum == 3 && result.difference == -1e308);
}

static void bodies_that_are_none(void **state)
{
    static const char *const bodies[] = {
        "",
        "hello",
        "null",
        "[]",
        "14",
        "{}",
        "{\"sum\": 14.0}",
        "{\"sum\": 14.0, \"difference\": null}",
        "{\"sum\": \"14.0\", \"difference\": 7.0}",
        "{\"sum\": 1e999, \"difference\": 7.0}",
        "{\"sum\": NaN, \"difference\": 7.0}",
        "{\"sum\": 14.0, \"difference\": 7.0",
        "{\"sum\": 14.0, \"difference\": 7.0} x",
        "<html>{\"sum\": 14.0, \"difference\": 7.0}</html>",
        "{\"sum\": true, \"difference\": false}",
        "{\"sum\": [1], \"difference\": {}}",
        "\xff\xfe{\"sum\": 14.0, \"difference\": 7.0}",
    };
    struct analysis_result result;
    char nested[60001];

    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        if (read_result(bodies[i], &result) == 0)
            fail_msg("%s", bodies[i]);
    }
    memset(nested, '[', sizeof(nested) - 1);
    nested[sizeof(nested) - 1] = '\0';
    assert_int_equal(read_result(nested, &result), -1);
    assert_int_equal(downstream_policy_read_result("{\"sum\":1,\0\"difference\":1}", 25, &result),
                     -1);
}

#define TEST(name) cmocka_unit_test_setup(name, forget_settings)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(defaults_are_those_of_the_documentation),
        TEST(the_url_is_taken_apart_and_shown_without_a_password),
        TEST(settings_that_can_not_be_used_are_named),
        TEST(a_url_that_only_libcurl_can_judge_is_refused_by_the_target),
        TEST(a_url_that_is_not_used_is_not_looked_at),
        TEST(outcomes_and_what_follows_from_them),
        TEST(pauses_double_up_to_a_limit_and_use_all_below_it),
        TEST(a_retry_after_is_the_least_pause),
        TEST(a_retry_after_of_ours_is_never_too_early),
        TEST(bodies_that_are_a_result),
        TEST(bodies_that_are_none),
    };

    return cmocka_run_group_tests_name("downstream", tests, NULL, forget_settings);
}
