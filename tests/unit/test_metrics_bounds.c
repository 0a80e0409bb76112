/*
 * Goal: what a metrics file says of its own size, and what its index holds, never makes a reader
 * work for longer than its limits allow, and reading in steps finds what reading at once does.
 */
#include "tests/unit/metrics_fixture.h"

#include <stdbool.h>

static void fill(const struct fixture *f, unsigned series)
{
    struct metrics *metrics = fixture_open(f);
    char value[32];

    for (unsigned i = 0; i < series; i++) {
        snprintf(value, sizeof(value), "/%u", i);
        metrics_add(
            metrics_counter(metrics_declare(metrics, &fixture_counter), VALUES("GET", value)), i);
    }
    metrics_close(metrics);
}

static uint64_t sum_of_counters(const struct metrics_reader *reader)
{
    const struct metrics_reader_family *family = fixture_family(reader, &fixture_counter);
    uint64_t sum = 0;

    for (size_t i = 0; i < family->series_count; i++)
        sum += metrics_reader_counter(reader, family->series[i]);
    return sum;
}

static void poke(const char *path, off_t offset, const void *bytes, size_t len)
{
    int fd = open(path, O_WRONLY);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, len, offset), len);
    close(fd);
}

static void read_header(const struct fixture *f, struct metrics_file_header *header)
{
    int fd = open(f->file, O_RDONLY);

    assert_int_equal(pread(fd, header, sizeof(*header), 0), sizeof(*header));
    close(fd);
}

static void reseal(struct metrics_file_header *header)
{
    header->checksum =
        metrics_file_checksum(header, offsetof(struct metrics_file_header, checksum));
}

/* What a reader would have to walk through for hours, or add up. */
static void test_immoderate_headers(void **state)
{
    struct metrics_file_header good = {0}, bad;
    const uint64_t size = (uint64_t)1 << 36;

    (void)state;
    (void)metrics_file_plan(&good, 1000);
    good.file_size = size;
    reseal(&good);
    assert_int_equal(metrics_file_check(&good, size), METRICS_FILE_OK);
    bad = good;
    bad.index_offset = (uint64_t)1 << 35;
    bad.index_size *= 2;
    reseal(&bad);
    assert_int_equal(metrics_file_check(&bad, size), METRICS_FILE_CORRUPT);
    bad.max_series *= 3;
    reseal(&bad);
    assert_int_equal(metrics_file_check(&bad, size), METRICS_FILE_OK);
    static const uint32_t limits[] = {0, METRICS_SERIES_LIMIT + 1, UINT32_MAX};
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        bad = good;
        bad.max_series = limits[i];
        reseal(&bad);
        assert_int_equal(metrics_file_check(&bad, size), METRICS_FILE_CORRUPT);
        bad = good;
        bad.max_families = limits[i];
        reseal(&bad);
        assert_int_equal(metrics_file_check(&bad, size), METRICS_FILE_CORRUPT);
    }
    bad = good;
    bad.stripe_count = METRICS_FILE_STRIPES + 1;
    reseal(&bad);
    assert_int_equal(metrics_file_check(&bad, size), METRICS_FILE_CORRUPT);
}

/* A few buckets of the index at a time come to the same as all at once. */
static void test_reads_in_steps(void **state)
{
    struct fixture *f = *state;
    unsigned steps = 1;

    fill(f, 300);
    struct metrics_reader *whole = fixture_read(f), *reader = metrics_reader_open(f->dir);
    assert_non_null(reader);
    while (metrics_reader_step(reader, 100) == 1)
        steps++;
    assert_true(steps > 20);
    assert_int_equal(sum_of_counters(reader), sum_of_counters(whole));
    assert_int_equal(fixture_family(reader, &fixture_counter)->series_count, 300);

    /* In the next lap, what came meanwhile. */
    struct metrics *metrics = fixture_open(f);
    metrics_counter(metrics_declare(metrics, &fixture_counter), VALUES("late", ""));
    while (metrics_reader_step(reader, 100) == 1)
        ;
    assert_int_equal(fixture_family(reader, &fixture_counter)->series_count, 301);
    metrics_close(metrics);
    metrics_reader_close(whole);
    metrics_reader_close(reader);
}

/* Declared behind a lap that is under way, with series before it: nothing of that is damage. */
static void test_families_behind_the_lap(void **state)
{
    enum { FAMILIES = 16, SERIES = 16 };
    struct fixture *f = *state;
    struct metrics_file_header header;
    struct metrics_reader_info info;

    fill(f, 1);
    read_header(f, &header);
    struct metrics_reader *reader = metrics_reader_open(f->dir);
    assert_non_null(reader);
    assert_int_equal(metrics_reader_step(reader, header.index_size / 8 / 2), 1);

    struct metrics *metrics = fixture_open(f);
    char names[FAMILIES][32], value[32];
    struct metrics_family_def defs[FAMILIES];
    for (unsigned i = 0; i < FAMILIES; i++) {
        snprintf(names[i], sizeof(names[i]), "late_%u_total", i);
        defs[i] = fixture_counter;
        defs[i].name = names[i];
        struct metrics_family *family = metrics_declare(metrics, &defs[i]);
        for (unsigned k = 0; k < SERIES; k++) {
            snprintf(value, sizeof(value), "/%u", k);
            metrics_add(metrics_counter(family, VALUES("GET", value)), 1);
        }
    }
    assert_int_equal(metrics_reader_step(reader, header.index_size / 8 - header.index_size / 16),
                     0);
    metrics_reader_info(reader, &info);
    assert_int_equal(info.corrupt_records, 0);
    assert_int_equal(metrics_reader_refresh(reader), 0);
    metrics_reader_info(reader, &info);
    assert_int_equal(info.corrupt_records, 0);
    assert_int_equal(info.series_count, 1 + FAMILIES * SERIES);
    metrics_close(metrics);
    metrics_reader_close(reader);
}

/* Series of no family are damage, read once each, however many there are. */
static void test_crowd_of_orphans(void **state)
{
    struct fixture *f = *state;
    struct metrics_file_header header;
    struct metrics_reader_info info;

    fill(f, 10);
    read_header(f, &header);
    int fd = open(f->file, O_RDWR);
    struct {
        struct metrics_file_series series;
        char values[24];
    } orphan = {.series = {.record = {.type = METRICS_FILE_RECORD_SERIES, .length = sizeof(orphan)},
                           .family_offset = 8}};
    orphan.series.record.checksum = metrics_file_checksum(
        &orphan.series.family_offset, sizeof(orphan) - sizeof(orphan.series.record));
    const uint64_t at = header.arena_offset + header.arena_size - sizeof(orphan);
    poke(f->file, (off_t)at, &orphan, sizeof(orphan));
    unsigned crowd = 0;
    for (uint64_t i = 0; i < header.index_size / 8 && crowd < 3000; i++) {
        uint64_t word;

        assert_int_equal(pread(fd, &word, 8, (off_t)(header.index_offset + 8 * i)), 8);
        if (word != 0)
            continue;
        poke(f->file, (off_t)(header.index_offset + 8 * i), &at, 8);
        crowd++;
    }
    assert_int_equal(crowd, 3000);
    struct metrics_reader *reader = fixture_read(f);
    metrics_reader_info(reader, &info);
    assert_int_equal(info.corrupt_records, 3000);
    assert_int_equal(fixture_family(reader, &fixture_counter)->series_count, 10);
    metrics_reader_close(reader);
    close(fd);
}

/* Values so long that the room for records is over before the number of series is. */
static void test_records_without_room(void **state)
{
    enum { SERIES = 4000 };
    struct fixture *f = *state;
    char value[METRICS_LABEL_VALUE_MAX + 1];

    f->max_series = SERIES;
    struct metrics *metrics = fixture_open(f);
    struct metrics_family *family = metrics_declare(metrics, &fixture_counter);
    for (unsigned i = 0; i < SERIES; i++) {
        snprintf(value, sizeof(value), "%0*u", (int)sizeof(value) - 1, i);
        metrics_add(metrics_counter(family, VALUES(value, value)), 1);
    }
    metrics_close(metrics);

    struct metrics_reader_info info;
    struct metrics_reader *reader = fixture_read(f);
    metrics_reader_info(reader, &info);
    assert_int_equal(info.corrupt_records, 0);
    const uint64_t refused = info.refused[METRICS_REFUSED_NO_ROOM];
    assert_true(refused > 0 && refused < SERIES);
    assert_int_equal(fixture_family(reader, &fixture_counter)->series_count, SERIES - refused);
    assert_int_equal(sum_of_counters(reader), SERIES - refused);
    metrics_reader_close(reader);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_immoderate_headers),      TEST(test_reads_in_steps),
        TEST(test_families_behind_the_lap), TEST(test_crowd_of_orphans),
        TEST(test_records_without_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
