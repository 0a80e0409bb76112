/*
 * Goal: whether a script exists is asked of the disk now and then only, and known for as long as it
 * is promised.
 */
#include "gateways/proxy_scripts.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void keeps_an_answer_for_its_time(void **state)
{
    struct proxy_scripts *const scripts = proxy_scripts_open();
    char path[] = "/tmp/microtrace-script-XXXXXX";
    const int fd = mkstemp(path);

    (void)state;
    assert_true(scripts != NULL && fd >= 0 && close(fd) == 0);
    assert_true(proxy_scripts_exists(scripts, path, 1000));
    assert_int_equal(unlink(path), 0);
    assert_true(proxy_scripts_exists(scripts, path, 1000 + PROXY_SCRIPTS_AGE_MS));
    assert_false(proxy_scripts_exists(scripts, path, 1001 + PROXY_SCRIPTS_AGE_MS));
    proxy_scripts_free(scripts);
}

static void only_files_are_scripts(void **state)
{
    struct proxy_scripts *const scripts = proxy_scripts_open();
    char longer[PROXY_SCRIPTS_PATH_MAX + 100];

    (void)state;
    assert_non_null(scripts);
    assert_false(proxy_scripts_exists(scripts, NULL, 0));
    assert_false(proxy_scripts_exists(scripts, "", 0));
    assert_false(proxy_scripts_exists(scripts, "/tmp", 0));
    assert_false(proxy_scripts_exists(scripts, "/nonexistent/a.php", 0));
    /* A path that is too long to be kept is looked up each time. */
    memset(longer, '/', sizeof(longer));
    (void)strcpy(longer + sizeof(longer) - sizeof("/proc/self/cmdline"), "/proc/self/cmdline");
    assert_true(proxy_scripts_exists(scripts, longer, 0));
    proxy_scripts_free(scripts);
}

static void more_paths_than_places_are_looked_up_again(void **state)
{
    struct proxy_scripts *const scripts = proxy_scripts_open();
    char path[64];

    (void)state;
    assert_non_null(scripts);
    for (int i = 0; i < 3 * PROXY_SCRIPTS; i++) {
        (void)snprintf(path, sizeof(path), "/nonexistent/%d", i);
        assert_false(proxy_scripts_exists(scripts, path, 0));
        assert_true(proxy_scripts_exists(scripts, "/proc/self/cmdline", 0));
    }
    proxy_scripts_free(scripts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_an_answer_for_its_time),
        cmocka_unit_test(only_files_are_scripts),
        cmocka_unit_test(more_paths_than_places_are_looked_up_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
