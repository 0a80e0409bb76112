/*
 * Goal: the settings file is read as systemd reads an EnvironmentFile=; the environment wins over
 * it; it holds for the host's own instance alone, or where it is named; and nothing that lies under
 * its name holds up or ends a program.
 */
#include "lib/base/config.h"
#include "lib/base/config_file.h"
#include "lib/base/config_lines.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT_MAX = 4096, SAID_MAX = 2000 };

static char folder[64], path[80];
static char said[SAID_MAX];

static void hear(const char *message)
{
    const size_t length = strlen(said);

    (void)snprintf(said + length, sizeof(said) - length, "%s\n", message);
}

static int make_folder(void **state)
{
    (void)state;
    (void)clearenv();
    (void)snprintf(folder, sizeof(folder), "/tmp/test_config_file.XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    (void)snprintf(path, sizeof(path), "%s/conf", folder);
    said[0] = '\0';
    return setenv("MICROTRACE_CONFIG_FILE", path, 1);
}

static int remove_folder(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(folder);
}

static void write_file(const char *text, size_t length)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, length), length);
    assert_int_equal(close(fd), 0);
}

static void load(const char *text)
{
    write_file(text, strlen(text));
    said[0] = '\0';
    config_file_load(hear);
}

/* All settings of `text` as "NAME=VALUE|", those that can't be used as "!LINE|". */
static const char *parsed(const char *text, size_t length)
{
    static char copy[TEXT_MAX], out[2 * TEXT_MAX];
    struct config_lines lines = {copy, copy + length, 1};
    struct config_line line;
    size_t used = 0;

    assert_true(length < sizeof(copy));
    memset(copy, 'x', sizeof(copy));
    memcpy(copy, text, length);
    out[0] = '\0';
    while (config_lines_next(&lines, &line)) {
        if (line.problem != NULL)
            used += (size_t)snprintf(out + used, sizeof(out) - used, "!%u|", line.number);
        else
            used +=
                (size_t)snprintf(out + used, sizeof(out) - used, "%s=%s|", line.name, line.value);
    }
    return out;
}

static void lines_are_read_as_systemd_reads_them(void **state)
{
    static const struct {
        const char *text, *settings;
    } cases[] = {
        {"a=b\nb = c d \n", "a=b|b=c d|"},
        {"a=b\\\nc\nd= e\\\n f  \\\ng  \nh=i\\ \n", "a=bc|d=e f  g|h=i |"},
        {"a=ü\\ é \nb=c\\", "a=ü é|b=c|"},
        {"a=b\\\n", "a=b|"},
        {"a=\nb=", "a=|b=|"},
        {"a=\\ \\n \\x \\' \nb= \\$'   \nc= ' \\n\\$\\`\\\\\n'   \n"
         "d= \" \\n\\$\\`\\\"\\\\\n\"   \n",
         "a= n x '|b=$'|c= \\n\\$\\`\\\\\n|d= \\n$`\"\\\n|"},
        {"", ""},
        {"\n \t\n#a=b\n;c=d\n  # e=f\n", ""},
        {"a=b # no comment\n", "a=b # no comment|"},
        {"  a  =  b c  \n", "a=b c|"},
        {"a=b=c\n", "a=b=c|"},
        {"a='b'\"c\" d\n", "a=bcd|"},
        {"a=b'c'\n", "a=b'c'|"},
        {"a=\"x \"\n", "a=x |"},
        {"a='line 1\nline 2'\nb=3", "a=line 1\nline 2|b=3|"},
        {"a=\"b\\\nc\"\n", "a=bc|"},
        {"a=b\r\nc=d\r\n", "a=b|c=d|"},
        {"# no line goes on \\\na=b", "a=b|"},
        {"_a1=b", "_a1=b|"},
        /* What can't be used takes nothing else with it, but an open quote the rest. */
        {"nonsense\na=b\n", "!1|a=b|"},
        {"a=1\n=b\nc d=e\n1f=g\nexport h=i\nj=2", "a=1|!2|!3|!4|!5|j=2|"},
        {"a=1\n\nb=\"c\nd=e\n", "a=1|!3|"},
        {"a='b", "!1|"},
        {"a=\"b\\", "!1|"},
        {"=", "!1|"},
    };
    static const char nul[] = "a=b\0c\nd\0=e\nf=g";

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(parsed(cases[i].text, strlen(cases[i].text)), cases[i].settings);
    assert_string_equal(parsed(nul, sizeof(nul) - 1), "!1|!2|f=g|");
}

static void the_environment_wins(void **state)
{
    (void)state;
    load("T_ONE=file\nT_TWO=file\nT_THREE=file\nT_THREE=last\n");
    assert_string_equal(said, "");
    assert_string_equal(config_file_in_use(), path);
    assert_int_equal(setenv("T_ONE", "environment", 1), 0);
    assert_int_equal(setenv("T_TWO", "", 1), 0);
    assert_string_equal(config_get("T_ONE"), "environment");
    assert_string_equal(config_get("T_TWO"), "");
    assert_string_equal(config_get("T_THREE"), "last");
    assert_null(config_get("T_FOUR"));
    /* Nothing goes into the environment, which is the program's. */
    assert_null(getenv("T_THREE"));
}

static void a_value_that_cant_be_used_is_named_with_its_line(void **state)
{
    static const struct config_setting row = {
        .name = "T_NUMBER", .type = CONFIG_UINT, .max = 10, .fallback = "5"};
    char error[CONFIG_ERROR_MAX], expected[CONFIG_ERROR_MAX];
    uint64_t number;

    (void)state;
    load("# A comment.\nT_NUMBER=7\n");
    assert_int_equal(config_load(&row, 1, &number, NULL, error), 0);
    assert_int_equal(number, 7);
    load("\n\nT_NUMBER=eleven\n");
    assert_int_equal(config_load(&row, 1, &number, NULL, error), -1);
    (void)snprintf(expected, sizeof(expected),
                   "T_NUMBER: \"eleven\" can't be used; it takes a whole number from 0 to 10 (%s, "
                   "line 3)",
                   path);
    assert_string_equal(error, expected);
}

static void an_instance_of_its_own_has_no_file_of_the_host(void **state)
{
    (void)state;
    assert_true(config_file_is_named());
    load("T_ONE=file\n");
    assert_int_equal(setenv("MICROTRACE_RUN_DIR", "/elsewhere", 1), 0);
    assert_string_equal(config_get("T_ONE"), "file");
    /* What was read for another environment does not hold for this one. */
    assert_int_equal(unsetenv("MICROTRACE_CONFIG_FILE"), 0);
    assert_false(config_file_is_named());
    assert_null(config_get("T_ONE"));
    assert_null(config_file_in_use());
    said[0] = '\0';
    config_file_load(hear);
    assert_string_equal(said, "");
    assert_null(config_file_in_use());
    assert_int_equal(setenv("MICROTRACE_CONFIG_FILE", path, 1), 0);
    assert_string_equal(config_get("T_ONE"), "file");
}

static void a_file_is_read_again(void **state)
{
    const char *before;

    (void)state;
    load("T_ONE=1\n");
    before = config_get("T_ONE");
    load("T_ONE=1\n");
    assert_ptr_equal(config_get("T_ONE"), before);
    load("T_ONE=2\n");
    assert_string_equal(config_get("T_ONE"), "2");
    assert_string_equal(before, "1");
}

/* The message for one thing that is wrong. */
static void check_said(const char *format)
{
    char expected[SAID_MAX];

    (void)snprintf(expected, sizeof(expected), "%s%s\n", path, format);
    assert_string_equal(said, expected);
}

static void what_is_wrong_is_said_with_its_line(void **state)
{
    (void)state;
    load("A=1\nnonsense\n");
    check_said(", line 2: it is not NAME=VALUE; it is left out");
    load("A=1\n\nB='2\nC=3\n");
    check_said(", line 3: a quote is not closed; it is left out");
    load("export A=1\n");
    check_said(", line 1: a name is letters, digits and _ alone, in a line NAME=VALUE; it is left "
               "out");
    load("MICROTRACE_SPOOLDIR=/x\n");
    check_said(", line 1: MICROTRACE_SPOOLDIR is no setting: do you mean MICROTRACE_SPOOL_DIR?");
    load("\nMICROTRACE_WISHES=3\n");
    check_said(", line 2: MICROTRACE_WISHES is no setting");
    load("MICROTRACE_CONFIG_FILE=/x\n");
    check_said(", line 1: MICROTRACE_CONFIG_FILE has no effect in a settings file");
    load("OTEL_BSP_SCHEDULE_DELAY=1\nHTTPS_PROXY=x\nMICROTRACE_SPOOL_DIR=/x\n");
    assert_string_equal(said, "");
    /* microtrace-run has said it for all its processes. */
    assert_int_equal(setenv("MICROTRACE_PROGRAMS", "/bin", 1), 0);
    load("nonsense\n");
    assert_string_equal(said, "");
}

static void more_settings_than_there_is_room_for(void **state)
{
    static char text[16 * (CONFIG_FILE_SETTINGS_MAX + 1)];
    size_t used = 0;

    (void)state;
    for (int i = 0; i <= CONFIG_FILE_SETTINGS_MAX; i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "T_%d=%d\n", i, i);
    load(text);
    check_said(", line 513: it has more than 512 settings; this one is left out");
    assert_string_equal(config_get("T_511"), "511");
    assert_null(config_get("T_512"));
}

static void a_byte_order_mark_is_no_part_of_a_name(void **state)
{
    (void)state;
    load("\xef\xbb\xbfT_A=1\r\nT_B=2\r\n");
    assert_string_equal(said, "");
    assert_string_equal(config_get("T_A"), "1");
    assert_string_equal(config_get("T_B"), "2");
    load("\xef\xbb\xbf# a comment\n");
    assert_string_equal(said, "");
}

static void count(const char *message)
{
    char line[32];

    (void)message;
    (void)snprintf(line, sizeof(line), "%d", atoi(said) + 1);
    (void)strcpy(said, line);
}

static void a_file_of_another_kind_is_not_said_line_by_line(void **state)
{
    static char text[CONFIG_FILE_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = i % 2 == 0 ? 'x' : '\n';
    write_file(text, sizeof(text));
    config_file_load(count);
    assert_int_equal(atoi(said), CONFIG_FILE_SAID_MAX + 1);
}

static void what_is_no_file_or_too_large_is_said_and_not_read(void **state)
{
    static char large[CONFIG_FILE_MAX + 1];

    (void)state;
    config_file_load(hear);
    check_said(": No such file or directory; its settings do not hold");
    assert_int_equal(mkfifo(path, 0600), 0);
    said[0] = '\0';
    config_file_load(hear);
    check_said(": it is no regular file; its settings do not hold");
    assert_int_equal(unlink(path), 0);
    memset(large, '\n', sizeof(large));
    memcpy(large, "A=1\n", 4);
    write_file(large, sizeof(large));
    said[0] = '\0';
    config_file_load(hear);
    check_said(": it is larger than 65536 bytes; its settings do not hold");
    assert_null(config_get("A"));
    write_file(large, sizeof(large) - 1);
    said[0] = '\0';
    config_file_load(hear);
    assert_string_equal(said, "");
    assert_string_equal(config_get("A"), "1");
    /* A way to say that there is none. */
    assert_int_equal(setenv("MICROTRACE_CONFIG_FILE", "/dev/null", 1), 0);
    config_file_load(hear);
    assert_string_equal(said, "");
    assert_null(config_get("A"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lines_are_read_as_systemd_reads_them),
        TEST(the_environment_wins),
        TEST(a_value_that_cant_be_used_is_named_with_its_line),
        TEST(an_instance_of_its_own_has_no_file_of_the_host),
        TEST(a_file_is_read_again),
        TEST(what_is_wrong_is_said_with_its_line),
        TEST(more_settings_than_there_is_room_for),
        TEST(a_byte_order_mark_is_no_part_of_a_name),
        TEST(a_file_of_another_kind_is_not_said_line_by_line),
        TEST(what_is_no_file_or_too_large_is_said_and_not_read),
    };

    return cmocka_run_group_tests_name("config_file", tests, NULL, NULL);
}
