/*
 * Goal: each variable that a web server sets arrives in its place, and none that is only like it.
 */
#include "http/request.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

static struct request request;

static const struct {
    const char *name;
    const char *const *place;
} variables[] = {
    {"REQUEST_METHOD", &request.method_text},
    {"SCRIPT_NAME", &request.script_name},
    {"PATH_INFO", &request.path_info},
    {"REQUEST_URI", &request.request_uri},
    {"QUERY_STRING", &request.query},
    {"HTTPS", &request.https},
    {"REQUEST_SCHEME", &request.scheme_text},
    {"HTTP_HOST", &request.host},
    {"HTTP_FORWARDED", &request.forwarded.forwarded},
    {"HTTP_X_FORWARDED_FOR", &request.forwarded.x_for},
    {"HTTP_X_FORWARDED_PROTO", &request.forwarded.x_proto},
    {"HTTP_X_FORWARDED_HOST", &request.forwarded.x_host},
    {"REMOTE_ADDR", &request.client_address},
    {"REMOTE_PORT", &request.client_port},
    {"SERVER_PROTOCOL", &request.protocol},
    {"HTTP_USER_AGENT", &request.user_agent},
    {"CONTENT_TYPE", &request.content_type},
    {"CONTENT_LENGTH", &request.content_length_text},
    {"HTTP_TRANSFER_ENCODING", &request.transfer_encoding},
    {"HTTP_X_REQUEST_ID", &request.request_id},
    {"HTTP_X_REQUEST_START", &request.request_start},
    {"HTTP_TRACEPARENT", &request.trace.traceparent},
    {"HTTP_TRACESTATE", &request.trace.tracestate},
    {"HTTP_B3", &request.trace.b3},
    {"HTTP_X_B3_TRACEID", &request.trace.b3_trace_id},
    {"HTTP_X_B3_SPANID", &request.trace.b3_span_id},
    {"HTTP_X_B3_SAMPLED", &request.trace.b3_sampled},
    {"HTTP_X_B3_FLAGS", &request.trace.b3_flags},
    {"HTTP_UBER_TRACE_ID", &request.trace.uber_trace_id},
    {"HTTP_BAGGAGE", &request.baggage},
    {"REDIRECT_STATUS", &request.redirect_status},
    {"METRICS_FORBIDDEN", &request.metrics_forbidden},
};

enum { COUNT = sizeof(variables) / sizeof(variables[0]), ENTRY_MAX = 64 };

/* Gives the one variable; returns which place it came to, COUNT for none. */
static size_t place_of(const char *entry)
{
    size_t found = COUNT;

    request_from_environment(&request, (const char *const[]){entry, NULL});
    for (size_t i = 0; i < COUNT; i++) {
        const char *const value = *variables[i].place;

        if (value != NULL && strcmp(value, "7") == 0) {
            assert_int_equal(found, COUNT);
            found = i;
        }
    }
    return found;
}

static void each_in_its_place(void **state)
{
    char entry[ENTRY_MAX];

    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        (void)snprintf(entry, sizeof(entry), "%s=7", variables[i].name);
        assert_int_equal(place_of(entry), i);
    }
}

/* Also with every other byte in the place of one, so that what is alike by chance is among them. */
static void nothing_else(void **state)
{
    char entry[ENTRY_MAX];

    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        const char *const name = variables[i].name;
        const size_t length = strlen(name);

        for (size_t at = 0; at < length; at++) {
            for (int byte = 1; byte < 256; byte++) {
                (void)snprintf(entry, sizeof(entry), "%s=7", name);
                entry[at] = (char)byte;
                assert_int_equal(place_of(entry), byte == name[at] ? i : COUNT);
            }
        }
        (void)snprintf(entry, sizeof(entry), "%sX=7", name);
        assert_int_equal(place_of(entry), COUNT);
        (void)snprintf(entry, sizeof(entry), "X%s=7", name);
        assert_int_equal(place_of(entry), COUNT);
        for (size_t short_by = 1; short_by <= length; short_by++) {
            (void)snprintf(entry, sizeof(entry), "%.*s=7", (int)(length - short_by), name);
            assert_int_equal(place_of(entry), COUNT);
        }
    }
    assert_int_equal(place_of("REQUEST_METHOD"), COUNT);
    assert_int_equal(place_of(""), COUNT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_in_its_place),
        cmocka_unit_test(nothing_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
