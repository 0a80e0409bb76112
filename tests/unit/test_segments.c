/*
 * Goal: of the files that lost their names under writers a bounded number stays open, the oldest go
 * first, never the one in hand, and each record that waited in them is counted.
 */
#include "metrics-agent/export/segments.h"

#include "metrics-agent/export/segments_count.h"
#include "tests/unit/unit.h"
#include "tests/unit/unit_dir.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static struct segments segments;

static int begin(void **state)
{
    static const struct checkpoint_signal nothing;

    const struct segments_dirs dirs = {.disk_fd = dir_fd, .memory_fd = -1};

    (void)state;
    return segments_open(&segments, SPOOL_LOGS, &dirs, &nothing);
}

static int end(void **state)
{
    (void)state;
    segments_close(&segments);
    (void)unlinkat(dir_fd, "logs.jsonl", 0);
    return 0;
}

/* Makes the active file, of so many records, known to the agent. */
static void write_active(unsigned records)
{
    const int fd = openat(dir_fd, "logs.jsonl", O_WRONLY | O_CREAT | O_EXCL, 0600);

    assert_true(fd >= 0);
    for (unsigned i = 0; i < records; i++)
        assert_int_equal(write(fd, "{}\n", 3), 3);
    assert_int_equal(close(fd), 0);
    segments_refresh(&segments);
    (void)segments_count_lines(&segments, SEGMENTS_COUNT_BYTES);
    assert_int_equal(segments_list_active(&segments)->file.pending, records);
}

/* The same, and somebody takes its name away. Returns the records that are lost by that. */
static uint64_t lose_name(unsigned records)
{
    write_active(records);
    assert_int_equal(unlinkat(dir_fd, "logs.jsonl", 0), 0);
    segments_refresh(&segments);
    return segments_take_deleted(&segments);
}

static void the_oldest_nameless_go_first(void **state)
{
    unsigned n = 1;

    (void)state;
    for (; n <= SEGMENTS_NAMELESS_MAX; n++)
        assert_int_equal(lose_name(n), 0);
    assert_int_equal(segments.sums.nameless, SEGMENTS_NAMELESS_MAX);
    for (unsigned gone = 1; gone <= 3; gone++)
        assert_int_equal(lose_name(n++), gone);
    assert_int_equal(segments.sums.nameless, SEGMENTS_NAMELESS_MAX);
    assert_int_equal(segments.count, SEGMENTS_NAMELESS_MAX);
}

static void the_one_in_hand_stays(void **state)
{
    unsigned n = 1;

    (void)state;
    for (; n <= SEGMENTS_NAMELESS_MAX; n++)
        assert_int_equal(lose_name(n), 0);
    segments_list_hold(&segments, &segments.list[0]);
    assert_int_equal(lose_name(n++), 2);
    assert_int_equal(lose_name(n++), 3);
    segments_list_hold(&segments, NULL);
    assert_int_equal(lose_name(n++), 1);
    assert_int_equal(lose_name(n++), 4);
}

/* For the cap: what waited in it was counted as dropped before, and is not counted twice. */
static void those_given_up_are_among_them(void **state)
{
    struct segment *segment;
    unsigned n = 1;

    (void)state;
    for (; n <= SEGMENTS_NAMELESS_MAX; n++)
        assert_int_equal(lose_name(n), 0);
    write_active(n);
    assert_int_equal(segments_seal(&segments), 0);
    segment = &segments.list[segments.count - 1];
    segments_settle(&segments, segment, segment->file.counted, n, 0);
    assert_int_equal(segments_give_up(&segments, segment), 0);
    assert_int_equal(segments_take_deleted(&segments), 1);
    assert_int_equal(segments.sums.nameless, SEGMENTS_NAMELESS_MAX);
    assert_int_equal(segments.sums.given_up, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_oldest_nameless_go_first, begin, end),
        cmocka_unit_test_setup_teardown(the_one_in_hand_stays, begin, end),
        cmocka_unit_test_setup_teardown(those_given_up_are_among_them, begin, end),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
