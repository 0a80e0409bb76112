/*
 * Goal: whatever a path or a name holds, the doctor's commands have it as one word of the shell;
 * each thing is said once, and what finds no room is counted all the same.
 */
#include "cli/doctor.h"
#include "cli/doctor_commands.h"

#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a shell makes of the word. */
static void check(const char *text)
{
    char script[2 * DOCTOR_TEXT_MAX], back[DOCTOR_TEXT_MAX + 2] = "";
    size_t len;
    FILE *shell;

    (void)snprintf(script, sizeof(script), "printf '%%s|%%s' %s end", doctor_quote(text).text);
    shell = popen(script, "r");
    assert_non_null(shell);
    len = fread(back, 1, sizeof(back) - 1, shell);
    back[len] = '\0';
    assert_int_equal(pclose(shell), 0);
    assert_true(len >= 4);
    assert_string_equal(back + len - 4, "|end");
    back[len - 4] = '\0';
    assert_string_equal(back, text);
}

static void test_a_word_of_the_shell(void **state)
{
    static const char *const texts[] = {"/run/microtrace",
                                        "",
                                        "a b",
                                        "it's",
                                        "'",
                                        "''''",
                                        "$HOME `id` $(id)",
                                        "a\nb",
                                        "-n",
                                        "~",
                                        "* ? [a] {b}",
                                        "\\",
                                        "\"",
                                        "a;b&c|d>e<f#g!h",
                                        "\xc3\xa4",
                                        "=",
                                        "\x1b[31m"};

    (void)state;
    assert_string_equal(doctor_quote("/run/microtrace-2.sock").text, "/run/microtrace-2.sock");
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        check(texts[i]);
}

/* A word that is too long is cut, and still is one. */
static void test_a_long_word_is_closed(void **state)
{
    char text[2 * DOCTOR_TEXT_MAX];
    struct doctor_text quoted;

    (void)state;
    for (size_t shift = 0; shift < 8; shift++) {
        memset(text, '\'', sizeof(text) - 1);
        memset(text, 'a', shift);
        text[sizeof(text) - 1] = '\0';
        quoted = doctor_quote(text);
        assert_true(strlen(quoted.text) < DOCTOR_TEXT_MAX);
        assert_int_equal(quoted.text[strlen(quoted.text) - 1], '\'');
    }
}

static void test_said_once_and_counted(void **state)
{
    static struct doctor doctor;

    (void)state;
    doctor.check = "test";
    doctor_wrong(&doctor, "true", "the same");
    doctor_wrong(&doctor, "false", "the same");
    assert_int_equal(doctor.count, 1);
    assert_int_equal(doctor.wrong_count, 1);
    doctor_note(&doctor, "the same");
    assert_int_equal(doctor.count, 2);
    for (int i = 0; i < 2 * DOCTOR_FINDINGS_MAX; i++)
        doctor_wrong(&doctor, "true", "number %d", i);
    assert_int_equal(doctor.count, DOCTOR_FINDINGS_MAX);
    assert_int_equal(doctor.wrong_count, 1 + 2 * DOCTOR_FINDINGS_MAX);
}

/* No value is in the commands, which may be a secret: the shell has it, or the file. */
static void test_where_a_setting_stands(void **state)
{
    (void)state;
    assert_int_equal(setenv("OTEL_EXPORTER_OTLP_ENDPIONT", "http://a:s3cret@b", 1), 0);
    assert_string_equal(
        doctor_commands_rename("OTEL_EXPORTER_OTLP_ENDPIONT", "OTEL_EXPORTER_OTLP_ENDPOINT").text,
        "export OTEL_EXPORTER_OTLP_ENDPOINT=\"$OTEL_EXPORTER_OTLP_ENDPIONT\"; unset "
        "OTEL_EXPORTER_OTLP_ENDPIONT");
    assert_int_equal(unsetenv("OTEL_EXPORTER_OTLP_ENDPIONT"), 0);
    assert_string_equal(
        doctor_commands_rename("OTEL_EXPORTER_OTLP_ENDPIONT", "OTEL_EXPORTER_OTLP_ENDPOINT").text,
        "sed -i 's/^OTEL_EXPORTER_OTLP_ENDPIONT=/OTEL_EXPORTER_OTLP_ENDPOINT=/' "
        "/etc/microtrace/microtrace.conf");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_word_of_the_shell),
        cmocka_unit_test(test_a_long_word_is_closed),
        cmocka_unit_test(test_said_once_and_counted),
        cmocka_unit_test(test_where_a_setting_stands),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
