/*
 * Goal: what is told of a request is right for each of many requests at once, a client can't make
 * more label values than there are scripts and patterns, and patterns mean what they say.
 */
#include "http/observer.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const struct resource_service service = {"observer-test", "1", NULL};

static char root[64], run_dir[96], spool_dir[96];
static struct telemetry_settings telemetry_settings;
static struct observer_settings settings;
static struct telemetry *telemetry;
static struct observer observer;

static int begin(void **state)
{
    char error[CONFIG_ERROR_MAX];

    (void)state;
    (void)snprintf(root, sizeof(root), "/tmp/test_observer.XXXXXX");
    if (mkdtemp(root) == NULL ||
        setenv("MICROTRACE_ROUTES", " /user/{id}, /shop/*=shop,/a/{b}/c ", 1) != 0)
        return -1;
    (void)snprintf(run_dir, sizeof(run_dir), "%s/run", root);
    (void)snprintf(spool_dir, sizeof(spool_dir), "%s/spool", root);
    if (config_load(telemetry_settings_rows, telemetry_settings_count, &telemetry_settings, NULL,
                    error) != 0 ||
        observer_settings_load(&settings, error) != 0)
        return -1;
    telemetry_settings.run_dir = run_dir;
    telemetry_settings.spool_dir = spool_dir;
    if (mkdir(run_dir, 0770) != 0 || mkdir(spool_dir, 0770) != 0)
        return -1;
    telemetry = telemetry_open(&telemetry_settings, &service);
    if (telemetry == NULL)
        return -1;
    observer_init(&observer, &settings, telemetry);
    return 0;
}

static int end(void **state)
{
    char command[128];

    (void)state;
    observer_free(&observer);
    telemetry_close(telemetry);
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", root);
    return system(command);
}

static uint64_t counted(enum http_family family, const char *method, const char *path,
                        const char *third)
{
    uint64_t value = 0;

    (void)metrics_counter_read(
        metrics_counter(observer.families[family], (const char *[]){method, path, third}), &value);
    return value;
}

/* How many lines of a signal's spool have both texts. */
static unsigned lines_with(const char *signal, const char *one, const char *other)
{
    char path[160], line[8192];
    unsigned found = 0;
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/%s.jsonl", spool_dir, signal);
    file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL)
        found += strstr(line, one) != NULL && strstr(line, other) != NULL;
    (void)fclose(file);
    return found;
}

enum { MANY = 300 };

static void keeps_many_requests_apart(void **state)
{
    static struct request requests[MANY];
    static struct observed observed[MANY];
    static char ids[MANY][48];
    static const char parent[] =
        "HTTP_TRACEPARENT=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    (void)state;
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(ids[i], sizeof(ids[i]), "HTTP_X_REQUEST_ID=many-%d.", i);
        request_from_environment(
            &requests[i], (const char *[]){"REQUEST_METHOD=GET", "SCRIPT_NAME=/many.cgi",
                                           "REQUEST_URI=/many.cgi/x?y", ids[i], parent, NULL});
        observer_begin(&observer, &observed[i], &requests[i], "/many.cgi");
    }
    for (int i = MANY - 1; i >= 0; i--) {
        const struct observed_outcome outcome = {.status = i % 10 == 0 ? 500 : 200};

        observer_end(&observer, &observed[i], &outcome);
    }
    assert_int_equal(counted(HTTP_FAMILY_REQUESTS, "GET", "/many.cgi", "200"), MANY * 9 / 10);
    assert_int_equal(counted(HTTP_FAMILY_REQUESTS, "GET", "/many.cgi", "500"), MANY / 10);
    assert_int_equal(counted(HTTP_FAMILY_ERRORS, "GET", "/many.cgi", "500"), MANY / 10);
    for (int i = 0; i < MANY; i++) {
        const char *const id = strchr(ids[i], '=') + 1;

        assert_int_equal(lines_with("traces", id, "0af7651916cd43dd8448eb211c80319c"), 1);
        assert_int_equal(lines_with("logs", id, i % 10 == 0 ? "500" : "200"), 1);
        assert_int_equal(lines_with("traces", id, "\"error.type\""), i % 10 == 0);
    }
}

static void bounds_paths(void **state)
{
    static struct request request;
    static struct observed observed;
    const struct observed_outcome outcome = {.status = 404, .error = "not_found"};
    char script[REQUEST_PATH_MAX + 40];

    (void)state;
    request_from_environment(&request, (const char *[]){"REQUEST_METHOD=BREW", "SCRIPT_NAME=/x",
                                                        "REQUEST_URI=/x", NULL});
    for (int i = 0; i < OBSERVER_PATHS_MAX + 10; i++) {
        (void)snprintf(script, sizeof(script), "/script-%d", i);
        observer_begin(&observer, &observed, &request, script);
        observer_end(&observer, &observed, &outcome);
    }
    memset(script, 'a', sizeof(script) - 1);
    script[sizeof(script) - 1] = '\0';
    observer_begin(&observer, &observed, &request, script);
    observer_end(&observer, &observed, &outcome);
    observer_begin(&observer, &observed, &request, "/bad\xff");
    observer_end(&observer, &observed, &outcome);
    observer_begin(&observer, &observed, &request, NULL);
    observer_end(&observer, &observed, &outcome);
    /* The first test has left one path. */
    assert_int_equal(counted(HTTP_FAMILY_REQUESTS, "_OTHER", "_OTHER", "404"), 10 + 1 + 3);
    assert_int_equal(counted(HTTP_FAMILY_ERRORS, "_OTHER", "_OTHER", "not_found"), 10 + 1 + 3);
    assert_int_equal(counted(HTTP_FAMILY_REQUESTS, "_OTHER", "/script-0", "404"), 1);
}

static void reads_patterns(void **state)
{
    static const struct {
        const char *path;
        int route;
    } cases[] = {
        {"/user/7", 0},         {"/user/", ROUTES_NONE},    {"/user/7/", ROUTES_NONE},
        {"/user", ROUTES_NONE}, {"/user/7/x", ROUTES_NONE}, {"/shop/", 1},
        {"/shop/a/b", 1},       {"/shop", ROUTES_NONE},     {"/a/b/c", 2},
        {"/a//c", ROUTES_NONE}, {"/a/b/cc", ROUTES_NONE},   {"", ROUTES_NONE},
    };
    static const char *const bad[] = {
        "user", "/a*b", "/{a", "/a{b}", "/{a}b", "/x=", "=x", "/\xff", "/{a/b}", "/a}", "/*/x"};
    struct routes routes;
    char long_list[ROUTES_MAX * 3 + 8] = "";

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(routes_find(&settings.routes, text_of(cases[i].path)), cases[i].route);
    assert_string_equal(settings.routes.entries[0].name, "/user/{id}");
    assert_string_equal(settings.routes.entries[1].name, "shop");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(routes_parse(&routes, bad[i]), -1);
    for (int i = 0; i <= ROUTES_MAX; i++)
        (void)strcat(long_list, "/a,");
    assert_int_equal(routes_parse(&routes, long_list), -1);
    long_list[ROUTES_MAX * 3] = '\0';
    assert_int_equal(routes_parse(&routes, long_list), 0);
    assert_int_equal(routes_parse(&routes, NULL), 0);
    assert_int_equal(routes_find(&routes, text_of("/a")), ROUTES_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_many_requests_apart),
        cmocka_unit_test(bounds_paths),
        cmocka_unit_test(reads_patterns),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
