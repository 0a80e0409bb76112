/*
 * Goal: a setting is taken as it is meant or refused with a message that names variable and value;
 * OTEL_* variables warn and count as unset instead; defaults are what the table says.
 */
#include "lib/base/config.h"
#include "lib/trace/log.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

struct settings {
    uint64_t number;
    double share;
    bool flag, yes;
    const char *text;
    int level;
    struct config_range range;
    int choice;
    const char *address;
    uint64_t otel_number;
    int otel_choice;
    uint64_t bytes, ms;
    double seconds;
    struct config_range times;
};

static const char *const choices[] = {"none", "gzip", NULL};

static const struct config_setting rows[] = {
    {.name = "T_NUMBER",
     .type = CONFIG_UINT,
     .offset = offsetof(struct settings, number),
     .min = 1,
     .max = 100,
     .fallback = "5"},
    {.name = "T_SHARE",
     .type = CONFIG_DOUBLE,
     .offset = offsetof(struct settings, share),
     .min = 0,
     .max = 1,
     .fallback = "0.05"},
    {.name = "T_YES",
     .type = CONFIG_BOOL,
     .offset = offsetof(struct settings, yes),
     .fallback = "false"},
    {.name = "T_FLAG",
     .type = CONFIG_TRUE,
     .offset = offsetof(struct settings, flag),
     .fallback = "false"},
    {.name = "T_TEXT", .type = CONFIG_STRING, .offset = offsetof(struct settings, text)},
    {.name = "T_LEVEL",
     .type = CONFIG_LEVEL,
     .offset = offsetof(struct settings, level),
     .fallback = "INFO"},
    {.name = "T_RANGE",
     .type = CONFIG_RANGE,
     .offset = offsetof(struct settings, range),
     .min = 0,
     .max = 60000,
     .fallback = "100-200"},
    {.name = "T_CHOICE",
     .type = CONFIG_CHOICE,
     .offset = offsetof(struct settings, choice),
     .choices = choices,
     .fallback = "none"},
    {.name = "T_ADDRESS",
     .type = CONFIG_HOST_PORT,
     .offset = offsetof(struct settings, address),
     .fallback = "127.0.0.1:9464"},
    {.name = "T_BYTES",
     .type = CONFIG_UINT,
     .unit = CONFIG_UNIT_BYTES,
     .offset = offsetof(struct settings, bytes),
     .min = 4096,
     .max = 1e15,
     .fallback = "16MiB"},
    {.name = "T_MS",
     .type = CONFIG_UINT,
     .unit = CONFIG_UNIT_MS,
     .offset = offsetof(struct settings, ms),
     .max = 3600000,
     .fallback = "10s"},
    {.name = "T_SECONDS",
     .type = CONFIG_DOUBLE,
     .unit = CONFIG_UNIT_S,
     .offset = offsetof(struct settings, seconds),
     .max = 86400,
     .fallback = "1.5"},
    {.name = "T_TIMES",
     .type = CONFIG_RANGE,
     .unit = CONFIG_UNIT_MS,
     .offset = offsetof(struct settings, times),
     .max = 60000,
     .fallback = "100-200"},
    {.name = "OTEL_T_NUMBER",
     .type = CONFIG_UINT,
     .offset = offsetof(struct settings, otel_number),
     .min = 0,
     .max = 1e9,
     .fallback = "10000",
     .otel = true},
    {.name = "OTEL_T_CHOICE",
     .type = CONFIG_CHOICE,
     .offset = offsetof(struct settings, otel_choice),
     .choices = choices,
     .fallback = "none",
     .otel = true},
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static char warning[CONFIG_ERROR_MAX], error[CONFIG_ERROR_MAX];

static void keep_warning(const char *message)
{
    (void)strncpy(warning, message, sizeof(warning) - 1);
}

static int load_with(struct settings *settings, const char *name, const char *value)
{
    int result;

    warning[0] = error[0] = '\0';
    assert_int_equal(setenv(name, value, 1), 0);
    result = config_load(rows, ROWS, settings, keep_warning, error);
    assert_int_equal(unsetenv(name), 0);
    return result;
}

static void unset_and_empty_mean_the_default(void **state)
{
    struct settings s;

    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        assert_int_equal(load_with(&s, rows[i].name, ""), 0);
        assert_int_equal(s.number, 5);
        assert_true(s.share == 0.05);
        assert_false(s.flag);
        assert_false(s.yes);
        assert_null(s.text);
        assert_int_equal(s.level, LOG_LEVEL_INFO);
        assert_int_equal(s.range.low, 100);
        assert_int_equal(s.range.high, 200);
        assert_int_equal(s.choice, 0);
        assert_string_equal(s.address, "127.0.0.1:9464");
        assert_int_equal(s.otel_number, 10000);
    }
}

static void good_values_are_taken(void **state)
{
    struct settings s;

    (void)state;
    assert_int_equal(load_with(&s, "T_NUMBER", "100"), 0);
    assert_int_equal(s.number, 100);
    assert_int_equal(load_with(&s, "T_SHARE", "1e-3"), 0);
    assert_true(s.share == 0.001);
    assert_int_equal(load_with(&s, "T_FLAG", "true"), 0);
    assert_true(s.flag);
    assert_int_equal(load_with(&s, "T_YES", "TRUE"), 0);
    assert_true(s.yes);
    assert_int_equal(load_with(&s, "T_YES", "False"), 0);
    assert_false(s.yes);
    assert_int_equal(load_with(&s, "T_LEVEL", "warn"), 0);
    assert_int_equal(s.level, LOG_LEVEL_WARNING);
    assert_int_equal(load_with(&s, "T_RANGE", "7"), 0);
    assert_true(s.range.low == 7 && s.range.high == 7);
    assert_int_equal(load_with(&s, "T_CHOICE", "gzip"), 0);
    assert_int_equal(s.choice, 1);
    assert_int_equal(load_with(&s, "T_ADDRESS", "[::1]:80"), 0);
    assert_string_equal(s.address, "[::1]:80");
}

static void sizes_and_times_take_units(void **state)
{
    static const struct {
        const char *text;
        uint64_t value;
    } sizes[] = {{"4096", 4096},
                 {"512M", UINT64_C(512) << 20},
                 {"16KiB", 16384},
                 {"16kb", 16384},
                 {"4.5k", 4608},
                 {"8192B", 8192},
                 {"2G", UINT64_C(2) << 30},
                 {"0.5TiB", UINT64_C(1) << 39}},
      times[] = {{"0", 0},       {"100", 100},  {"100ms", 100}, {"10s", 10000},
                 {"0.25s", 250}, {"2000us", 2}, {"2m", 120000}, {"1h", 3600000}};
    struct settings s;

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        assert_int_equal(load_with(&s, "T_BYTES", sizes[i].text), 0);
        assert_int_equal(s.bytes, sizes[i].value);
    }
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        assert_int_equal(load_with(&s, "T_MS", times[i].text), 0);
        assert_int_equal(s.ms, times[i].value);
    }
    assert_int_equal(s.bytes, UINT64_C(16) << 20);
    assert_int_equal(load_with(&s, "T_SECONDS", "250ms"), 0);
    assert_true(s.seconds == 0.25);
    assert_int_equal(load_with(&s, "T_SECONDS", "1e1"), 0);
    assert_true(s.seconds == 10);
    assert_int_equal(load_with(&s, "T_TIMES", "1-2s"), 0);
    assert_true(s.times.low == 1000 && s.times.high == 2000);
    assert_int_equal(load_with(&s, "T_TIMES", "500ms-2s"), 0);
    assert_true(s.times.low == 500 && s.times.high == 2000);
    assert_int_equal(load_with(&s, "T_TIMES", "1s"), 0);
    assert_true(s.times.low == 1000 && s.times.high == 1000);
}

static void only_true_is_true(void **state)
{
    static const char *const cases[] = {"1",     "yes",   "on",   "false", "t",
                                        " true", "truee", "True", "TRUE"};
    struct settings s;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(load_with(&s, "T_FLAG", cases[i]), 0);
        assert_false(s.flag);
    }
}

static void bad_values_name_variable_and_value(void **state)
{
    static const struct {
        const char *name, *value;
    } cases[] = {
        {"T_NUMBER", "0"},
        {"T_NUMBER", "101"},
        {"T_NUMBER", "-1"},
        {"T_NUMBER", "5x"},
        {"T_NUMBER", " 5"},
        {"T_NUMBER", "0x5"},
        {"T_NUMBER", "1.0"},
        {"T_NUMBER", "99999999999999999999999"},
        {"T_SHARE", "1.01"},
        {"T_SHARE", "nan"},
        {"T_SHARE", "0x1p-3"},
        {"T_SHARE", "e"},
        {"T_SHARE", "1e999"},
        {"T_LEVEL", "loud"},
        {"T_RANGE", "200-100"},
        {"T_RANGE", "1-"},
        {"T_RANGE", "-1"},
        {"T_RANGE", "1-2-3"},
        {"T_RANGE", "0-60001"},
        {"T_CHOICE", "GZIP"},
        {"T_YES", "1"},
        {"T_YES", "yes"},
        {"T_NUMBER", "5s"},
        {"T_NUMBER", "5K"},
        {"T_BYTES", "4095"},
        {"T_BYTES", "1M2"},
        {"T_BYTES", "64 K"},
        {"T_BYTES", "M"},
        {"T_BYTES", "10ms"},
        {"T_BYTES", "4096.5"},
        {"T_BYTES", "4.00001K"},
        {"T_BYTES", "16MiBB"},
        {"T_BYTES", "99999999T"},
        {"T_MS", "2h"},
        {"T_MS", "100us"},
        {"T_MS", "10S"},
        {"T_MS", "1.s"},
        {"T_MS", "-1s"},
        {"T_SECONDS", "s"},
        {"T_SECONDS", "2d"},
        {"T_TIMES", "2s-1s"},
        {"T_TIMES", "1s-2"},
        {"T_TIMES", "1-2M"},
        {"T_ADDRESS", "9464"},
        {"T_ADDRESS", "host:"},
        {"T_ADDRESS", ":9464"},
        {"T_ADDRESS", "h:65536"},
        {"T_ADDRESS", "::1:9464"},
        {"T_ADDRESS", "[::1:9464"},
    };
    struct settings s;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (load_with(&s, cases[i].name, cases[i].value) != -1)
            fail_msg("%s=%s was accepted", cases[i].name, cases[i].value);
        assert_non_null(strstr(error, cases[i].name));
        assert_non_null(strstr(error, cases[i].value));
    }
}

static void otel_variables_warn_and_count_as_unset(void **state)
{
    struct settings s;

    (void)state;
    assert_int_equal(load_with(&s, "OTEL_T_NUMBER", "soon"), 0);
    assert_int_equal(s.otel_number, 10000);
    assert_non_null(strstr(warning, "OTEL_T_NUMBER"));
    assert_non_null(strstr(warning, "soon"));
    assert_int_equal(load_with(&s, "OTEL_T_CHOICE", "zstd"), 0);
    assert_int_equal(s.otel_choice, 0);
    assert_non_null(strstr(warning, "zstd"));
}

/* OpenTelemetry, "Environment Variable Specification", Enum. */
static void otel_choices_are_taken_in_any_case(void **state)
{
    struct settings s;

    (void)state;
    assert_int_equal(load_with(&s, "OTEL_T_CHOICE", "GZip"), 0);
    assert_int_equal(s.otel_choice, 1);
    assert_string_equal(warning, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unset_and_empty_mean_the_default),
        cmocka_unit_test(good_values_are_taken),
        cmocka_unit_test(sizes_and_times_take_units),
        cmocka_unit_test(only_true_is_true),
        cmocka_unit_test(bad_values_name_variable_and_value),
        cmocka_unit_test(otel_variables_warn_and_count_as_unset),
        cmocka_unit_test(otel_choices_are_taken_in_any_case),
    };

    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
