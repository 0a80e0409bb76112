/*
 * Goal: a span says where a request came from and what it was sent to as the HTTP conventions have
 * it, shows no secret of its query, and believes nobody but the proxies that were named.
 */
#include "http/origin.h"

#include "lib/trace/redact.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

static const struct forwarded_proxies nobody = {.count = 0};

static void assert_text(struct text text, const char *expected)
{
    if (expected == NULL ? text.at != NULL : !text_is(text, expected))
        fail_msg("\"%.*s\", not \"%s\"", (int)text.len, text.at != NULL ? text.at : "(nothing)",
                 expected != NULL ? expected : "(nothing)");
}

static void takes_the_server_from_host(void **state)
{
    static const struct {
        const char *host, *address, *port;
    } cases[] = {
        {"shop.example:8443", "shop.example", "8443"},
        {"[2001:db8::1]:8443", "2001:db8::1", "8443"},
        {"[2001:db8::1]", "2001:db8::1", NULL},
        {"EXAMPLE.com:443", "EXAMPLE.com", "443"},
        {"shop.example", "shop.example", NULL},
        {NULL, NULL, NULL},
        {"", NULL, NULL},
        {"a:b:c", NULL, NULL},
        {"shop.example:99999", NULL, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct request request = {.host = cases[i].host, .client_address = "192.0.2.1"};
        struct origin origin;

        origin_find(&origin, &request, &nobody);
        assert_text(origin.server, cases[i].address);
        assert_text(origin.server_port, cases[i].port);
        assert_text(origin.client, "192.0.2.1");
        assert_string_equal(origin.scheme, "http");
    }
}

static void url_path_is_the_path_alone(void **state)
{
    static const struct {
        const char *uri, *path;
    } cases[] = {
        {"/analyze", "/analyze"},
        {"/analyze?a=b#c", "/analyze"},
        {"/analyze#c?d", "/analyze"},
        {"/a?u=http://x/y", "/a"},
        {"/://x/y", "/://x/y"},
        {"http://user:pw@shop.example:81/a/b?c", "/a/b"},
        {"https://shop.example", "/"},
        {"https://shop.example?q", "/"},
        {"*", "*"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char entry[128];
        const char *environment[] = {entry, NULL};
        struct request request;

        (void)snprintf(entry, sizeof(entry), "REQUEST_URI=%s", cases[i].uri);
        request_from_environment(&request, environment);
        assert_text((struct text){request.url_path, request.url_path_length}, cases[i].path);
    }
}

struct forwarding {
    const char *peer;
    struct forwarded_fields fields;
    const char *client, *port, *host, *scheme;
};

/* Trusted are 192.0.2.1, 10.0.0.0/9 and 2001:db8::/33. */
static const struct forwarding forwardings[] = {
    {"198.51.100.9",
     {.x_for = "203.0.113.7", .x_proto = "https", .x_host = "evil"},
     "198.51.100.9",
     NULL,
     "own",
     "http"},
    {"192.0.2.1",
     {.x_for = "203.0.113.7", .x_proto = "https", .x_host = "shop.example:444"},
     "203.0.113.7",
     NULL,
     "shop.example",
     "https"},
    {"192.0.2.1", {.x_for = "6.6.6.6, 203.0.113.7, 10.1.2.3"}, "203.0.113.7", NULL, "own", "http"},
    {"192.0.2.1", {.x_for = "6.6.6.6, 10.200.0.1"}, "10.200.0.1", NULL, "own", "http"},
    {"192.0.2.1", {.x_for = "10.1.2.3"}, "10.1.2.3", NULL, "own", "http"},
    {"10.127.255.255", {.x_for = "203.0.113.7:4711"}, "203.0.113.7", "4711", "own", "http"},
    {"10.128.0.0", {.x_for = "203.0.113.7"}, "10.128.0.0", NULL, "own", "http"},
    {"2001:db8:7fff::1", {.x_for = "[2001:db9::1]:80"}, "2001:db9::1", "80", "own", "http"},
    {"2001:db8:8000::1", {.x_for = "2001:db9::1"}, "2001:db8:8000::1", NULL, "own", "http"},
    {"192.0.2.1", {.x_for = "unknown", .x_proto = "gopher"}, "192.0.2.1", NULL, "own", "http"},
    {"192.0.2.1",
     {.forwarded = "for=203.0.113.7;proto=https;by=192.0.2.1;host=shop.example"},
     "203.0.113.7",
     NULL,
     "shop.example",
     "https"},
    {"192.0.2.1",
     {.forwarded = "For=\"[2001:db9::1]:4711\" ; Proto=HTTPS"},
     "2001:db9::1",
     "4711",
     "own",
     "https"},
    {"192.0.2.1",
     {.forwarded = "for=6.6.6.6;host=evil, for=203.0.113.7;host=a.example , for=10.1.2.3;host=b"},
     "203.0.113.7",
     NULL,
     "a.example",
     "http"},
    {"192.0.2.1",
     {.forwarded = "for=\"a,b;c\\\"\";host=\"c.example\""},
     "192.0.2.1",
     NULL,
     "c.example",
     "http"},
    {"192.0.2.1",
     {.forwarded = "for=203.0.113.7", .x_for = "203.0.113.8", .x_proto = "https"},
     "203.0.113.7",
     NULL,
     "own",
     "http"},
    {"192.0.2.1", {.forwarded = ",;=,for"}, "192.0.2.1", NULL, "own", "http"},
    {"192.0.2.1",
     {.x_for = "1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,"
               "1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,"
               "1.1.1.1"},
     "192.0.2.1",
     NULL,
     "own",
     "http"},
};

static void believes_the_proxies_that_are_named(void **state)
{
    struct forwarded_proxies proxies;

    (void)state;
    assert_int_equal(forwarded_parse_proxies(&proxies, "192.0.2.1, 10.0.0.0/9,2001:db8::/33"), 0);
    for (size_t i = 0; i < sizeof(forwardings) / sizeof(forwardings[0]); i++) {
        const struct forwarding *f = &forwardings[i];
        const struct request request = {
            .host = "own", .client_address = f->peer, .forwarded = f->fields};
        struct origin origin;

        origin_find(&origin, &request, &proxies);
        assert_text(origin.client, f->client);
        assert_text(origin.client_port, f->port);
        assert_text(origin.server, f->host);
        assert_string_equal(origin.scheme, f->scheme);
        origin_find(&origin, &request, &nobody);
        assert_text(origin.client, f->peer);
        assert_text(origin.server, "own");
    }
}

static void refuses_proxies_that_are_no_addresses(void **state)
{
    static const char *const bad[] = {"localhost",          "192.0.2.1/33", "::1/129",
                                      "192.0.2.1/",         "10.0.0.0/8/8", "192.0.2",
                                      "192.0.2.1 10.0.0.1", "[::1]"};
    char many[512] = "";
    struct forwarded_proxies proxies;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(forwarded_parse_proxies(&proxies, bad[i]), -1);
    assert_int_equal(forwarded_parse_proxies(&proxies, NULL), 0);
    assert_int_equal(proxies.count, 0);
    for (int i = 0; i < FORWARDED_PROXIES_MAX; i++)
        (void)strcat(many, "::1,");
    assert_int_equal(forwarded_parse_proxies(&proxies, many), 0);
    (void)strcat(many, "::1");
    assert_int_equal(forwarded_parse_proxies(&proxies, many), -1);
}

static void hides_secrets_of_the_query(void **state)
{
    static const struct {
        const char *query, *shown;
    } cases[] = {
        {"color=blue", "color=blue"},
        {"color=blue&sig=abc", "color=blue&sig=REDACTED"},
        {"sig=a&Signature=b&AWSAccessKeyId=c&X-Goog-Signature=d&x=e",
         "sig=REDACTED&Signature=REDACTED&AWSAccessKeyId=REDACTED&X-Goog-Signature=REDACTED&x=e"},
        {"X-Amz-Credential=a&X-Amz-Date=b&X-Amz-Signature=c&X-Amz-Security-Token=d",
         "X-Amz-Credential=REDACTED&X-Amz-Date=b&X-Amz-Signature=REDACTED&"
         "X-Amz-Security-Token=REDACTED"},
        {"SIG=a&signature=b", "SIG=a&signature=b"},
        {"sig=", "sig=REDACTED"},
        {"sig", "sig"},
        {"sig=a=b&&c", "sig=REDACTED&&c"},
        {"si%67=a&token=b&key%201=c", "si%67=REDACTED&token=REDACTED&key%201=REDACTED"},
        {"sig%=a&%zz=b&", "sig%=a&%zz=b&"},
        {"x=1&sig=a&", "x=1&sig=REDACTED&"},
        {"", ""},
    };
    char out[REDACT_QUERY_MAX];
    char long_query[REDACT_QUERY_MAX + 64];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_text(redact_query(out, text_of(cases[i].query), "token, key 1"), cases[i].shown);
    assert_text(redact_query(out, text_of("token=a"), NULL), "token=a");
    memset(long_query, 'x', sizeof(long_query));
    memcpy(long_query, "sig=secret&", 11);
    assert_int_equal(redact_query(out, (struct text){long_query, sizeof(long_query)}, NULL).len,
                     REDACT_QUERY_MAX);
    assert_memory_equal(out, "sig=REDACTED&xxx", 16);
}

static void names_methods(void **state)
{
    (void)state;
    assert_string_equal(method_known("QUERY", NULL), "QUERY");
    assert_string_equal(method_known("PURGE", NULL), "_OTHER");
    assert_string_equal(method_known(NULL, NULL), "_OTHER");
    assert_string_equal(method_known("PURGE", "GET, PURGE"), "PURGE");
    assert_string_equal(method_known("POST", "GET,PURGE"), "_OTHER");
    assert_string_equal(method_known("get", "GET"), "_OTHER");
    assert_string_equal(method_known(NULL, "GET"), "_OTHER");
    assert_string_equal(method_known("METHODMETHODMETHODMETHODMETHODMETHOD",
                                     "METHODMETHODMETHODMETHODMETHODMETHOD"),
                        "_OTHER");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_the_server_from_host),
        cmocka_unit_test(url_path_is_the_path_alone),
        cmocka_unit_test(believes_the_proxies_that_are_named),
        cmocka_unit_test(refuses_proxies_that_are_no_addresses),
        cmocka_unit_test(hides_secrets_of_the_query),
        cmocka_unit_test(names_methods),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
