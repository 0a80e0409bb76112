/*
 * Goal: a writer appends in memory where the agent has made room for it and on the disk otherwise;
 * a segment's way to the disk may stop anywhere and be gone again, and each of its bytes is there
 * once.
 */
#include "lib/base/clock.h"
#include "lib/spool/writer.h"
#include "metrics-agent/export/segments.h"
#include "metrics-agent/export/segments_count.h"
#include "metrics-agent/export/segments_make.h"
#include "metrics-agent/export/segments_move.h"
#include "tests/unit/unit.h"
#include "tests/unit/unit_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LIMIT = 4096 };

static const char line[] = "{\"asctime\":\"2026-01-01T00:00:00.000Z\"}\n";
static const uint64_t line_size = sizeof(line) - 1;

static int memory_fd;
static struct segments segments;
static struct spool_writer writer;

static bool exists(const char *name)
{
    struct stat status;

    return fstatat(dir_fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0;
}

static uint64_t size_of(const char *name)
{
    struct stat status;

    assert_int_equal(fstatat(dir_fd, name, &status, AT_SYMLINK_NOFOLLOW), 0);
    return (uint64_t)status.st_size;
}

static int begin(void **state)
{
    (void)state;
    assert_int_equal(spool_writer_init(&writer, unit_dir, "logs", 1 << 20), 0);
    spool_writer_set_memory(&writer, unit_dir, "logs", LIMIT);
    writer.check_ns = 0;
    assert_int_equal(mkdirat(dir_fd, "spool", 0700), 0);
    memory_fd = openat(dir_fd, "spool", O_RDONLY | O_DIRECTORY);
    return memory_fd < 0 ? -1 : 0;
}

static int end(void **state)
{
    static const char *const names[] = {"logs.jsonl", "logs.0000000001.jsonl",
                                        "logs.0000000002.jsonl", "logs.0000000003.jsonl"};

    (void)state;
    spool_writer_close(&writer);
    segments_close(&segments);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)unlinkat(dir_fd, names[i], 0);
        (void)unlinkat(memory_fd, names[i], 0);
    }
    (void)close(memory_fd);
    (void)unlinkat(dir_fd, "spool", 0);
    return unlinkat(dir_fd, "spool", AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -1;
}

static void append(unsigned lines)
{
    unsigned lost;

    while (lines-- > 0) {
        assert_int_equal(spool_writer_append(&writer, line, line_size, &lost), SPOOL_OK);
        assert_int_equal(lost, 0);
    }
}

static void the_directory_is_the_sign(void **state)
{
    (void)state;
    append(1);
    assert_int_equal(size_of("spool/logs.jsonl"), line_size);
    assert_false(exists("logs.jsonl"));
    assert_int_equal(unlinkat(memory_fd, "logs.jsonl", 0), 0);
    assert_int_equal(unlinkat(dir_fd, "spool", AT_REMOVEDIR), 0);
    append(1);
    assert_int_equal(size_of("logs.jsonl"), line_size);
    /* It comes back, and the file on the disk is let go of. */
    assert_int_equal(mkdirat(dir_fd, "spool", 0700), 0);
    append(1);
    assert_int_equal(size_of("spool/logs.jsonl"), line_size);
    assert_int_equal(size_of("logs.jsonl"), line_size);
    assert_int_equal(writer.disk.fd, -1);
    assert_int_equal(unlinkat(dir_fd, "spool/logs.jsonl", 0), 0);
}

static void beyond_the_limit_is_the_disk(void **state)
{
    const uint64_t fit = LIMIT / line_size;

    (void)state;
    append((unsigned)fit + 3);
    assert_int_equal(size_of("spool/logs.jsonl"), fit * line_size);
    assert_int_equal(size_of("logs.jsonl"), 3 * line_size);
    assert_int_equal(renameat(memory_fd, "logs.jsonl", memory_fd, "logs.0000000001.jsonl"), 0);
    append(1);
    assert_int_equal(size_of("spool/logs.jsonl"), line_size);
}

/* Who may write to the run directory could lead writers anywhere. */
static void a_link_is_no_directory(void **state)
{
    (void)state;
    assert_int_equal(unlinkat(dir_fd, "spool", AT_REMOVEDIR), 0);
    assert_int_equal(symlinkat("/tmp", dir_fd, "spool"), 0);
    append(1);
    assert_int_equal(size_of("logs.jsonl"), line_size);
    assert_int_equal(access("/tmp/logs.jsonl", F_OK), -1);
}

/* The agent leaves such a one alone, so what is written there would stay there. */
static void a_directory_for_everybody_is_not_the_agents(void **state)
{
    (void)state;
    assert_int_equal(fchmod(memory_fd, 0777), 0);
    if (geteuid() == 0)
        assert_int_equal(fchown(memory_fd, 65534, (gid_t)-1), 0);
    append(1);
    assert_int_equal(size_of("logs.jsonl"), line_size);
    assert_false(exists("spool/logs.jsonl"));
}

static void a_spool_in_the_run_directory_is_one_tier(void **state)
{
    char dir[256];

    (void)state;
    (void)snprintf(dir, sizeof(dir), "%s/spool", unit_dir);
    assert_int_equal(spool_writer_init(&writer, dir, "logs", 1 << 20), 0);
    spool_writer_set_memory(&writer, unit_dir, "logs", 1);
    append(2);
    assert_int_equal(size_of("spool/logs.jsonl"), 2 * line_size);
}

/* A size limit cuts the write in memory short, as a full tmpfs does; the disk has room. */
static void what_memory_cuts_off_goes_to_the_disk(void **state)
{
    struct rlimit tight = {.rlim_max = RLIM_INFINITY};
    const struct rlimit wide = {RLIM_INFINITY, RLIM_INFINITY};
    char lines[] = "{1}\n{22222}\n{3}\n{4}\n", text[64];
    unsigned lost;
    int fd;

    (void)state;
    append(1);
    tight.rlim_cur = line_size + 7;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    assert_int_equal(spool_writer_append(&writer, lines, strlen(lines), &lost), SPOOL_OK);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &wide), 0);
    assert_int_equal(lost, 0);
    assert_int_equal(writer.wrote, strlen(lines));
    assert_int_equal(writer.inode, 0);
    assert_int_equal(size_of("spool/logs.jsonl"), line_size + 7);
    fd = openat(dir_fd, "logs.jsonl", O_RDONLY);
    assert_int_equal(read(fd, text, sizeof(text)), strlen(lines) - 4);
    assert_memory_equal(text, lines + 4, strlen(lines) - 4);
    (void)close(fd);
    append(1);
    assert_int_equal(size_of("spool/logs.jsonl"), line_size + 7 + 1 + line_size);
}

/* --- Moves
 * ---------------------------------------------------------------------------------------- */

static void open_segments(void)
{
    static const struct checkpoint_signal nothing;
    const struct segments_dirs dirs = {.disk_fd = dir_fd, .memory_fd = memory_fd};

    segments_close(&segments);
    assert_int_equal(segments_open(&segments, SPOOL_LOGS, &dirs, &nothing), 0);
    segments_refresh(&segments);
    (void)segments_count_lines(&segments, SEGMENTS_COUNT_BYTES);
}

/* Two lines in memory, sealed; a writer holds the file still. */
static struct segment *sealed(void)
{
    append(2);
    open_segments();
    assert_int_equal(segments_seal(&segments), 0);
    segments_refresh(&segments);
    assert_int_equal(segments.count, 1);
    assert_true(segments.list[0].file.in_memory);
    assert_int_equal(segments.sums.memory_waiting, 2 * line_size);
    return &segments.list[0];
}

static void a_final_segment_moves(void **state)
{
    struct segment *const segment = sealed();

    (void)state;
    spool_writer_close(&writer);
    segments_refresh(&segments);
    assert_int_equal(segments_move(&segments, segment), 0);
    assert_false(exists("spool/logs.0000000001.jsonl"));
    assert_int_equal(size_of("logs.0000000001.jsonl"), 2 * line_size);
    assert_false(segment->file.in_memory);
    assert_int_equal(segments.sums.in_memory, 0);
    assert_int_equal(segments.sums.memory, 0);
    assert_int_equal(segments.sums.pending, 2);
    assert_int_equal(segments_list_open_file(&segments, segment), 0);
}

/* The copy follows, and what is behind it is not lost, whenever the agent starts again. */
static void a_held_segment_is_copied(void **state)
{
    unsigned lost;
    struct segment *segment = sealed();
    const uint64_t never = UINT64_MAX;

    (void)state;
    assert_int_equal(segments_move(&segments, segment), 0);
    assert_true(segment->file.in_memory);
    assert_int_equal(segments.sums.memory_waiting, 0);
    assert_int_equal(size_of("logs.0000000001.jsonl"), 2 * line_size);
    /* It does not look whether the name is still its file's. */
    writer.check_ns = never;
    writer.memory.checked_ns = clock_monotonic_ns();
    assert_int_equal(spool_writer_append(&writer, line, line_size, &lost), SPOOL_OK);
    open_segments();
    segment = &segments.list[0];
    assert_int_equal(segments.count, 1);
    assert_int_equal(segment->copied, 2 * line_size);
    assert_int_equal(segments.sums.pending, 3);
    spool_writer_close(&writer);
    segments_refresh(&segments);
    assert_int_equal(segments_move(&segments, segment), 0);
    assert_int_equal(size_of("logs.0000000001.jsonl"), 3 * line_size);
    assert_false(exists("spool/logs.0000000001.jsonl"));
}

static void cut(uint64_t size)
{
    const int fd = openat(dir_fd, "logs.0000000001.jsonl", O_WRONLY);

    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    assert_int_equal(close(fd), 0);
}

/* The agent was killed in the middle of the copy, at any byte. */
static void a_copy_goes_on_at_any_byte(void **state)
{
    struct segment *segment = sealed();

    (void)state;
    spool_writer_close(&writer);
    segments_refresh(&segments);
    for (uint64_t size = 0; size <= 2 * line_size; size++) {
        segment->file.final = false; /* only the copy */
        assert_int_equal(segments_move(&segments, segment), 0);
        cut(size);
        open_segments();
        segment = &segments.list[0];
        assert_int_equal(segments.count, 1);
        assert_int_equal(segment->copied, size);
        segment->file.final = false;
    }
    segment->file.final = true;
    assert_int_equal(segments_move(&segments, segment), 0);
    assert_int_equal(size_of("logs.0000000001.jsonl"), 2 * line_size);
    open_segments();
    assert_int_equal(segments.sums.pending, 2);
}

/* What is settled goes from both places. */
static void a_settled_segment_takes_its_copy_along(void **state)
{
    struct segment *segment = sealed();

    (void)state;
    assert_int_equal(segments_move(&segments, segment), 0);
    segments_settle(&segments, segment, 2 * line_size, 2, 0);
    spool_writer_close(&writer);
    segments_refresh(&segments);
    assert_int_equal(segments.sums.done, 1);
    segments_remove(&segments, segment);
    assert_false(exists("logs.0000000001.jsonl"));
    assert_false(exists("spool/logs.0000000001.jsonl"));
}

/* Somebody has put a segment of that number there. */
static void somebody_elses_number_is_left_alone(void **state)
{
    struct segment *segment = sealed();
    int fd;

    (void)state;
    spool_writer_close(&writer);
    segments_refresh(&segments);
    fd = openat(dir_fd, "logs.0000000001.jsonl", O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, "{\"asctime\":0}\n", 14), 14);
    assert_int_equal(close(fd), 0);
    assert_int_equal(segments_move(&segments, segment), -1);
    assert_int_equal(errno, EEXIST);
    assert_int_equal(size_of("logs.0000000001.jsonl"), 14);
    assert_int_equal(size_of("spool/logs.0000000001.jsonl"), 2 * line_size);
    open_segments();
    assert_int_equal(segments.count, 2);
    assert_int_equal(segments.sums.pending, 3);
    assert_int_equal(size_of("spool/logs.0000000002.jsonl"), 2 * line_size);
}

/* Writers found no room in memory for a while. */
static void a_stray_active_file_is_sealed(void **state)
{
    const uint64_t fit = LIMIT / line_size;

    (void)state;
    append((unsigned)fit + 2);
    open_segments();
    assert_int_equal(segments.count, 2);
    assert_false(exists("logs.jsonl"));
    assert_int_equal(size_of("logs.0000000001.jsonl"), 2 * line_size);
    assert_true(segments_list_active(&segments)->file.in_memory);
    assert_int_equal(segments_list_active(&segments)->file.seq, 2);
    assert_int_equal(segments.sums.pending, fit + 2);
}

/* A process that idles holds a large segment, most of which is settled. */
static void settled_memory_is_given_back(void **state)
{
    enum { BYTES = 1 << 20 };
    const uint64_t lines = BYTES / line_size;
    struct segment *segment;

    (void)state;
    writer.memory.max_bytes = 2 * BYTES;
    append((unsigned)lines);
    open_segments();
    assert_int_equal(segments_seal(&segments), 0);
    segments_refresh(&segments);
    (void)segments_count_lines(&segments, SEGMENTS_COUNT_BYTES);
    segment = &segments.list[0];
    segments_settle(&segments, segment, (lines - 1) * line_size, lines - 1, 0);
    segments_move_punch(&segments, segment, 4096);
    assert_in_range(segments.sums.memory, 1, 2 * 4096);
    assert_int_equal(segments.sums.bytes, lines * line_size);
    assert_int_equal(segments.sums.memory_waiting, line_size);
    assert_int_equal(segments_move(&segments, segment), 0);
    assert_int_equal(size_of("logs.0000000001.jsonl"), lines * line_size);
    open_segments();
    assert_int_equal(segments.list[0].copied, lines * line_size);
}

/* What was copied before its memory was given back is a copy all the same. */
static void a_copy_is_known_after_memory_was_given_back(void **state)
{
    enum { BYTES = 1 << 20 };
    const uint64_t lines = BYTES / line_size;

    (void)state;
    writer.memory.max_bytes = 2 * BYTES;
    append((unsigned)lines);
    open_segments();
    assert_int_equal(segments_seal(&segments), 0);
    segments_refresh(&segments);
    (void)segments_count_lines(&segments, SEGMENTS_COUNT_BYTES);
    assert_int_equal(segments_move(&segments, &segments.list[0]), 0);
    segments_settle(&segments, &segments.list[0], (lines - 1) * line_size, lines - 1, 0);
    segments_move_punch(&segments, &segments.list[0], 4096);
    assert_in_range(segments.list[0].punched, 1, BYTES);
    open_segments();
    assert_int_equal(segments.count, 1);
    assert_int_equal(segments.list[0].copied, lines * line_size);
}

/* The checkpoint was removed: no segment gets the number, and later the name, of a kept file. */
static void numbers_go_on_behind_what_is_kept(void **state)
{
    const int fd = openat(dir_fd, "logs.0000000007.kept.jsonl", O_WRONLY | O_CREAT, 0600);

    (void)state;
    assert_int_equal(close(fd), 0);
    append(1);
    open_segments();
    assert_int_equal(segments_list_active(&segments)->file.seq, 8);
    assert_int_equal(unlinkat(dir_fd, "logs.0000000007.kept.jsonl", 0), 0);
}

/* rm -rf of the run directory. */
static void a_directory_that_is_gone_is_counted(void **state)
{
    (void)state;
    (void)sealed();
    append(1);
    segments_refresh(&segments);
    (void)segments_count_lines(&segments, SEGMENTS_COUNT_BYTES);
    assert_int_equal(segments.sums.pending, 3);
    segments_move_lost(&segments, -1);
    /* The active one is open, and read to its end. */
    assert_int_equal(segments_take_deleted(&segments), 2);
    assert_int_equal(segments.sums.pending, 1);
    assert_int_equal(segments.sums.nameless, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(the_directory_is_the_sign),
        TEST(beyond_the_limit_is_the_disk),
        TEST(a_link_is_no_directory),
        TEST(a_directory_for_everybody_is_not_the_agents),
        TEST(a_spool_in_the_run_directory_is_one_tier),
        TEST(what_memory_cuts_off_goes_to_the_disk),
        TEST(a_final_segment_moves),
        TEST(a_held_segment_is_copied),
        TEST(a_copy_goes_on_at_any_byte),
        TEST(a_settled_segment_takes_its_copy_along),
        TEST(somebody_elses_number_is_left_alone),
        TEST(a_stray_active_file_is_sealed),
        TEST(settled_memory_is_given_back),
        TEST(a_copy_is_known_after_memory_was_given_back),
        TEST(a_directory_that_is_gone_is_counted),
        TEST(numbers_go_on_behind_what_is_kept),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
