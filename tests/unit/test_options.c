/*
 * Goal: a command's options are read as `--name VALUE` or `--name=VALUE` in any order, the last one
 * counts, fallbacks fill in, and each mistake is one clear refusal.
 */
#include "cli/command.h"
#include "cli/options.h"
#include "tests/unit/unit.h"

#include <string.h>

struct values {
    const char *url;
    double rate;
    uint64_t count;
    bool json, help;
};

static const struct config_setting rows[] = {
    {.name = "--url",
     .type = CONFIG_STRING,
     .offset = offsetof(struct values, url),
     .fallback = "http://127.0.0.1:8000"},
    {.name = "--rate",
     .type = CONFIG_DOUBLE,
     .offset = offsetof(struct values, rate),
     .min = 0.01,
     .max = 100,
     .fallback = "10"},
    {.name = "--count",
     .type = CONFIG_UINT,
     .offset = offsetof(struct values, count),
     .max = 1000,
     .fallback = "0"},
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]), ARGUMENTS_MAX = 8 };

static const struct options_switch switches[] = {
    {"--json", offsetof(struct values, json)},
    {"--help", offsetof(struct values, help)},
    {NULL, 0},
};

/* Reads what stands in `line`, words with one space between them. */
static int read_line(struct values *values, const struct options_switch *which, char *line)
{
    char *argv[ARGUMENTS_MAX] = {NULL}, *rest = line;
    int argc = 0;

    *values = (struct values){0};
    for (char *word; argc < ARGUMENTS_MAX && (word = strsep(&rest, " ")) != NULL;)
        if (word[0] != '\0')
            argv[argc++] = word;
    return options_read("test", rows, ROWS, which, values, argc, argv);
}

static void test_fallbacks(void **state)
{
    struct values values;
    char line[] = "";

    (void)state;
    assert_int_equal(read_line(&values, switches, line), COMMAND_OK);
    assert_string_equal(values.url, "http://127.0.0.1:8000");
    assert_true(values.rate == 10);
    assert_int_equal(values.count, 0);
    assert_false(values.json);
    assert_false(values.help);
}

static void test_forms(void **state)
{
    struct values values;
    char line[] = "--rate=2.5 --json --url http://h/?a=b --count 7 --count=8";

    (void)state;
    assert_int_equal(read_line(&values, switches, line), COMMAND_OK);
    assert_string_equal(values.url, "http://h/?a=b");
    assert_true(values.rate == 2.5);
    assert_int_equal(values.count, 8);
    assert_true(values.json);
    assert_false(values.help);
}

static void test_refused(void **state)
{
    static const char *const lines[] = {"--nothing", "stray",       "--rat 1",
                                        "--rates 1", "--rate",      "--json --count",
                                        "--rate 0",  "--rate 100x", "--count -1",
                                        "--count=",  "--json=true", "=5",
                                        "--",        "--count 1001"};
    struct values values;
    char line[64];

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        (void)strcpy(line, lines[i]);
        if (read_line(&values, switches, line) != COMMAND_USAGE)
            fail_msg("%s was taken", lines[i]);
    }
    (void)strcpy(line, "--json");
    assert_int_equal(read_line(&values, NULL, line), COMMAND_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fallbacks),
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
