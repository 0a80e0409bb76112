/*
 * Goal: a command's options are read as `--name VALUE` or `--name=VALUE` in any order, the last one
 * counts, fallbacks fill in, and each mistake is one clear refusal.
 */
#include "lib/base/options.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct values {
    const char *url;
    double rate;
    uint64_t count;
    bool json;
};

static const struct config_setting rows[] = {
    {.name = "--url",
     .type = CONFIG_STRING,
     .offset = offsetof(struct values, url),
     .fallback = "http://127.0.0.1:8000",
     .help = "Where."},
    {.name = "--rate",
     .type = CONFIG_DOUBLE,
     .offset = offsetof(struct values, rate),
     .min = 0.01,
     .max = 100,
     .fallback = "10",
     .help = "How fast."},
    {.name = "--count",
     .type = CONFIG_UINT,
     .offset = offsetof(struct values, count),
     .max = 1000,
     .fallback = "0",
     .help = "How many."},
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]), ARGUMENTS_MAX = 12 };

static const struct options_switch switches[] = {
    {"--json", offsetof(struct values, json), "JSON."},
    {NULL, 0, NULL},
};

/* Reads what stands in `line`, words with one space between them. */
static int read_line(struct values *values, const struct options_switch *which, char *line)
{
    const struct options_table table = {.command = "microtrace test",
                                        .operands = "",
                                        .summary = "Tests.",
                                        .rows = rows,
                                        .row_count = ROWS,
                                        .switches = which,
                                        .letter = 'c',
                                        .letter_row = "--count"};
    char name[] = "test", *words[ARGUMENTS_MAX] = {name}, **argv = words, *rest = line;
    int argc = 1;

    *values = (struct values){0};
    for (char *word; argc < ARGUMENTS_MAX && (word = strsep(&rest, " ")) != NULL;)
        if (word[0] != '\0')
            argv[argc++] = word;
    return options_read(&table, values, &argc, &argv);
}

static void test_fallbacks(void **state)
{
    struct values values;
    char line[] = "";

    (void)state;
    assert_int_equal(read_line(&values, switches, line), OPTIONS_GO);
    assert_string_equal(values.url, "http://127.0.0.1:8000");
    assert_true(values.rate == 10);
    assert_int_equal(values.count, 0);
    assert_false(values.json);
}

static void test_forms(void **state)
{
    struct values values;
    char line[] = "--rate=2.5 --json --url http://h/?a=b --count 7 -c 8";

    (void)state;
    assert_int_equal(read_line(&values, switches, line), OPTIONS_GO);
    assert_string_equal(values.url, "http://h/?a=b");
    assert_true(values.rate == 2.5);
    assert_int_equal(values.count, 8);
    assert_true(values.json);
}

static void test_refused(void **state)
{
    static const char *const lines[] = {
        "--nothing",   "stray",       "--c",      "--rates 1",      "--rate",
        "-x",          "-c",          "-c x",     "--json --count", "--rate 0",
        "--rate 100x", "--count -1",  "--count=", "--json=true",    "=5",
        "-- stray",    "--count 1001"};
    struct values values;
    char line[64];

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        (void)strcpy(line, lines[i]);
        if (read_line(&values, switches, line) != OPTIONS_USAGE)
            fail_msg("%s was taken", lines[i]);
    }
    (void)strcpy(line, "--json");
    assert_int_equal(read_line(&values, NULL, line), OPTIONS_USAGE);
}

/* Reads words, and puts the operands into `operands`, one blank between them. */
static int read_operands(bool numbers, bool command_follows, char *line, char operands[64])
{
    const struct options_table table = {.command = "microtrace test",
                                        .operands = "NAME...",
                                        .summary = "Tests.",
                                        .rows = rows,
                                        .row_count = ROWS,
                                        .numbers = numbers,
                                        .command_follows = command_follows};
    char name[] = "test", *words[ARGUMENTS_MAX] = {name}, **argv = words, *rest = line;
    struct values values = {0};
    int argc = 1, result;

    for (char *word; argc < ARGUMENTS_MAX && (word = strsep(&rest, " ")) != NULL;)
        argv[argc++] = word;
    result = options_read(&table, &values, &argc, &argv);
    operands[0] = '\0';
    for (int i = 0; result == OPTIONS_GO && i < argc; i++)
        (void)snprintf(operands + strlen(operands), 64 - strlen(operands), "%s%s", i > 0 ? " " : "",
                       argv[i]);
    return result;
}

static void test_negative_numbers(void **state)
{
    static const struct {
        const char *line, *operands; /* NULL: refused */
    } table[] = {
        {"a -5", "a -5"},          {"-5 a", "-5 a"},         {"a --count 3 -.5", "a -.5"},
        {"a -5 --url -7", "a -5"}, {"-1 -2 -3", "-1 -2 -3"}, {"a -- -5", "a -5"},
        {"a -- --url", "a --url"}, {"a -", "a -"},           {"a -x", NULL},
        {"a -5 --nothing", NULL},  {"a --count -5", NULL}, /* its value, and no operand */
    };
    char line[64], operands[64];

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        const bool good = table[i].operands != NULL;

        (void)strcpy(line, table[i].line);
        if (read_operands(true, false, line, operands) != (good ? OPTIONS_GO : OPTIONS_USAGE) ||
            (good && strcmp(operands, table[i].operands) != 0))
            fail_msg("%s gives %s", table[i].line, operands);
    }
    (void)strcpy(line, "a -5");
    assert_int_equal(read_operands(false, false, line, operands), OPTIONS_USAGE);
}

static void test_a_command_that_follows(void **state)
{
    static const struct {
        const char *line, *operands;
    } table[] = {
        {"ls -l --url x", "ls -l --url x"}, {"--count 3 ls --help", "ls --help"},
        {"--count 3 -- ls -l", "ls -l"},    {"-- --url x", "--url x"},
        {"ls -- -l", "ls -- -l"},           {"--url x", ""},
    };
    char line[64], operands[64];

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        (void)strcpy(line, table[i].line);
        assert_int_equal(read_operands(false, true, line, operands), OPTIONS_GO);
        assert_string_equal(operands, table[i].operands);
    }
    (void)strcpy(line, "--nothing ls");
    assert_int_equal(read_operands(false, true, line, operands), OPTIONS_USAGE);
}

static int any_state(const char *state)
{
    (void)state;
    return 0;
}

static void help_fits_a_terminal(void **state)
{
    const struct options_table table = {
        .command = "microtrace test",
        .operands = "[NAME]...",
        .summary = "Tests the help, which is broken into lines of no more than "
                   "eighty columns, whatever it says, however long it goes on.",
        .rows = rows,
        .row_count = ROWS,
        .state = any_state};
    char *text = NULL, *line, *rest;
    size_t size;
    FILE *const to = open_memstream(&text, &size);

    (void)state;
    assert_non_null(to);
    options_print_help(to, &table);
    assert_int_equal(fclose(to), 0);
    assert_non_null(strstr(text, "--state DIR"));
    assert_non_null(strstr(text, "Default: http://127.0.0.1:8000."));
    for (rest = text; (line = strsep(&rest, "\n")) != NULL;)
        assert_true(strlen(line) <= 80);
    free(text);
}

/* "none" would contradict what the option's own text says of it. */
static void no_default_is_not_said(void **state)
{
    static const struct config_setting without[] = {
        {.name = "--name", .type = CONFIG_STRING, .help = "Unless given, the program's."},
        {.name = "--allow", .type = CONFIG_STRING, .fallback = "", .help = "Only this one."},
    };
    static const struct config_setting variable = {
        .name = "OTEL_SERVICE_NAME", .type = CONFIG_STRING, .help = "The service."};
    char text[256];

    (void)state;
    config_describe(&without[0], text, sizeof(text));
    assert_string_equal(text, "Unless given, the program's.");
    config_describe(&without[1], text, sizeof(text));
    assert_string_equal(text, "Only this one.");
    config_describe(&variable, text, sizeof(text));
    assert_string_equal(text, "The service. Default: none.");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fallbacks),
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_negative_numbers),
        cmocka_unit_test(test_a_command_that_follows),
        cmocka_unit_test(help_fits_a_terminal),
        cmocka_unit_test(no_default_is_not_said),
    };

    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
