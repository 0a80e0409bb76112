/*
 * Goal: a reader tells what is in the file, in a stable order, and survives everything that can
 * happen to it: replaced, truncated, foreign, newer, damaged in any byte.
 */
#include "tests/unit/metrics_fixture.h"

#include <stdbool.h>

static uint64_t random_state = 88172645463325252u;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* A file with something of each kind. */
static void fill(const struct fixture *f, unsigned series)
{
    struct metrics *metrics = fixture_open(f);
    struct trace_id trace = {{1}};
    struct span_id span = {{2}};
    char value[32];

    for (unsigned i = 0; i < series; i++) {
        snprintf(value, sizeof(value), "/%u", i);
        metrics_add(metrics_counter(metrics_declare(metrics, &fixture_counter),
                                    VALUES(i % 2 == 0 ? "GET" : "POST", value)),
                    i);
        metrics_observe_exemplar(
            metrics_histogram(metrics_declare(metrics, &fixture_histogram), VALUES(value)),
            0.01 * i, &trace, &span, i);
    }
    metrics_gauge_set(metrics_gauge(metrics_declare(metrics, &fixture_gauge), NULL), 1.5);
    metrics_live_gauge_set(metrics_live_gauge(metrics_declare(metrics, &fixture_live), NULL), 2);
    metrics_close(metrics);
}

/* Reads everything there is; the sanitizers watch. */
static uint64_t read_all(struct metrics_reader *reader)
{
    size_t count;
    uint64_t sum = 0;
    struct metrics_reader_family *const *families = metrics_reader_families(reader, &count);

    for (size_t i = 0; i < count; i++) {
        const struct metrics_reader_family *family = families[i];
        if (i > 0)
            assert_true(strcmp(families[i - 1]->name, family->name) < 0);
        for (size_t k = 0; k < family->series_count; k++) {
            const struct metrics_reader_series *series = family->series[k];
            struct metrics_reader_histogram histogram;
            struct metrics_reader_exemplar exemplar;
            sum += series->label_text_len;
            for (size_t l = 0; l < family->label_count; l++)
                sum += strlen(series->values[l]);
            switch (family->kind) {
            case METRICS_COUNTER:
                sum += metrics_reader_counter(reader, series);
                break;
            case METRICS_GAUGE:
                sum += metrics_reader_gauge(reader, series) > 0;
                break;
            case METRICS_LIVE_GAUGE:
                sum += (uint64_t)metrics_reader_live_gauge(reader, series);
                break;
            case METRICS_HISTOGRAM:
                metrics_reader_histogram(reader, family, series, &histogram);
                sum += histogram.count;
                for (size_t b = 0; b <= family->bound_count; b++)
                    sum += metrics_reader_exemplar(reader, family, series, b, &exemplar);
                break;
            }
        }
    }
    return sum;
}

static void test_order_and_labels(void **state)
{
    struct fixture *f = *state;
    struct metrics *metrics = fixture_open(f);
    static const char *const expected[][2] = {
        {"", "z"}, {"A", "a"}, {"A", "ab"}, {"B", ""}, {"B", "a\\\"\nb"}};

    for (size_t i = 0; i < 5; i++)
        metrics_counter(metrics_declare(metrics, &fixture_counter), expected[(i * 3) % 5]);
    metrics_declare(metrics, &fixture_gauge);
    struct metrics_reader *reader = fixture_read(f);
    size_t count;
    assert_string_equal(metrics_reader_families(reader, &count)[0]->name, "test_requests_total");
    assert_int_equal(count, 2);
    const struct metrics_reader_family *family = fixture_family(reader, &fixture_counter);
    assert_string_equal(family->help, "Requests.");
    assert_string_equal(family->unit, "");
    assert_int_equal(family->label_count, 2);
    assert_string_equal(family->labels[1], "path");
    assert_int_equal(family->series_count, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_string_equal(family->series[i]->values[0], expected[i][0]);
        assert_string_equal(family->series[i]->values[1], expected[i][1]);
    }
    static const char text[] = "method=\"B\",path=\"a\\\\\\\"\\nb\"";
    assert_int_equal(family->series[4]->label_text_len, strlen(text));
    assert_memory_equal(family->series[4]->label_text, text, strlen(text));
    assert_string_equal(fixture_family(reader, &fixture_gauge)->unit, "celsius");
    assert_null(metrics_reader_find_family(reader, "test_requests", 13));

    /* New ones turn up at the next refresh, and only then. */
    metrics_counter(metrics_declare(metrics, &fixture_counter), VALUES("AA", ""));
    assert_int_equal(family->series_count, 5);
    assert_int_equal(metrics_reader_refresh(reader), 0);
    family = fixture_family(reader, &fixture_counter);
    assert_int_equal(family->series_count, 6);
    assert_string_equal(family->series[3]->values[0], "AA");
    metrics_reader_close(reader);
    metrics_close(metrics);
}

static void check_state(struct metrics_reader *reader, enum metrics_file_state state)
{
    size_t count;

    assert_int_equal(metrics_reader_refresh(reader), state == METRICS_FILE_OK ? 0 : -1);
    assert_int_equal(metrics_reader_state(reader), state);
    assert_true((metrics_reader_problem(reader) == NULL) == (state == METRICS_FILE_OK));
    metrics_reader_families(reader, &count);
    if (state != METRICS_FILE_OK)
        assert_int_equal(count, 0);
}

static void poke(const char *path, off_t offset, const void *bytes, size_t len)
{
    int fd = open(path, O_WRONLY);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, len, offset), len);
    close(fd);
}

static void test_finds_what_becomes_of_the_file(void **state)
{
    struct fixture *f = *state;
    struct metrics_reader *reader = metrics_reader_open(f->dir);
    char moved[400];

    snprintf(moved, sizeof(moved), "%s/moved", f->dir);
    assert_non_null(reader);
    check_state(reader, METRICS_FILE_MISSING);
    fill(f, 10);
    check_state(reader, METRICS_FILE_OK);
    assert_true(read_all(reader) > 0);

    /* Replaced. */
    assert_int_equal(rename(f->file, moved), 0);
    check_state(reader, METRICS_FILE_MISSING);
    fill(f, 3);
    check_state(reader, METRICS_FILE_OK);
    assert_int_equal(fixture_family(reader, &fixture_counter)->series_count, 3);
    assert_int_equal(rename(moved, f->file), 0);
    check_state(reader, METRICS_FILE_OK);
    assert_int_equal(fixture_family(reader, &fixture_counter)->series_count, 10);

    /* Newer, in place, and mended. */
    uint32_t version = 2;
    poke(f->file, offsetof(struct metrics_file_header, version), &version, sizeof(version));
    check_state(reader, METRICS_FILE_NEWER);
    version = METRICS_FILE_VERSION;
    poke(f->file, offsetof(struct metrics_file_header, version), &version, sizeof(version));
    check_state(reader, METRICS_FILE_OK);
    poke(f->file, 0, "NOTMETRI", 8);
    check_state(reader, METRICS_FILE_FOREIGN);
    poke(f->file, 0, METRICS_FILE_MAGIC, 8);
    check_state(reader, METRICS_FILE_OK);

    /* Truncated to every kind of length. */
    static const off_t lengths[] = {8 << 20, 65536 * 3 + 17, 65536, 4096, 100, 11, 0};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        assert_int_equal(truncate(f->file, lengths[i]), 0);
        check_state(reader, lengths[i] >= 12 ? METRICS_FILE_TRUNCATED : METRICS_FILE_FOREIGN);
    }
    assert_int_equal(unlink(f->file), 0);
    fill(f, 4);
    check_state(reader, METRICS_FILE_OK);
    assert_int_equal(fixture_family(reader, &fixture_counter)->series_count, 4);
    metrics_reader_close(reader);
}

/* The file shrinks between the refresh and the reading of the values. */
static void test_truncation_while_reading(void **state)
{
    struct fixture *f = *state;

    fill(f, 100);
    struct metrics_reader *reader = fixture_read(f);
    assert_false(metrics_reader_lost(reader));
    assert_int_equal(truncate(f->file, 0), 0);
    read_all(reader);
    assert_true(metrics_reader_lost(reader));
    check_state(reader, METRICS_FILE_FOREIGN);
    metrics_reader_close(reader);
}

/* Any damage to the constant header is noticed by the check, whichever byte it is. */
static void test_every_header_byte(void **state)
{
    struct metrics_file_header header = {0};
    uint64_t size = metrics_file_plan(&header, 1000);

    (void)state;
    assert_int_equal(metrics_file_check(&header, size), METRICS_FILE_OK);
    assert_int_equal(metrics_file_check(&header, size + 1), METRICS_FILE_OK);
    assert_int_equal(metrics_file_check(&header, size - 1), METRICS_FILE_TRUNCATED);
    for (size_t i = 0; i < offsetof(struct metrics_file_header, arena_tail); i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            struct metrics_file_header damaged = header;
            ((unsigned char *)&damaged)[i] ^= (unsigned char)(1u << bit);
            assert_int_not_equal(metrics_file_check(&damaged, size), METRICS_FILE_OK);
        }
    }
}

static void reseal(struct metrics_file_header *header)
{
    header->checksum =
        metrics_file_checksum(header, offsetof(struct metrics_file_header, checksum));
}

/* Values that lie, under a checksum that is right. */
static void test_lying_headers(void **state)
{
    static const uint64_t lies[] = {0,          1,          7,          4096,
                                    65536,      65537,      1ull << 31, (1ull << 32) - 1,
                                    1ull << 39, 1ull << 40, 1ull << 63, UINT64_MAX - 7};
    struct metrics_file_header good = {0};
    uint64_t size = metrics_file_plan(&good, 1000);
    static const size_t fields[] = {
        offsetof(struct metrics_file_header, header_size),
        offsetof(struct metrics_file_header, slots_offset),
        offsetof(struct metrics_file_header, slots_size),
        offsetof(struct metrics_file_header, index_offset),
        offsetof(struct metrics_file_header, index_size),
        offsetof(struct metrics_file_header, arena_offset),
        offsetof(struct metrics_file_header, arena_size),
        offsetof(struct metrics_file_header, cells_offset),
        offsetof(struct metrics_file_header, stripe_size),
        offsetof(struct metrics_file_header, exemplars_offset),
        offsetof(struct metrics_file_header, exemplars_size),
    };

    (void)state;
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        for (size_t k = 0; k < sizeof(lies) / sizeof(lies[0]); k++) {
            struct metrics_file_header bad = good;
            memcpy((char *)&bad + fields[i], &lies[k], 8);
            reseal(&bad);
            if (metrics_file_check(&bad, size) != METRICS_FILE_OK)
                continue;
            /* What passes has to lie inside the file. */
            assert_true(bad.slots_offset + bad.slots_size <= size);
            assert_true(bad.index_offset + bad.index_size <= size);
            assert_true(bad.arena_offset + bad.arena_size <= size);
            assert_true(bad.cells_offset + bad.stripe_size * bad.stripe_count <= size);
            assert_true(bad.exemplars_offset + bad.exemplars_size <= size);
            assert_true(bad.header_size >= sizeof(bad));
        }
    }
    static const size_t small[] = {
        offsetof(struct metrics_file_header, stripe_count),
        offsetof(struct metrics_file_header, slot_count),
        offsetof(struct metrics_file_header, slot_size),
        offsetof(struct metrics_file_header, live_gauge_max),
    };
    for (size_t i = 0; i < sizeof(small) / sizeof(small[0]); i++) {
        for (uint32_t bit = 0; bit < 32; bit++) {
            struct metrics_file_header bad = good;
            uint32_t value = 1u << bit;
            memcpy((char *)&bad + small[i], &value, 4);
            reseal(&bad);
            if (memcmp(&bad, &good, sizeof(bad)) != 0 &&
                metrics_file_check(&bad, size) == METRICS_FILE_OK) {
                assert_int_equal(small[i], offsetof(struct metrics_file_header, stripe_count));
                assert_in_range(bad.stripe_count, 1, METRICS_FILE_STRIPES);
            }
        }
    }
}

static void copy_bytes(int from, int to, size_t size)
{
    static char buf[1 << 20];

    for (size_t at = 0; at < size; at += sizeof(buf)) {
        ssize_t n = pread(from, buf, sizeof(buf), (off_t)at);
        assert_true(n > 0);
        assert_int_equal(pwrite(to, buf, (size_t)n, (off_t)at), n);
    }
}

/*
 * Random bytes change all over the parts in use, under a reader that has the file mapped already
 * and under a new one; then a writer goes on with what is left.
 */
static void test_random_damage(void **state)
{
    enum { ROUNDS = 150, FLIPS = 40 };
    struct fixture *f = *state;
    struct metrics_file_header header;
    char whole[400];

    f->max_series = 64;
    fill(f, 30);
    snprintf(whole, sizeof(whole), "%s/whole", f->dir);
    int fd = open(f->file, O_RDWR), copy = open(whole, O_RDWR | O_CREAT, 0600);
    assert_int_equal(pread(fd, &header, sizeof(header), 0), sizeof(header));
    copy_bytes(fd, copy, header.file_size);
    uint64_t used = header.arena_tail.word;

    for (int round = 0; round < ROUNDS; round++) {
        struct metrics_reader *old = fixture_read(f);
        for (int i = 0; i < FLIPS; i++) {
            uint64_t r = next_random();
            /* A third each: words of the index, the records, anywhere behind the constants. */
            uint64_t at = i % 3 == 0   ? header.index_offset + r % header.index_size
                          : i % 3 == 1 ? header.arena_offset + r % used
                                       : 192 + r % (header.file_size - 192);
            unsigned char byte = (unsigned char)(next_random() >> 20);
            poke(f->file, (off_t)at, &byte, 1);
        }
        assert_int_equal(metrics_reader_refresh(old), 0);
        read_all(old);
        metrics_reader_close(old);
        struct metrics_reader *fresh = fixture_read(f);
        struct metrics_reader_info info;
        read_all(fresh);
        metrics_reader_info(fresh, &info);
        assert_true(info.corrupt_records > 0 || info.series_count > 0);
        metrics_reader_close(fresh);
        fill(f, 40);
        copy_bytes(copy, fd, header.file_size);
    }
    close(fd);
    close(copy);
}

/* One damaged record costs its own series and is counted; the others are read. */
static void test_one_damaged_record(void **state)
{
    struct fixture *f = *state;
    struct metrics_reader_info info;

    fill(f, 10);
    struct metrics_reader *reader = fixture_read(f);
    uint64_t offset = fixture_family(reader, &fixture_counter)->series[4]->record_offset;
    poke(f->file, (off_t)offset + 24, "\xff", 1);
    assert_int_equal(metrics_reader_refresh(reader), 0);
    assert_int_equal(fixture_family(reader, &fixture_counter)->series_count, 10);
    metrics_reader_close(reader);

    reader = fixture_read(f);
    metrics_reader_info(reader, &info);
    assert_int_equal(info.corrupt_records, 1);
    assert_int_equal(fixture_family(reader, &fixture_counter)->series_count, 9);
    assert_int_equal(fixture_family(reader, &fixture_histogram)->series_count, 10);
    /* Again and again, and not counted twice. */
    assert_int_equal(metrics_reader_refresh(reader), 0);
    metrics_reader_info(reader, &info);
    assert_int_equal(info.corrupt_records, 1);
    metrics_reader_close(reader);
}

static void test_exemplar_outside_its_bucket(void **state)
{
    struct fixture *f = *state;
    struct metrics *metrics = fixture_open(f);
    struct metrics_histogram *h =
        metrics_histogram(metrics_declare(metrics, &fixture_histogram), VALUES("/"));
    struct trace_id trace = {{1}};
    struct span_id span = {{2}};
    struct metrics_reader_exemplar exemplar;

    metrics_observe_exemplar(h, 0.3, &trace, &span, 1);
    h->exemplars[2] = h->exemplars[1];
    struct metrics_reader *reader = fixture_read(f);
    const struct metrics_reader_family *family = fixture_family(reader, &fixture_histogram);
    assert_true(metrics_reader_exemplar(reader, family, family->series[0], 1, &exemplar));
    assert_false(metrics_reader_exemplar(reader, family, family->series[0], 2, &exemplar));
    metrics_reader_close(reader);
    metrics_close(metrics);
}

/*
 * By the hash of docs/metrics-file.md these names have the same tag and, in a small file, the same
 * bucket: only the names themselves tell them apart.
 */
static void test_names_with_one_index_word_are_told_apart(void **state)
{
    static const struct metrics_family_def defs[] = {
        {.name = "test_496951_total", .help = "x", .kind = METRICS_COUNTER},
        {.name = "test_502291_total", .help = "x", .kind = METRICS_COUNTER},
    };
    struct fixture *f = *state;

    f->max_series = 100;
    for (int owner = 0; owner < 2; owner++) {
        struct metrics *metrics = fixture_open(f);

        for (unsigned i = 0; i < 2; i++)
            metrics_add(metrics_counter(metrics_declare(metrics, &defs[i]), NULL), 1 + i);
        metrics_close(metrics);
    }
    struct metrics_reader *reader = fixture_read(f);
    for (unsigned i = 0; i < 2; i++) {
        const struct metrics_reader_series *series = fixture_series(reader, &defs[i], NULL);

        assert_non_null(series);
        assert_int_equal(metrics_reader_counter(reader, series), 2 * (1 + i));
    }
    metrics_reader_close(reader);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_order_and_labels),
        TEST(test_finds_what_becomes_of_the_file),
        TEST(test_truncation_while_reading),
        TEST(test_every_header_byte),
        TEST(test_lying_headers),
        TEST(test_random_damage),
        TEST(test_one_damaged_record),
        TEST(test_exemplar_outside_its_bucket),
        TEST(test_names_with_one_index_word_are_told_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
