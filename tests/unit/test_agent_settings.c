/*
 * Goal: the OTEL_* variables mean what the OpenTelemetry specification says: bases and per-signal
 * values, header lists, and unusable values that warn and count as unset.
 */
#include "metrics-agent/agent_settings.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

static unsigned warnings;
static struct agent_settings settings;

static void warn(const char *message)
{
    assert_non_null(message);
    warnings++;
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nothing_set_sends_nothing, clean),
        cmocka_unit_test_setup(base_and_own_endpoints, clean),
        cmocka_unit_test_setup(own_values_win_over_general_ones, clean),
        cmocka_unit_test_setup(bad_values_warn_and_count_as_unset, clean),
        cmocka_unit_test_setup(disabled, clean),
        cmocka_unit_test_setup(own_settings_are_strict, clean),
        cmocka_unit_test_setup(header_lists, clean),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
