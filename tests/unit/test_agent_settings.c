/*
 * Goal: the OTEL_* variables mean what the OpenTelemetry specification says: bases and per-signal
 * values, header lists, and unusable values that warn and count as unset.
 */
#include "metrics-agent/agent_settings.h"
#include "metrics-agent/header_file.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static unsigned warnings;
static char last[CONFIG_ERROR_MAX];
static struct agent_settings settings;

static void warn(const char *message)
{
    assert_non_null(message);
    warnings++;
    (void)snprintf(last, sizeof last, "%s", message);
}

static void load(void)
{
    char error[CONFIG_ERROR_MAX];

    warnings = 0;
    assert_int_equal(agent_settings_load(&settings, warn, error), 0);
}

static int clean(void **state)
{
    (void)state;
    return clearenv();
}

static void page_is_local_unless_set(void **state)
{
    char error[CONFIG_ERROR_MAX];

    (void)state;
    load();
    assert_int_equal(settings.page, AGENT_PAGE_LOCAL);
    assert_int_equal(setenv("MICROTRACE_AGENT_PAGE", "on", 1), 0);
    load();
    assert_int_equal(settings.page, AGENT_PAGE_ON);
    assert_int_equal(setenv("MICROTRACE_AGENT_PAGE", "off", 1), 0);
    load();
    assert_int_equal(settings.page, AGENT_PAGE_OFF);
    assert_int_equal(setenv("MICROTRACE_AGENT_PAGE", "yes", 1), 0);
    assert_int_equal(agent_settings_load(&settings, warn, error), -1);
    assert_non_null(strstr(error, "MICROTRACE_AGENT_PAGE"));
}

static void nothing_set_sends_nothing(void **state)
{
    (void)state;
    load();
    assert_string_equal(settings.export[SPOOL_TRACES].url, "");
    assert_string_equal(settings.export[SPOOL_LOGS].url, "");
    assert_int_equal(settings.export[SPOOL_TRACES].timeout_ms, 10000);
    assert_int_equal(settings.segment_bytes, 16777216);
    assert_int_equal(warnings, 0);
}

static void base_and_own_endpoints(void **state)
{
    (void)state;
    setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318", 1);
    load();
    assert_string_equal(settings.export[SPOOL_TRACES].url, "http://c:4318/v1/traces");
    assert_string_equal(settings.export[SPOOL_LOGS].url, "http://c:4318/v1/logs");
    setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "https://c/otlp/", 1);
    setenv("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://d:1/x?y", 1);
    load();
    assert_string_equal(settings.export[SPOOL_TRACES].url, "https://c/otlp/v1/traces");
    assert_string_equal(settings.export[SPOOL_LOGS].url, "http://d:1/x?y");
    setenv("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "", 1);
    load();
    assert_string_equal(settings.export[SPOOL_LOGS].url, "https://c/otlp/v1/logs");
    assert_int_equal(warnings, 0);
    setenv("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "ftp://d", 1);
    load();
    assert_string_equal(settings.export[SPOOL_LOGS].url, "https://c/otlp/v1/logs");
    assert_int_equal(warnings, 1);
}

static void own_values_win_over_general_ones(void **state)
{
    (void)state;
    setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "500", 1);
    setenv("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "700", 1);
    setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip", 1);
    setenv("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "none", 1);
    setenv("OTEL_EXPORTER_OTLP_HEADERS", "a=b", 1);
    setenv("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "c=d", 1);
    setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem", 1);
    load();
    assert_int_equal(settings.export[SPOOL_TRACES].timeout_ms, 500);
    assert_int_equal(settings.export[SPOOL_LOGS].timeout_ms, 700);
    assert_int_equal(settings.export[SPOOL_TRACES].compression, AGENT_COMPRESSION_NONE);
    assert_int_equal(settings.export[SPOOL_LOGS].compression, AGENT_COMPRESSION_GZIP);
    assert_string_equal(settings.export[SPOOL_TRACES].headers, "a=b");
    assert_string_equal(settings.export[SPOOL_LOGS].headers, "c=d");
    assert_string_equal(settings.export[SPOOL_LOGS].certificate, "/ca.pem");
    assert_int_equal(warnings, 0);
}

/* OpenTelemetry, "Environment Variable Specification", Enum. */
static void choices_are_taken_in_any_case(void **state)
{
    (void)state;
    setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318", 1);
    setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "GZIP", 1);
    setenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "HTTP/protobuf", 1);
    setenv("OTEL_LOGS_EXPORTER", "None", 1);
    load();
    assert_int_equal(settings.export[SPOOL_TRACES].compression, AGENT_COMPRESSION_GZIP);
    assert_int_equal(settings.export[SPOOL_TRACES].protocol, AGENT_PROTOCOL_PROTOBUF);
    assert_int_equal(settings.export[SPOOL_LOGS].protocol, AGENT_PROTOCOL_JSON);
    assert_string_equal(settings.export[SPOOL_LOGS].url, "");
    assert_int_equal(warnings, 0);
}

/* The same, Timeout. */
static void a_timeout_of_0_is_no_limit(void **state)
{
    (void)state;
    setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0", 1);
    setenv("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "7200000", 1);
    load();
    assert_int_equal(settings.export[SPOOL_TRACES].timeout_ms, INT32_MAX);
    assert_int_equal(settings.export[SPOOL_LOGS].timeout_ms, 7200000);
    setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "5000", 1);
    setenv("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "0", 1);
    load();
    assert_int_equal(settings.export[SPOOL_TRACES].timeout_ms, 5000);
    assert_int_equal(settings.export[SPOOL_LOGS].timeout_ms, INT32_MAX);
    assert_int_equal(warnings, 0);
    setenv("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "-1", 1);
    load();
    assert_int_equal(settings.export[SPOOL_LOGS].timeout_ms, 5000);
    assert_int_equal(warnings, 1);
}

static void bad_values_warn_and_count_as_unset(void **state)
{
    (void)state;
    setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "soon", 1);
    setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", 1);
    setenv("OTEL_TRACES_EXPORTER", "zipkin", 1);
    load();
    assert_int_equal(warnings, 3);
    assert_int_equal(settings.export[SPOOL_LOGS].timeout_ms, 10000);
    assert_int_equal(settings.export[SPOOL_LOGS].compression, AGENT_COMPRESSION_NONE);
}

static void disabled(void **state)
{
    (void)state;
    setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318", 1);
    setenv("OTEL_LOGS_EXPORTER", "none", 1);
    load();
    assert_string_not_equal(settings.export[SPOOL_TRACES].url, "");
    assert_string_equal(settings.export[SPOOL_LOGS].url, "");
    setenv("OTEL_SDK_DISABLED", "TRUE", 1);
    load();
    assert_string_equal(settings.export[SPOOL_TRACES].url, "");
}

static void own_settings_are_strict(void **state)
{
    char error[CONFIG_ERROR_MAX];

    (void)state;
    setenv("MICROTRACE_SPOOL_SEGMENT_BYTES", "12x", 1);
    assert_int_equal(agent_settings_load(&settings, warn, error), -1);
    assert_non_null(strstr(error, "MICROTRACE_SPOOL_SEGMENT_BYTES"));
    assert_non_null(strstr(error, "12x"));
}

static void header_lists(void **state)
{
    const char *list = " a=b , X-Long%21=no,c = d%20e%2Cf,,g=,=x,h,i=%0d%0aj: k,l=%zz,m=n=o";
    static const char *const expected[] = {"a: b", "", "c: d e,f", "g;", "", "", "", "", "m: n=o"};
    char header[AGENT_SETTINGS_HEADER_MAX];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        int found = agent_settings_header(&list, header);

        /* A name may hold a percent sign, it is a token character. */
        if (i == 1) {
            assert_int_equal(found, 1);
            assert_string_equal(header, "X-Long%21: no");
        } else if (expected[i][0] == '\0') {
            assert_int_equal(found, -1);
        } else {
            assert_int_equal(found, 1);
            assert_string_equal(header, expected[i]);
        }
    }
    assert_int_equal(agent_settings_header(&list, header), 0);
}

static void write_file(const char *path, const char *text, mode_t mode)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

/* Which list or file counts for which signal, and what is said of it. */
static void header_files(void **state)
{
    char dir[] = "/tmp/microtrace.XXXXXX", general[64], own[64];

    (void)state;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(general, sizeof general, "%s/general", dir);
    (void)snprintf(own, sizeof own, "%s/own", dir);
    write_file(general, "authorization=Bearer%20hush\r\nx=1,y=2\n", 0600);
    write_file(own, "z=3", 0604);
    setenv("OTEL_EXPORTER_OTLP_HEADERS_FILE", general, 1);
    load();
    assert_int_equal(warnings, 0);
    assert_string_equal(settings.export[SPOOL_TRACES].headers_file, general);
    assert_string_equal(settings.export[SPOOL_LOGS].headers_variable,
                        "OTEL_EXPORTER_OTLP_HEADERS_FILE");
    /* Others may read it. */
    setenv("OTEL_EXPORTER_OTLP_LOGS_HEADERS_FILE", own, 1);
    load();
    assert_int_equal(warnings, 1);
    assert_non_null(strstr(last, "OTEL_EXPORTER_OTLP_LOGS_HEADERS_FILE"));
    assert_non_null(strstr(last, own));
    assert_string_equal(settings.export[SPOOL_LOGS].headers_file, own);
    assert_string_equal(settings.export[SPOOL_TRACES].headers_file, general);
    /* A signal's own list wins over the general file, and a file over a list beside it. */
    unsetenv("OTEL_EXPORTER_OTLP_LOGS_HEADERS_FILE");
    setenv("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "a=b", 1);
    load();
    assert_int_equal(warnings, 0);
    assert_null(settings.export[SPOOL_LOGS].headers_file);
    assert_string_equal(settings.export[SPOOL_LOGS].headers, "a=b");
    setenv("OTEL_EXPORTER_OTLP_HEADERS", "c=d", 1);
    load();
    assert_int_equal(warnings, 1);
    assert_non_null(strstr(last, "OTEL_EXPORTER_OTLP_HEADERS has no effect"));
    unsetenv("OTEL_EXPORTER_OTLP_HEADERS");
    /* What is in the file is never said. */
    write_file(general, "no pair, hush\n", 0600);
    load();
    assert_int_equal(warnings, 2);
    assert_null(strstr(last, "hush"));
    assert_int_equal(unlink(general), 0);
    load();
    assert_int_equal(warnings, 1);
    assert_non_null(strstr(last, "No such file"));
    assert_int_equal(unlink(own), 0);
    assert_int_equal(rmdir(dir), 0);
}

/* A file that is read again when it changed; one that can't be used leaves what was read. */
static void a_header_file_is_followed(void **state)
{
    static struct header_file file;
    char dir[] = "/tmp/microtrace.XXXXXX", path[64], other[64];
    static char long_text[HEADER_FILE_MAX + 2];

    (void)state;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/headers", dir);
    (void)snprintf(other, sizeof other, "%s/other", dir);
    file = (struct header_file){.path = path, .variable = "V"};
    warnings = 0;
    assert_false(header_file_look(&file, warn));
    assert_false(header_file_look(&file, warn));
    assert_int_equal(warnings, 1);
    write_file(path, "a=1\nb=2\n", 0600);
    assert_true(header_file_look(&file, warn));
    assert_string_equal(file.text, "a=1,b=2,");
    assert_false(header_file_look(&file, warn));
    /* Renamed into its place, of the same length. */
    write_file(other, "a=3\nb=4\n", 0600);
    assert_int_equal(rename(other, path), 0);
    assert_true(header_file_look(&file, warn));
    assert_string_equal(file.text, "a=3,b=4,");
    /* A link, as a mounted secret is one. */
    assert_int_equal(rename(path, other), 0);
    assert_int_equal(symlink(other, path), 0);
    write_file(other, "a=5", 0600);
    assert_true(header_file_look(&file, warn));
    assert_string_equal(file.text, "a=5");
    assert_int_equal(warnings, 1);
    /* Too long, then a FIFO, which nobody writes to. */
    memset(long_text, 'x', HEADER_FILE_MAX + 1);
    write_file(other, long_text, 0600);
    assert_false(header_file_look(&file, warn));
    assert_non_null(strstr(last, "larger than 16384 bytes"));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_false(header_file_look(&file, warn));
    assert_non_null(strstr(last, "not a regular file"));
    assert_string_equal(file.text, "a=5");
    assert_int_equal(warnings, 3);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(unlink(other), 0);
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(page_is_local_unless_set, clean),
        cmocka_unit_test_setup(nothing_set_sends_nothing, clean),
        cmocka_unit_test_setup(base_and_own_endpoints, clean),
        cmocka_unit_test_setup(own_values_win_over_general_ones, clean),
        cmocka_unit_test_setup(choices_are_taken_in_any_case, clean),
        cmocka_unit_test_setup(a_timeout_of_0_is_no_limit, clean),
        cmocka_unit_test_setup(bad_values_warn_and_count_as_unset, clean),
        cmocka_unit_test_setup(disabled, clean),
        cmocka_unit_test_setup(own_settings_are_strict, clean),
        cmocka_unit_test_setup(header_lists, clean),
        cmocka_unit_test_setup(header_files, clean),
        cmocka_unit_test_setup(a_header_file_is_followed, clean),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
