/*
 * Goal: whoever reads a spool sees the same: which files are whose, in which order, how far each is
 * settled, how many lines wait and since when, and whether a writer may still append.
 */
#include "lib/spool/listing.h"
#include "lib/spool/segment.h"
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

static char path[] = "/tmp/test_spool_segment.XXXXXX";
static int dir_fd;

static int make_dir(void **state)
{
    (void)state;
    if (mkdtemp(path) == NULL)
        return -1;
    dir_fd = open(path, O_RDONLY | O_DIRECTORY);
    return dir_fd < 0 ? -1 : 0;
}

static int remove_dir(void **state)
{
    char command[sizeof path + 16];

    (void)state;
    (void)close(dir_fd);
    (void)snprintf(command, sizeof command, "rm -rf %s", path);
    return system(command);
}

static int empty_dir(void **state)
{
    char command[sizeof path + 16];

    (void)state;
    (void)snprintf(command, sizeof command, "rm -rf %s/*", path);
    return system(command);
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
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t seq = 0;

        assert_int_equal(spool_files_kind(SPOOL_TRACES, cases[i].name, &seq), cases[i].kind);
        assert_int_equal(seq, cases[i].seq);
    }
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
    assert_int_equal(spool_listing_read(&listing, SPOOL_TRACES, dir_fd), 0);
    assert_int_equal(listing.count, 200);
    for (size_t i = 1; i < listing.count; i++)
        assert_true(listing.sealed[i - 1] < listing.sealed[i]);
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
    assert_int_equal(spool_writer_init(&writer, path, "traces", 1 << 20), 0);
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
    assert_int_equal(checkpoint_fingerprint(fd, 8, &from.cursors[1].print), 0);
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
    while (spool_segment_count(&segment, fd, 1) >= 1 && segment.pending < LINES)
        continue;
    assert_int_equal(segment.pending, LINES);
    assert_int_equal(segment.counted, segment.size - strlen("{\"unfinished"));
    (void)spool_segment_count(&segment, fd, UINT64_MAX);
    assert_int_equal(segment.pending, LINES);
    close(fd);
}

static void oldest_record_of_each_signal(void **state)
{
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

    put("logs.jsonl", "{\"asctime\":\"2023-11-14T22:13:20.250Z\",\"levelname\":\"INFO\"}\n");
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
        cmocka_unit_test_setup(listing_is_in_order, empty_dir),
        cmocka_unit_test_setup(a_replaced_file_is_gone, empty_dir),
        cmocka_unit_test_setup(final_when_no_writer_holds_it, empty_dir),
        cmocka_unit_test_setup(resumes_by_fingerprint, empty_dir),
        cmocka_unit_test_setup(counts_lines_by_and_by, empty_dir),
        cmocka_unit_test_setup(oldest_record_of_each_signal, empty_dir),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
