/*
 * Goal: a refused batch is halved down to the record at fault with as few requests as that takes;
 * a size that is too large for the endpoint is remembered, and a larger one tried rarely.
 */
#include "metrics-agent/export/ranges.h"
#include "tests/unit/unit.h"

#include <string.h>

enum { BYTES_EACH = 100 };

/* An endpoint that refuses what is too large, or holds the one bad item. */
struct endpoint {
    size_t bytes_max; /* 0 for any */
    long bad;         /* item, -1 for none */
    bool bad_is_413;
    unsigned requests, refused;
};

/* Sends a batch as exporter.c does. */
static void send_batch(struct ranges *r, struct endpoint *endpoint, size_t items)
{
    size_t settled = 0;

    ranges_begin(r, items);
    while (settled < items) {
        const size_t end = ranges_end(r), count = end - settled, bytes = count * BYTES_EACH;
        bool large, bad;

        assert_true(end > settled && end <= items);
        if (count > 1 && ranges_beyond(r, bytes)) {
            ranges_halve(r, settled);
            continue;
        }
        endpoint->requests++;
        large = endpoint->bytes_max > 0 && bytes > endpoint->bytes_max;
        bad = endpoint->bad >= (long)settled && endpoint->bad < (long)end;
        if (!large && !bad) {
            settled = end;
            ranges_taken(r);
        } else if (count == 1) {
            settled = end;
            endpoint->refused++;
            ranges_refused(r);
        } else {
            if (large || endpoint->bad_is_413)
                ranges_too_large(r, bytes);
            ranges_halve(r, settled);
        }
    }
    assert_int_equal(r->count, 0);
}

static void one_bad_record(void **state)
{
    (void)state;
    for (long bad = 0; bad < 512; bad++) {
        for (int is_413 = 0; is_413 < 2; is_413++) {
            struct endpoint endpoint = {.bad = bad, .bad_is_413 = is_413 == 1};
            struct ranges r = {0};

            send_batch(&r, &endpoint, 512);
            assert_int_equal(endpoint.refused, 1);
            assert_true(endpoint.requests <= 1 + 2 * 9 + 1);
            /* It was a record and not the size. */
            assert_int_equal(r.bytes_max, 0);
        }
    }
}

static void every_size_is_halved_to_one(void **state)
{
    (void)state;
    for (size_t items = 1; items <= 2048; items += 1 + items / 7) {
        struct endpoint endpoint = {.bytes_max = 1, .bad = -1};
        struct ranges r = {0};

        send_batch(&r, &endpoint, items);
        assert_int_equal(endpoint.refused, items);
    }
}

static void a_size_that_is_too_large_is_remembered(void **state)
{
    struct endpoint endpoint = {.bytes_max = 100 * BYTES_EACH, .bad = -1};
    struct ranges r = {0};
    unsigned first, wasted = 0;

    (void)state;
    send_batch(&r, &endpoint, 512);
    first = endpoint.requests;
    assert_int_equal(endpoint.refused, 0);
    assert_int_equal(r.bytes_max, 64 * BYTES_EACH);
    assert_true(first <= 8 + 3);
    for (int i = 0; i < 1000; i++) {
        endpoint.requests = 0;
        send_batch(&r, &endpoint, 512);
        assert_true(endpoint.requests >= 8);
        wasted += endpoint.requests - 8;
    }
    assert_int_equal(endpoint.refused, 0);
    /* 8,000 requests; a larger one is tried after 64, 128, 256, ... of them. */
    assert_true(wasted > 0 && wasted <= 24);
}

static void it_grows_again(void **state)
{
    struct endpoint endpoint = {.bytes_max = 10 * BYTES_EACH, .bad = -1};
    struct ranges r = {0};

    (void)state;
    send_batch(&r, &endpoint, 512);
    assert_true(r.bytes_max > 0 && r.bytes_max <= 10 * BYTES_EACH);
    endpoint.bytes_max = 0;
    for (int i = 0; i < 64 * 8; i++)
        send_batch(&r, &endpoint, 512);
    endpoint.requests = 0;
    send_batch(&r, &endpoint, 512);
    assert_int_equal(endpoint.requests, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_bad_record),
        cmocka_unit_test(every_size_is_halved_to_one),
        cmocka_unit_test(a_size_that_is_too_large_is_remembered),
        cmocka_unit_test(it_grows_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
