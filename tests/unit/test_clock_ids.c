/*
 * Goal: times are written and read back to the millisecond over the whole calendar; ids are valid,
 * of the right form, and differ across a fork.
 */
#include "lib/base/clock.h"
#include "lib/base/ids.h"
#include "tests/unit/unit.h"

#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void iso8601_agrees_with_the_c_library(void **state)
{
    (void)state;
    /* Up to the year 2554, where nanoseconds leave 64 bits. */
    for (uint64_t s = 0; s < 18446744073u; s += 86400u * 17 + 12345) {
        char ours[CLOCK_ISO8601_SIZE], theirs[CLOCK_ISO8601_SIZE];
        const time_t t = (time_t)s;
        struct tm tm;
        uint64_t back;

        clock_iso8601(ours, s * UINT64_C(1000000000));
        assert_non_null(gmtime_r(&t, &tm));
        assert_int_equal(strftime(theirs, sizeof(theirs), "%Y-%m-%dT%H:%M:%S.000Z", &tm), 24);
        assert_string_equal(ours, theirs);
        assert_int_equal(clock_parse_iso8601(ours, 24, &back), 0);
        assert_true(back == s * UINT64_C(1000000000));
    }
}

static void a_time_does_not_depend_on_the_one_before(void **state)
{
    static const struct {
        uint64_t ns;
        const char *text;
    } times[] = {{UINT64_C(1735905600234999999), "2025-01-03T12:00:00.234Z"},
                 {UINT64_C(1735905600001000000), "2025-01-03T12:00:00.001Z"},
                 {UINT64_C(1735905601001000000), "2025-01-03T12:00:01.001Z"},
                 {0, "1970-01-01T00:00:00.000Z"}};
    char text[CLOCK_ISO8601_SIZE];

    (void)state;
    for (size_t first = 0; first < 4; first++) {
        for (size_t second = 0; second < 4; second++) {
            clock_iso8601(text, times[first].ns);
            assert_string_equal(text, times[first].text);
            clock_iso8601(text, times[second].ns);
            assert_string_equal(text, times[second].text);
        }
    }
}

static void the_ends_of_what_can_be_read(void **state)
{
    static const struct {
        const char *text;
        uint64_t ns;
    } cases[] = {{"1970-01-01T00:00:00.000Z", 0},
                 {"2000-02-29T23:59:59.999Z", UINT64_C(951868799999000000)},
                 {"2024-02-29T00:00:00.001Z", UINT64_C(1709164800001000000)},
                 {"2554-07-21T23:34:32.999Z", UINT64_C(18446744072999000000)}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t ns = 1;

        assert_int_equal(clock_parse_iso8601(cases[i].text, 24, &ns), 0);
        assert_true(ns == cases[i].ns);
    }
}

static void milliseconds_are_truncated(void **state)
{
    char text[CLOCK_ISO8601_SIZE];

    (void)state;
    clock_iso8601(text, UINT64_C(1735905600234999999));
    assert_string_equal(text, "2025-01-03T12:00:00.234Z");
}

static void other_texts_are_refused(void **state)
{
    static const char *const cases[] = {
        "2025-01-03T12:00:00.234",
        "2025-01-03T12:00:00.234z",
        "2025-01-03 12:00:00.234Z",
        "2025-13-03T12:00:00.234Z",
        "2025-01-32T12:00:00.234Z",
        "2025-01-03T24:00:00.234Z",
        "2025-01-03T12:60:00.234Z",
        "2025-01-03T12:00:60.234Z",
        "2025-01-03T12:00:00,234Z",
        "1969-12-31T23:59:59.999Z",
        "x025-01-03T12:00:00.234Z",
        "",
        /* Days that are not in the calendar. */
        "2025-02-30T12:00:00.234Z",
        "2025-02-29T12:00:00.234Z",
        "2100-02-29T12:00:00.234Z",
        "2024-02-30T12:00:00.234Z",
        "2025-04-31T12:00:00.234Z",
        "2025-12-00T12:00:00.234Z",
        /* Times whose nanoseconds leave 64 bits. */
        "9999-12-31T23:59:59.999Z",
        "2554-07-21T23:34:33.000Z",
        "2554-07-22T00:00:00.000Z",
        /* Offsets, other precisions, leap seconds. */
        "2025-01-03T12:00:00+01:00",
        "2025-01-03T12:00:00.234+01:00",
        "2025-01-03T12:00:00Z",
        "2025-01-03T12:00:00.23456Z",
        "2016-12-31T23:59:60.000Z",
    };
    uint64_t ns;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(clock_parse_iso8601(cases[i], strlen(cases[i]), &ns), -1);
}

static void uuids_are_version_4(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        char a[IDS_UUID_TEXT + 1], b[IDS_UUID_TEXT + 1];

        ids_new_uuid4(a);
        ids_new_uuid4(b);
        assert_int_equal(strlen(a), IDS_UUID_TEXT);
        assert_int_equal(strspn(a, "0123456789abcdef-"), IDS_UUID_TEXT);
        assert_true(a[8] == '-' && a[13] == '-' && a[18] == '-' && a[23] == '-');
        assert_int_equal(a[14], '4');
        assert_non_null(strchr("89ab", a[19]));
        assert_string_not_equal(a, b);
    }
}

/* A sixteenth of them by chance. */
static void no_two_digits_of_uuids_agree(void **state)
{
    enum { UUIDS = 1000 };
    unsigned equal[IDS_UUID_TEXT][IDS_UUID_TEXT] = {0};

    (void)state;
    for (int i = 0; i < UUIDS; i++) {
        char uuid[IDS_UUID_TEXT + 1];

        ids_new_uuid4(uuid);
        for (int a = 0; a < IDS_UUID_TEXT; a++)
            for (int b = 0; b < a; b++)
                equal[a][b] += uuid[a] == uuid[b] && uuid[a] != '-';
    }
    for (int a = 0; a < IDS_UUID_TEXT; a++)
        for (int b = 0; b < a; b++)
            assert_true(equal[a][b] < UUIDS / 4);
}

static void hex_is_strict_and_reads_back(void **state)
{
    const struct trace_id id = ids_new_trace();
    struct trace_id back;
    char hex[IDS_TRACE_HEX];

    (void)state;
    ids_to_hex(hex, id.bytes, sizeof(id.bytes));
    assert_int_equal(ids_from_hex(back.bytes, hex, sizeof(back.bytes)), 0);
    assert_memory_equal(&id, &back, sizeof(id));
    hex[5] = 'A';
    assert_int_equal(ids_from_hex(back.bytes, hex, sizeof(back.bytes)), -1);
    hex[5] = '\0';
    assert_int_equal(ids_from_hex(back.bytes, hex, sizeof(back.bytes)), -1);
}

static void a_forked_child_draws_other_ids(void **state)
{
    struct trace_id ours, theirs;
    int ends[2], status;
    pid_t child;

    (void)state;
    (void)ids_new_span(); /* so that the pool is filled before the fork */
    assert_int_equal(pipe(ends), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct trace_id id = ids_new_trace();

        _exit(write(ends[1], &id, sizeof(id)) == sizeof(id) ? 0 : 1);
    }
    ours = ids_new_trace();
    assert_int_equal(read(ends[0], &theirs, sizeof(theirs)), sizeof(theirs));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_memory_not_equal(&ours, &theirs, sizeof(ours));
    assert_int_equal(close(ends[0]) | close(ends[1]), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(iso8601_agrees_with_the_c_library),
        cmocka_unit_test(a_time_does_not_depend_on_the_one_before),
        cmocka_unit_test(the_ends_of_what_can_be_read),
        cmocka_unit_test(milliseconds_are_truncated),
        cmocka_unit_test(other_texts_are_refused),
        cmocka_unit_test(uuids_are_version_4),
        cmocka_unit_test(no_two_digits_of_uuids_agree),
        cmocka_unit_test(hex_is_strict_and_reads_back),
        cmocka_unit_test(a_forked_child_draws_other_ids),
    };

    return cmocka_run_group_tests_name("clock_ids", tests, NULL, NULL);
}
