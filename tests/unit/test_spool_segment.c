/*
 * Goal: whoever reads a spool sees the same: which files are whose, in which order, how far each is
 * settled, how many lines wait and since when, and whether a writer may still append.
 */
#include "lib/spool/listing.h"
#include "lib/spool/segment.h"

#include "lib/spool/lines.h"
#include "lib/spool/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/unit_dir.h"

static int empty_dir(void **state)
{
    char command[sizeof unit_dir + 16];

    (void)state;
    (void)snprintf(command, sizeof command, "rm -rf %s/*", unit_dir);
    return system(command);
}

static int remove_all(void **state)
{
    return empty_dir(state) != 0 ? -1 : remove_dir(state);
}

static void put(const char *name, const char *text)
{
    const int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static struct spool_segment seen(uint64_t seq, bool active)
{
    struct spool_segment segment = {.seq = seq, .active = active};

    assert_int_equal(spool_segment_stat(&segment, SPOOL_TRACES, dir_fd), 0);
    return segment;
}

static void names_are_told_apart(void **state)
{
    static const struct {
        const char *name;
        enum spool_files_kind kind;
        uint64_t seq;
    } cases[] = {
        {"traces.jsonl", SPOOL_FILES_ACTIVE, 0},
        {"traces.0000000001.jsonl", SPOOL_FILES_SEALED, 1},
        {"traces.12345678901.jsonl", SPOOL_FILES_SEALED, 12345678901},
        {"traces.quarantine.jsonl", SPOOL_FILES_QUARANTINE, 0},
        {"traces.quarantine.old.jsonl", SPOOL_FILES_QUARANTINE, 0},
        {"traces.1.jsonl", SPOOL_FILES_FOREIGN, 0},
        {"traces.0000000000.jsonl", SPOOL_FILES_FOREIGN, 0},
        {"traces.999999999999.jsonl", SPOOL_FILES_SEALED, SPOOL_FILES_SEQ_MAX},
        {"traces.1000000000000.jsonl", SPOOL_FILES_FOREIGN, 0},
        {"traces.18446744073709551615.jsonl", SPOOL_FILES_FOREIGN, 0},
        {"traces.18446744073709551616.jsonl", SPOOL_FILES_FOREIGN, 0},
        {"traces.99999999999999999999999.jsonl", SPOOL_FILES_FOREIGN, 0},
        {"traces.jsonl.gz", SPOOL_FILES_FOREIGN, 0},
        {"traces.jsonl.probe.17", SPOOL_FILES_OTHER, 0},
        {"logs.jsonl", SPOOL_FILES_OTHER, 0},
        {"agent.lock", SPOOL_FILES_OTHER, 0},
        {"tracesjsonl", SPOOL_FILES_OTHER, 0},
        {"traces.traces.jsonl", SPOOL_FILES_OTHER, 0},
        {"traces.logs.jsonl", SPOOL_FILES_OTHER, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t seq = 0;

        assert_int_equal(spool_files_kind(SPOOL_TRACES, cases[i].name, &seq), cases[i].kind);
        assert_int_equal(seq, cases[i].seq);
    }
}

static void other_programs_files_are_known_by_name(void **state)
{
    static const struct {
        const char *name;
        enum spool_signal signal;
    } cases[] = {
        {"x.traces.jsonl", SPOOL_TRACES},
        {"x.logs.jsonl", SPOOL_LOGS},
        {"x.metrics.jsonl", SPOOL_METRICS},
        {"a b.0000000001.traces.jsonl", SPOOL_TRACES},
        {"traces.traces.jsonl", SPOOL_TRACES},
        {"traces.logs.jsonl", SPOOL_LOGS},
        {"agent.traces.jsonl", SPOOL_TRACES},
        {"traces.jsonl", SPOOL_SIGNALS},
        {".traces.jsonl", SPOOL_SIGNALS},
        {".x.traces.jsonl", SPOOL_SIGNALS},
        {"xtraces.jsonl", SPOOL_SIGNALS},
        {"x.traces.jsonl.1", SPOOL_SIGNALS},
        {"traces.0000000001.jsonl", SPOOL_SIGNALS},
        {"traces.quarantine.jsonl", SPOOL_SIGNALS},
        {"", SPOOL_SIGNALS},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(spool_files_import(cases[i].name), cases[i].signal);
}

static void listing_is_in_order(void **state)
{
    struct spool_listing listing;
    char name[SPOOL_FILES_NAME_MAX];

    (void)state;
    for (uint64_t i = 200; i > 0; i--) {
        spool_files_sealed(name, SPOOL_TRACES, i * 7919 % 211 + 1);
        put(name, "");
    }
    put("traces.jsonl", "");
    put("traces.old.jsonl", "");
    put("traces.quarantine.jsonl", "12345");
    put("logs.0000000300.jsonl", "");
    assert_int_equal(spool_listing_read(&listing, SPOOL_TRACES, dir_fd, -1), 0);
    assert_int_equal(listing.count, 200);
    for (size_t i = 1; i < listing.count; i++)
        assert_true(listing.sealed[i - 1].seq < listing.sealed[i].seq);
    assert_true(listing.active);
    assert_int_equal(listing.foreign, 1);
    assert_string_equal(listing.first_foreign, "traces.old.jsonl");
    assert_int_equal(listing.quarantine_bytes, 5);
    spool_listing_free(&listing);
}

static void a_replaced_file_is_gone(void **state)
{
    struct spool_segment segment;
    int fd;

    (void)state;
    put("traces.0000000001.jsonl", "{}\n");
    segment = seen(1, false);
    fd = spool_segment_open(&segment, SPOOL_TRACES, dir_fd);
    assert_true(fd >= 0);
    /* The old file stays open, so that the new one can't have its inode. */
    assert_int_equal(unlinkat(dir_fd, "traces.0000000001.jsonl", 0), 0);
    put("traces.0000000001.jsonl", "{}\n");
    assert_int_equal(spool_segment_open(&segment, SPOOL_TRACES, dir_fd), -1);
    assert_int_equal(errno, ENOENT);
    close(fd);
}

static void final_when_no_writer_holds_it(void **state)
{
    struct spool_segment segment;
    struct spool_writer writer;
    unsigned lost;
    int fd;

    (void)state;
    assert_int_equal(spool_writer_init(&writer, unit_dir, "traces", 1 << 20), 0);
    assert_int_equal(spool_writer_append(&writer, "{}\n", 3, &lost), SPOOL_OK);
    segment = seen(1, true);
    fd = spool_segment_open(&segment, SPOOL_TRACES, dir_fd);
    spool_segment_look(&segment, fd);
    assert_true(segment.held);
    assert_false(segment.final);
    segment.active = false;
    spool_segment_look(&segment, fd);
    assert_false(segment.final);
    spool_writer_close(&writer);
    spool_segment_look(&segment, fd);
    assert_true(segment.final);
    assert_int_equal(segment.size, 3);
    close(fd);
}

/* A copy has another inode and goes on; other content of the same size does not. */
static void resumes_by_fingerprint(void **state)
{
    struct checkpoint_signal from = {.cursor_count = 2};
    struct spool_segment segment;
    int fd;

    (void)state;
    put("traces.0000000002.jsonl", "{\"a\":1}\n{\"a\":2}\n");
    segment = seen(2, false);
    fd = spool_segment_open(&segment, SPOOL_TRACES, dir_fd);
    from.cursors[0] = (struct checkpoint_cursor){.seq = 1, .offset = 16};
    from.cursors[1] = (struct checkpoint_cursor){.seq = 2, .inode = segment.inode + 1, .offset = 8};
    assert_int_equal(checkpoint_fingerprint(fd, 8, false, &from.cursors[1].print), 0);
    spool_segment_resume(&segment, fd, &from);
    assert_int_equal(segment.offset, 8);
    assert_int_equal(segment.counted, 8);
    close(fd);

    put("traces.0000000002.jsonl", "{\"b\":1}\n{\"a\":2}\n");
    segment = seen(2, false);
    fd = spool_segment_open(&segment, SPOOL_TRACES, dir_fd);
    spool_segment_resume(&segment, fd, &from);
    assert_int_equal(segment.offset, 0);
    close(fd);

    put("traces.0000000002.jsonl", "{\"a\":1}");
    segment = seen(2, false);
    fd = spool_segment_open(&segment, SPOOL_TRACES, dir_fd);
    spool_segment_resume(&segment, fd, &from);
    assert_int_equal(segment.offset, 0);
    close(fd);
}

/* Somebody's file with a higher number gives the active one another than its cursor has. */
static void the_active_file_resumes_under_a_higher_number(void **state)
{
    struct checkpoint_signal from = {.cursor_count = 1, .active_seq = 7};
    struct spool_segment segment;
    int fd;

    (void)state;
    put("traces.jsonl", "{\"a\":1}\n{\"a\":2}\n");
    segment = seen(901, true);
    fd = spool_segment_open(&segment, SPOOL_TRACES, dir_fd);
    from.cursors[0] = (struct checkpoint_cursor){.seq = 7, .inode = segment.inode, .offset = 8};
    assert_int_equal(checkpoint_fingerprint(fd, 8, false, &from.cursors[0].print), 0);
    assert_true(spool_segment_started(&segment, &from));
    spool_segment_resume(&segment, fd, &from);
    assert_int_equal(segment.offset, 8);

    /* Neither another file with the same content, nor one that was sealed by then. */
    segment = seen(901, true);
    from.cursors[0].inode++;
    assert_false(spool_segment_started(&segment, &from));
    spool_segment_resume(&segment, fd, &from);
    assert_int_equal(segment.offset, 0);
    from.cursors[0].inode--;
    from.active_seq = 8;
    assert_false(spool_segment_started(&segment, &from));
    spool_segment_resume(&segment, fd, &from);
    assert_int_equal(segment.offset, 0);
    close(fd);
}

/* Lines of every length up to some buffers' size, blank ones among them, an unfinished one last. */
static void counts_lines_by_and_by(void **state)
{
    enum { LINES = 700 };
    struct spool_segment segment;
    FILE *file;
    int fd;

    (void)state;
    fd = openat(dir_fd, "traces.jsonl", O_RDWR | O_CREAT | O_TRUNC, 0600);
    file = fdopen(dup(fd), "w");
    assert_non_null(file);
    for (int i = 0; i < LINES; i++)
        assert_true(fprintf(file, "%0*d\n%s", i * 3 + 1, i, i % 5 == 0 ? "\n\n" : "") > 0);
    assert_true(fputs("{\"unfinished", file) >= 0);
    assert_int_equal(fclose(file), 0);
    segment = seen(1, true);
    while (spool_segment_count(&segment, SPOOL_TRACES, fd, 1) >= 1 && segment.pending < LINES)
        continue;
    assert_int_equal(segment.pending, LINES);
    assert_int_equal(segment.counted, segment.size - strlen("{\"unfinished"));
    (void)spool_segment_count(&segment, SPOOL_TRACES, fd, UINT64_MAX);
    assert_int_equal(segment.pending, LINES);
    close(fd);
}

/* Long lines, one beyond what is looked into, and records of one that are settled already. */
static void counting_records(void **state)
{
    static const char head[] = "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[";
    enum { SPANS = 3000, BEYOND = SPOOL_LINE_MAX + 1000 };
    struct spool_segment segment;
    uint64_t looked;
    FILE *file;
    int fd;

    (void)state;
    fd = openat(dir_fd, "traces.jsonl", O_RDWR | O_CREAT | O_TRUNC, 0600);
    file = fdopen(dup(fd), "w");
    assert_non_null(file);
    for (int line = 0; line < 2; line++) {
        (void)fputs(head, file);
        for (int i = 0; i < SPANS; i++)
            (void)fprintf(file, "%s{\"name\":\"%0*d\"}", i > 0 ? "," : "", line * 100 + 1, i);
        (void)fputs("]}]}]}\n", file);
    }
    for (int i = 0; i < BEYOND; i++)
        (void)fputc('x', file);
    (void)fputs("\n{}\n", file);
    assert_int_equal(fclose(file), 0);
    segment = seen(1, true);
    segment.in_line = 1000;
    while ((looked = spool_segment_count(&segment, SPOOL_TRACES, fd, 1)) > 0 &&
           segment.counted < segment.size)
        assert_true(looked <= SPOOL_LINE_MAX * 2);
    assert_int_equal(segment.pending, 2 * SPANS - 1000 + 2);
    assert_int_equal(segment.counted, segment.size);
    close(fd);
}

/* A line of any length, hole or not, is read once, in steps, and is one line. */
static void counts_a_long_line_in_steps(void **state)
{
    enum { HOLE = 64 << 20, TEXT = 20 << 20, STEP = 8 << 20 };
    static char text[TEXT];
    struct spool_segment segment;
    uint64_t looked = 0, more;
    int fd;

    (void)state;
    memset(text, 'x', sizeof(text));
    fd = openat(dir_fd, "traces.jsonl", O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(pwrite(fd, "{}\n", 3, 0), 3);
    assert_int_equal(pwrite(fd, text, sizeof(text), HOLE), sizeof(text));
    segment = seen(1, true);
    while ((more = spool_segment_count(&segment, SPOOL_TRACES, fd, STEP)) >= STEP)
        looked += more;
    looked += more;
    assert_int_equal(segment.pending, 1);
    assert_int_equal(segment.counted, 3);
    assert_true(looked <= segment.size);
    /* Nothing of it is read again, whatever follows. */
    assert_int_equal(pwrite(fd, "\n{}\n", 4, HOLE + TEXT), 4);
    segment.size += 4;
    assert_true(spool_segment_count(&segment, SPOOL_TRACES, fd, STEP) < 16);
    assert_int_equal(segment.pending, 3);
    assert_int_equal(segment.counted, segment.size);
    close(fd);
}

/* Room that was given back is no line; NULs of a file of which nothing is settled are one. */
static void begins_behind_a_hole(void **state)
{
    enum { HOLE = 128 << 10 };
    struct spool_segment segment;
    int fd;

    (void)state;
    fd = openat(dir_fd, "traces.jsonl", O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(pwrite(fd, "rest}\n{}\n{}\n", 12, HOLE), 12);
    segment = seen(1, true);
    assert_int_equal(spool_segment_begin(&segment, fd), 0);
    segment.offset = HOLE + 9;
    assert_int_equal(spool_segment_begin(&segment, fd), HOLE + 6);
    segment.offset = HOLE + 6;
    assert_int_equal(spool_segment_begin(&segment, fd), HOLE + 6);
    close(fd);
    put("traces.jsonl", "{}\n{}\n");
    segment = seen(1, true);
    segment.offset = 3;
    fd = spool_segment_open(&segment, SPOOL_TRACES, dir_fd);
    assert_int_equal(spool_segment_begin(&segment, fd), 0);
    close(fd);
}

/* A cursor in a line is told from one in another line by that line's start. */
static void resumes_in_a_line(void **state)
{
    struct checkpoint_signal from = {.cursor_count = 1};
    struct spool_segment segment;
    int fd;

    (void)state;
    put("traces.0000000002.jsonl", "{\"a\":1}\n");
    segment = seen(2, false);
    fd = spool_segment_open(&segment, SPOOL_TRACES, dir_fd);
    from.cursors[0] = (struct checkpoint_cursor){.seq = 2, .in_line = 5};
    assert_int_equal(checkpoint_fingerprint(fd, 0, true, &from.cursors[0].print), 0);
    spool_segment_resume(&segment, fd, &from);
    assert_int_equal(segment.in_line, 5);
    close(fd);

    put("traces.0000000002.jsonl", "{\"a\":1}\n{\"b\":1}\n");
    segment = seen(2, false);
    fd = spool_segment_open(&segment, SPOOL_TRACES, dir_fd);
    spool_segment_resume(&segment, fd, &from);
    assert_int_equal(segment.in_line, 5);
    close(fd);

    put("traces.0000000002.jsonl", "{\"b\":1}\n");
    segment = seen(2, false);
    fd = spool_segment_open(&segment, SPOOL_TRACES, dir_fd);
    spool_segment_resume(&segment, fd, &from);
    assert_int_equal(segment.in_line, 0);
    close(fd);
}

static void oldest_record_of_each_signal(void **state)
{
    static const char start[] = "{\"asctime\":\"2023-11-14T22:13:20.250Z\",\"message\":\"";
    static char line[20000];
    struct spool_segment segment = {.seq = 1, .active = true};
    int fd;

    (void)state;
    put("traces.jsonl",
        "{\"endTimeUnixNano\":\"5\"}\n{\"endTimeUnixNano\":\"1700000000000000007\"}\n");
    segment = seen(1, true);
    segment.offset = strlen("{\"endTimeUnixNano\":\"5\"}\n");
    fd = spool_segment_open(&segment, SPOOL_TRACES, dir_fd);
    assert_int_equal(spool_segment_oldest_ns(&segment, SPOOL_TRACES, fd), 1700000000000000007);
    segment.offset = segment.size;
    assert_int_equal(spool_segment_oldest_ns(&segment, SPOOL_TRACES, fd), 0);
    close(fd);

    /* Longer than what is looked at. */
    memset(line, 'x', sizeof line - 1);
    memcpy(line, start, sizeof start - 1);
    put("logs.jsonl", line);
    segment = (struct spool_segment){.seq = 1, .active = true};
    assert_int_equal(spool_segment_stat(&segment, SPOOL_LOGS, dir_fd), 0);
    fd = spool_segment_open(&segment, SPOOL_LOGS, dir_fd);
    assert_int_equal(spool_segment_oldest_ns(&segment, SPOOL_LOGS, fd), 1700000000250000000);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_told_apart),
        cmocka_unit_test(other_programs_files_are_known_by_name),
        cmocka_unit_test_setup(listing_is_in_order, empty_dir),
        cmocka_unit_test_setup(a_replaced_file_is_gone, empty_dir),
        cmocka_unit_test_setup(final_when_no_writer_holds_it, empty_dir),
        cmocka_unit_test_setup(resumes_by_fingerprint, empty_dir),
        cmocka_unit_test_setup(the_active_file_resumes_under_a_higher_number, empty_dir),
        cmocka_unit_test_setup(counts_lines_by_and_by, empty_dir),
        cmocka_unit_test_setup(counting_records, empty_dir),
        cmocka_unit_test_setup(resumes_in_a_line, empty_dir),
        cmocka_unit_test_setup(counts_a_long_line_in_steps, empty_dir),
        cmocka_unit_test_setup(begins_behind_a_hole, empty_dir),
        cmocka_unit_test_setup(oldest_record_of_each_signal, empty_dir),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_all);
}
