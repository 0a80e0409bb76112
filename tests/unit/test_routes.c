/*
 * Goal: each path of the contract, and only it, finds its route; methods that clients invent stay
 * one value; a request's variables are read the same way whichever server sent them.
 */
#include "fcgi-app/errors.h"
#include "fcgi-app/route.h"
#include "http/http_status.h"
#include "http/request.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

static void finds_routes(void **state)
{
    static const struct {
        const char *path;
        enum route_id id;
        enum method method;
        bool traced;
    } cases[] = {
        {"/analyze", ROUTE_ANALYZE, METHOD_POST, true},
        {"/healthz", ROUTE_HEALTHZ, METHOD_GET, false},
        {"/readyz", ROUTE_READYZ, METHOD_GET, false},
        {"/metrics", ROUTE_METRICS, METHOD_GET, false},
        {"/docs", ROUTE_DOCS, METHOD_GET, true},
        {"/openapi.json", ROUTE_OPENAPI, METHOD_GET, true},
        {"", ROUTE_OTHER, METHOD_OTHER, true},
        {"/", ROUTE_OTHER, METHOD_OTHER, true},
        {"/analyze/", ROUTE_OTHER, METHOD_OTHER, true},
        {"/Analyze", ROUTE_OTHER, METHOD_OTHER, true},
        {"/analyz", ROUTE_OTHER, METHOD_OTHER, true},
        {"_OTHER", ROUTE_OTHER, METHOD_OTHER, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct route *route = route_find(cases[i].path);

        assert_int_equal(route_id(route), cases[i].id);
        assert_int_equal(route->method, cases[i].method);
        assert_int_equal(route->traced, cases[i].traced);
        assert_non_null(route->handler);
    }
}

static void bounds_methods(void **state)
{
    (void)state;
    for (enum method method = 0; method < METHOD_OTHER; method++)
        assert_int_equal(method_parse(method_names[method]), method);
    assert_int_equal(method_parse("get"), METHOD_OTHER);
    assert_int_equal(method_parse("BREW"), METHOD_OTHER);
    assert_int_equal(method_parse(""), METHOD_OTHER);
    assert_int_equal(method_parse(NULL), METHOD_OTHER);
    assert_int_equal(method_parse("_OTHER"), METHOD_OTHER);
}

static void reads_fastcgi_variables(void **state)
{
    const char *environment[] = {
        "REQUEST_METHOD=POST",
        "SCRIPT_NAME=/ana",
        "PATH_INFO=lyze",
        "REQUEST_URI=/ana%6Cyze?",
        "QUERY_STRING=",
        "CONTENT_LENGTH=12",
        "CONTENT_TYPE=text/plain",
        "HTTP_USER_AGENT=a=b",
        "HTTP_X_REQUEST_ID=r",
        "REDIRECT_STATUS=200",
        "REQUEST_METHOD_X=NO",
        "HTTPS=on",
        "SERVER_PROTOCOL=HTTP/2.0",
        "NO_EQUALS_SIGN",
        "HTTP_TRACEPARENT=",
        NULL,
    };
    struct request request;

    (void)state;
    request_from_environment(&request, environment);
    assert_int_equal(request.method, METHOD_POST);
    assert_string_equal(request.path, "/analyze");
    assert_int_equal(request.url_path_length, strlen("/ana%6Cyze"));
    assert_memory_equal(request.url_path, "/ana%6Cyze", request.url_path_length);
    assert_int_equal(request.content_length, 12);
    assert_string_equal(request.user_agent, "a=b");
    assert_string_equal(request.request_id, "r");
    assert_string_equal(request.trace.traceparent, "");
    assert_null(request.trace.tracestate);
    assert_int_equal(request.error_status, 0);
    assert_string_equal(request_scheme(&request), "https");
    assert_string_equal(request_protocol_version(&request), "2");
}

static void reads_an_empty_environment(void **state)
{
    const char *environment[] = {NULL};
    struct request request;

    (void)state;
    memset(&request, 0xA5, sizeof(request));
    request_from_environment(&request, environment);
    assert_int_equal(request.method, METHOD_OTHER);
    assert_string_equal(request.path, "");
    assert_int_equal(request.url_path_length, 0);
    assert_int_equal(request.content_length, REQUEST_LENGTH_UNKNOWN);
    assert_string_equal(request_scheme(&request), "http");
    assert_null(request_protocol_version(&request));
}

static void reads_content_length(void **state)
{
    static const struct {
        const char *variable;
        int64_t expected;
    } cases[] = {
        {"CONTENT_LENGTH=", REQUEST_LENGTH_UNKNOWN},
        {"CONTENT_LENGTH=0", 0},
        {"CONTENT_LENGTH=0065536", 65536},
        {"CONTENT_LENGTH=-1", REQUEST_LENGTH_BAD},
        {"CONTENT_LENGTH=+1", REQUEST_LENGTH_BAD},
        {"CONTENT_LENGTH=1 ", REQUEST_LENGTH_BAD},
        {"CONTENT_LENGTH=1, 1", REQUEST_LENGTH_BAD},
        {"CONTENT_LENGTH=0x10", REQUEST_LENGTH_BAD},
        {"CONTENT_LENGTH=1e3", REQUEST_LENGTH_BAD},
        {"CONTENT_LENGTH=999999999999999999", 999999999999999999},
    };
    const char *huge[] = {"CONTENT_LENGTH=99999999999999999999999999999999999999999999", NULL};
    struct request request;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *environment[] = {(char *)(uintptr_t)cases[i].variable, NULL};

        request_from_environment(&request, environment);
        assert_int_equal(request.content_length, cases[i].expected);
    }
    request_from_environment(&request, huge);
    assert_true(request.content_length > INT64_MAX / 32);
}

/* A path that does not fit is not a route, and nothing is written beyond the buffer. */
static void refuses_long_paths(void **state)
{
    char name[REQUEST_PATH_MAX + 64] = "SCRIPT_NAME=/";
    char info[REQUEST_PATH_MAX + 64] = "PATH_INFO=/";
    const char *environment[] = {name, info, NULL};
    struct request request;

    (void)state;
    memset(name + strlen(name), 'x', 200);
    memset(info + strlen(info), 'y', 200);
    request_from_environment(&request, environment);
    assert_string_equal(request.path, "");
    info[strlen("PATH_INFO=/") + 50] = '\0';
    request_from_environment(&request, environment);
    assert_int_equal(strlen(request.path), 201 + 51);
}

static void reads_what_an_error_handler_gets(void **state)
{
    const char *environment[] = {"REQUEST_METHOD=GET", "SCRIPT_NAME=/_error", "REDIRECT_STATUS=503",
                                 "REQUEST_URI=/metrics?x", NULL};
    const char *strange[] = {"REQUEST_METHOD=GET", "SCRIPT_NAME=/_error", "REDIRECT_STATUS=302",
                             NULL};
    struct request request;

    (void)state;
    request_from_environment(&request, environment);
    assert_int_equal(request.error_status, 503);
    assert_string_equal(request.path, "/metrics");
    assert_int_equal(request.method, METHOD_OTHER);
    assert_string_equal(request.method_text, "_OTHER");
    request_from_environment(&request, strange);
    assert_int_equal(request.error_status, 0);
    assert_string_equal(request.path, "/_error");
}

static void an_error_handler_below_a_prefix(void **state)
{
    static const struct {
        const char *name, *info, *uri, *expected;
    } cases[] = {
        {"SCRIPT_NAME=/p", "PATH_INFO=/_error", "REQUEST_URI=/p/analyze?x", "/analyze"},
        {"SCRIPT_NAME=/p/_error", "PATH_INFO=", "REQUEST_URI=/p/analyze", "/analyze"},
        {"SCRIPT_NAME=/p/_error", "PATH_INFO=", "REQUEST_URI=/analyze", "/analyze"},
        {"SCRIPT_NAME=/p/_error", "PATH_INFO=", "REQUEST_URI=/p", "/p"},
        {"SCRIPT_NAME=/p/_error", "PATH_INFO=", "REQUEST_URI=/pq/analyze", "/pq/analyze"},
        {"SCRIPT_NAME=/p/_error", "PATH_INFO=", "REQUEST_URI=/p/nowhere", "/nowhere"},
        {"SCRIPT_NAME=", "PATH_INFO=/_error", "REQUEST_URI=/p/analyze", "/p/analyze"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *environment[] = {cases[i].name, cases[i].info, cases[i].uri,
                                     "REDIRECT_STATUS=413", NULL};
        struct request request;

        request_from_environment(&request, environment);
        request_path_of_program(&request, route_is);
        assert_string_equal(request.path, cases[i].expected);
        assert_int_equal(request.error_status, 413);
    }
}

static void a_post_without_a_length_is_not_a_post_of_nothing(void **state)
{
    const char *environment[] = {"REQUEST_METHOD=GET", "SCRIPT_NAME=/_error", "REDIRECT_STATUS=411",
                                 "REQUEST_URI=/analyze", NULL};
    struct request request;

    (void)state;
    request_from_environment(&request, environment);
    assert_int_equal(request.error_status, 0);
    assert_string_equal(request.path, "/analyze");
    assert_int_equal(request.method, METHOD_POST);
    assert_string_equal(request.method_text, "POST");
    assert_int_equal(request.content_length, REQUEST_LENGTH_MISSING);
}

static void a_field_in_two_values_counts_as_none(void **state)
{
    const char *two[] = {
        "HTTP_X_REQUEST_ID=a", "HTTP_B3=0",          "HTTP_X_REQUEST_ID=b", "HTTP_B3=0",
        "HTTP_X_REQUEST_ID=b", "REQUEST_METHOD=GET", "REQUEST_METHOD=POST", NULL};
    static const struct {
        const char *joined, *id;
    } cases[] = {{"a, a", "a"},      {"a,a", "a"},       {"a , a,a", "a"}, {"a, b", "a, b"},
                 {"aa, a", "aa, a"}, {"a, aa", "a, aa"}, {"a", "a"},       {"a,", "a,"}};
    struct request request;

    (void)state;
    request_from_environment(&request, two);
    assert_null(request.request_id);
    assert_string_equal(request.trace.b3, "0");
    assert_int_equal(request.method, METHOD_GET);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char entry[64];
        const char *environment[] = {entry, NULL};

        (void)snprintf(entry, sizeof(entry), "HTTP_X_REQUEST_ID=%s", cases[i].joined);
        request_from_environment(&request, environment);
        assert_string_equal(request.request_id, cases[i].id);
    }
}

static void finds_a_programs_path(void **state)
{
    static const struct {
        const char *name, *info, *expected;
    } cases[] = {
        {"SCRIPT_NAME=/cgi-bin/analyze", "PATH_INFO=", "/analyze"},
        {"SCRIPT_NAME=/cgi-bin/analyze.cgi", "PATH_INFO=", "/analyze"},
        {"SCRIPT_NAME=/cgi-bin/analyze.cgi", "PATH_INFO=/healthz", "/healthz"},
        {"SCRIPT_NAME=/analyze", "PATH_INFO=", "/analyze"},
        {"SCRIPT_NAME=/openapi.json", "PATH_INFO=", "/openapi.json"},
        {"SCRIPT_NAME=", "PATH_INFO=/readyz", "/readyz"},
        {"SCRIPT_NAME=", "PATH_INFO=", ""},
        /* mod_fcgid, lighttpd: the server parts the two. */
        {"SCRIPT_NAME=/some/prefix", "PATH_INFO=/analyze", "/analyze"},
        {"SCRIPT_NAME=/some/prefix", "PATH_INFO=/nowhere/analyze", "/nowhere/analyze"},
        {"SCRIPT_NAME=", "PATH_INFO=/some/analyze", "/some/analyze"},
        /* nginx, mod_proxy_fcgi: it does not. */
        {"SCRIPT_NAME=/some/prefix/analyze", "PATH_INFO=", "/analyze"},
        {"SCRIPT_NAME=/some/prefix/openapi.json", "PATH_INFO=", "/openapi.json"},
        {"SCRIPT_NAME=/some/prefix/nowhere", "PATH_INFO=", "/some/prefix/nowhere"},
        {"SCRIPT_NAME=/some/xanalyze", "PATH_INFO=", "/some/xanalyze"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *environment[] = {cases[i].name, cases[i].info, NULL};
        struct request request;

        request_from_environment(&request, environment);
        request_path_of_program(&request, route_is);
        assert_string_equal(request.path, cases[i].expected);
        /* Without a REQUEST_URI there is no other path to tell. */
        assert_int_equal(request.url_path_length, strlen(cases[i].expected));
        assert_memory_equal(request.url_path, cases[i].expected, request.url_path_length);
    }
}

static void knows_json_content_types(void **state)
{
    static const char *const json[] = {
        NULL,
        "",
        " ",
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;x",
        " application/json ",
        "application/problem+json",
        "application/vnd.api+json;v=1",
    };
    static const char *const other[] = {
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonx",
        "application/",
        "application/+json",
        "application/json, text/plain",
        "text/json",
        ";charset=utf-8",
        "application/xml;json",
        "multipart/form-data; boundary=application/json",
        "json",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(json) / sizeof(json[0]); i++)
        assert_true(request_content_is_json(json[i]));
    for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++)
        assert_false(request_content_is_json(other[i]));
}

static void has_a_status_for_each_error(void **state)
{
    (void)state;
    for (int kind = 0; kind < ERRORS_COUNT; kind++) {
        assert_non_null(errors_table[kind].name);
        assert_int_equal(http_status_find(errors_table[kind].status)->code,
                         errors_table[kind].status);
        for (int other = 0; other < kind; other++)
            assert_string_not_equal(errors_table[kind].name, errors_table[other].name);
    }
    assert_int_equal(http_status_find(299)->code, 500);
    assert_string_equal(http_status_find(404)->text, "404");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_routes),
        cmocka_unit_test(bounds_methods),
        cmocka_unit_test(reads_fastcgi_variables),
        cmocka_unit_test(reads_an_empty_environment),
        cmocka_unit_test(reads_content_length),
        cmocka_unit_test(refuses_long_paths),
        cmocka_unit_test(reads_what_an_error_handler_gets),
        cmocka_unit_test(an_error_handler_below_a_prefix),
        cmocka_unit_test(a_post_without_a_length_is_not_a_post_of_nothing),
        cmocka_unit_test(a_field_in_two_values_counts_as_none),
        cmocka_unit_test(finds_a_programs_path),
        cmocka_unit_test(knows_json_content_types),
        cmocka_unit_test(has_a_status_for_each_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
