/*
 * Goal: the program behind the proxy gets every parameter that the web server sent, but for those
 * that the proxy sets, in records that each hold whole pairs.
 */
#include "gateways/fastcgi_params.h"
#include "gateways/fastcgi_record.h"
#include "gateways/proxy_params.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add(struct proxy_params *params, const char *name, const char *value, size_t value_size)
{
    uint8_t lengths[FASTCGI_LENGTHS_MAX];
    const size_t size = fastcgi_pair_write_lengths(lengths, strlen(name), value_size);

    assert_int_equal(proxy_params_add(params, lengths, size), 0);
    assert_int_equal(proxy_params_add(params, name, strlen(name)), 0);
    assert_int_equal(proxy_params_add(params, value, value_size), 0);
}

/* Reads what was written: checks the frame, counts pairs, finds one value. */
struct written {
    unsigned pairs, records;
    bool whole; /* no pair was cut by the end of a record */
    char value[64];
};

static void read_back(struct written *out, const uint8_t *bytes, size_t size, const char *name)
{
    struct fastcgi_cursor cursor = {.inside = false};
    struct fastcgi_piece piece;
    struct fastcgi_pair pair;
    size_t at = 0;
    bool ended = false;

    *out = (struct written){.whole = true};
    assert_int_equal(fastcgi_cursor_next(&cursor, bytes, size, &piece), FASTCGI_PIECE);
    assert_int_equal(piece.type, FASTCGI_BEGIN_REQUEST);
    assert_memory_equal(piece.content, "\0\1\1\0\0\0\0\0", 8);
    for (at = piece.size; at < size; at += piece.size) {
        assert_false(ended);
        assert_int_equal(fastcgi_cursor_next(&cursor, bytes + at, size - at, &piece),
                         FASTCGI_PIECE);
        assert_true(piece.first && piece.last);
        assert_int_equal(piece.type, FASTCGI_PARAMS);
        assert_int_equal(piece.id, 7);
        ended = piece.length == 0;
        out->records += !ended;
        for (size_t from = 0; from < piece.content_size; from += pair.size) {
            if (fastcgi_pair_read(&pair, piece.content + from, piece.content_size - from) != 0) {
                out->whole = false;
                break;
            }
            out->pairs++;
            if (pair.name_size == strlen(name) && memcmp(pair.name, name, pair.name_size) == 0)
                (void)snprintf(out->value, sizeof(out->value), "%.*s", (int)pair.value_size,
                               pair.value);
        }
    }
    assert_true(ended);
}

static void write_and_read(struct written *out, const struct proxy_params *params,
                           const struct proxy_params_set *set, const char *name)
{
    size_t size;
    uint8_t *const bytes = proxy_params_write(params, set, 7, 1, FASTCGI_KEEP_CONN, &size);

    assert_non_null(bytes);
    read_back(out, bytes, size, name);
    free(bytes);
}

static void replaces_what_is_set_and_keeps_the_rest(void **state)
{
    struct proxy_params params = {.size = 0};
    const struct proxy_params_set set = {
        3, {"HTTP_TRACEPARENT", "HTTP_TRACESTATE", "TRACEPARENT"}, {"ours", NULL, "ours"}};
    struct written written;

    (void)state;
    add(&params, "HTTP_TRACEPARENT", "theirs", 6);
    add(&params, "HTTP_TRACESTATE", "theirs", 6);
    add(&params, "HTTP_TRACEPARENTS", "another", 7);
    add(&params, "EMPTY", "", 0);
    add(&params, "HTTP_TRACEPARENT", "theirs again", 12);
    write_and_read(&written, &params, &set, "HTTP_TRACEPARENT");
    assert_string_equal(written.value, "ours");
    assert_int_equal(written.pairs, 4);
    assert_int_equal(written.records, 1);
    write_and_read(&written, &params, &set, "HTTP_TRACESTATE");
    assert_string_equal(written.value, "");
    write_and_read(&written, &params, &set, "HTTP_TRACEPARENTS");
    assert_string_equal(written.value, "another");
    proxy_params_free(&params);
}

/* Also the long form of a short length, which a web server may use. */
static void what_is_kept_goes_on_as_it_came(void **state)
{
    static const char kept[] = "\x80\x00\x00\x01\x01"
                               "Kv"
                               "\x01\x80\x00\x00\x00"
                               "L";
    struct proxy_params params = {.size = 0};
    const struct proxy_params_set set = {1, {"OURS"}, {NULL}};
    uint8_t *bytes;
    size_t size;

    (void)state;
    add(&params, "OURS", "theirs", 6);
    assert_int_equal(proxy_params_add(&params, kept, sizeof(kept) - 1), 0);
    add(&params, "OURS", "theirs", 6);
    bytes = proxy_params_write(&params, &set, 7, 1, 0, &size);
    assert_non_null(bytes);
    assert_int_equal(size, 16 + 8 + sizeof(kept) - 1 + 8);
    assert_memory_equal(bytes + 16 + 8, kept, sizeof(kept) - 1);
    free(bytes);
    proxy_params_free(&params);
}

static void no_parameters_at_all_are_a_request_too(void **state)
{
    const struct proxy_params params = {.size = 0};
    const struct proxy_params_set none = {0, {NULL}, {NULL}};
    struct written written;

    (void)state;
    write_and_read(&written, &params, &none, "X");
    assert_int_equal(written.pairs, 0);
    assert_int_equal(written.records, 0);
}

static void pairs_stay_whole_where_they_fit_into_a_record(void **state)
{
    static char value[65000];
    const struct proxy_params_set set = {1, {"LAST"}, {"the end"}};
    struct written written;

    (void)state;
    memset(value, 'v', sizeof(value));
    /* So that pairs meet the end of a record at many places. */
    for (size_t size = 64900; size <= 65000; size++) {
        struct proxy_params params = {.size = 0};

        for (int i = 0; i < 3; i++) {
            add(&params, "A", value, size - (size_t)i * 7);
            add(&params, "SMALL", value, 300 + (size_t)i);
        }
        write_and_read(&written, &params, &set, "LAST");
        assert_true(written.whole);
        assert_int_equal(written.pairs, 7);
        assert_string_equal(written.value, "the end");
        proxy_params_free(&params);
    }
}

static void a_pair_longer_than_a_record_is_passed_on_in_several(void **state)
{
    static char value[200000];
    struct proxy_params params = {.size = 0};
    const struct proxy_params_set none = {0, {NULL}, {NULL}};
    uint8_t *bytes, *joined;
    struct fastcgi_cursor cursor = {.inside = false};
    struct fastcgi_piece piece;
    size_t size, n = 0;

    (void)state;
    memset(value, 'v', sizeof(value));
    add(&params, "LONG", value, sizeof(value));
    add(&params, "AFTER", "x", 1);
    bytes = proxy_params_write(&params, &none, 7, 1, 0, &size);
    joined = malloc(size);
    assert_true(bytes != NULL && joined != NULL);
    for (size_t at = 0; at < size; at += piece.size) {
        assert_int_equal(fastcgi_cursor_next(&cursor, bytes + at, size - at, &piece),
                         FASTCGI_PIECE);
        if (piece.type == FASTCGI_PARAMS) {
            memcpy(joined + n, piece.content, piece.content_size);
            n += piece.content_size;
        }
    }
    assert_int_equal(n, params.size);
    assert_memory_equal(joined, params.bytes, n);
    free(joined);
    free(bytes);
    proxy_params_free(&params);
}

static void strings_are_as_in_an_environment(void **state)
{
    struct proxy_params params = {.size = 0};
    const char **strings;

    (void)state;
    add(&params, "SCRIPT_NAME", "/a.php", 6);
    add(&params, "EMPTY", "", 0);
    strings = proxy_params_read(&params);
    assert_non_null(strings);
    assert_string_equal(strings[0], "SCRIPT_NAME=/a.php");
    assert_string_equal(strings[1], "EMPTY=");
    assert_null(strings[2]);
    assert_string_equal(proxy_params_get(strings, "SCRIPT_NAME"), "/a.php");
    assert_null(proxy_params_get(strings, "SCRIPT"));
    free(strings);
    proxy_params_free(&params);
}

static void pairs_that_are_cut_are_none(void **state)
{
    struct proxy_params params = {.size = 0};

    (void)state;
    add(&params, "SCRIPT_NAME", "/a.php", 6);
    params.size--;
    errno = 0;
    assert_null(proxy_params_read(&params));
    assert_int_equal(errno, EPROTO);
    proxy_params_free(&params);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replaces_what_is_set_and_keeps_the_rest),
        cmocka_unit_test(what_is_kept_goes_on_as_it_came),
        cmocka_unit_test(no_parameters_at_all_are_a_request_too),
        cmocka_unit_test(pairs_stay_whole_where_they_fit_into_a_record),
        cmocka_unit_test(a_pair_longer_than_a_record_is_passed_on_in_several),
        cmocka_unit_test(strings_are_as_in_an_environment),
        cmocka_unit_test(pairs_that_are_cut_are_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
