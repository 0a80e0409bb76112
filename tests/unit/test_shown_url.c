/* Goal: whatever stands in a setting that should be a URL, its secrets are not shown. */
#include "lib/base/shown_url.h"

#include "tests/unit/unit.h"

#include <string.h>

static const struct {
    const char *url, *shown;
} cases[] = {
    {"http://collector:4318/v1/traces", "http://collector:4318/v1/traces"},
    {"http://[::1]:4318", "http://[::1]:4318"},
    {"http://host/a:b@c", "http://host/a:b@c"},
    {"localhost:4318", "localhost:4318"},
    {"", ""},
    {"http://me:hush@host:4318/x", "http://REDACTED@host:4318/x"},
    {"http://hush@host", "http://REDACTED@host"},
    {"http://me:hu@sh@host/", "http://REDACTED@host/"},
    {"me:hush@host:4318", "REDACTED@host:4318"},
    {"//me:hush@host", "//REDACTED@host"},
    {" http://me:hush@host", " http://REDACTED@host"},
    {"http:/me:hush@host", "REDACTED@host"},
    {"http://me:hush/hush@host", "http://REDACTED@host"},
    {"http://me:hush?hush@host", "http://REDACTED@host"},
    {"http://me:hush#hush@host/x", "http://REDACTED@host/x"},
    {"http://host/x?api_key=hush", "http://host/x?REDACTED"},
    {"http://host/x#hush", "http://host/x?REDACTED"},
    {"http://host?to=hush@elsewhere", "http://host?REDACTED"},
};

static void secrets_are_not_shown(void **state)
{
    char shown[128];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        shown_url(shown, sizeof(shown), cases[i].url);
        assert_string_equal(shown, cases[i].shown);
        assert_null(strstr(shown, "hush"));
    }
}

static void what_does_not_fit_is_cut_off(void **state)
{
    char shown[8];

    (void)state;
    shown_url(shown, sizeof(shown), "http://me:hush@host");
    assert_string_equal(shown, "http://");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secrets_are_not_shown),
        cmocka_unit_test(what_does_not_fit_is_cut_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
