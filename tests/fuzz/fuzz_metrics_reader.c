/*
 * A metrics file with any bytes changed, its checksums mended or not, cut off or not: what a reader
 * makes of it is a whole answer or none, and a writer counts on without a fault.
 *
 * The input is a byte of flags, then changes: region, offset (2 bytes), length, bytes.
 */
#include "lib/base/utf8.h"
#include "lib/metrics/exposition.h"
#include "lib/metrics/file.h"
#include "lib/metrics/metrics.h"
#include "lib/metrics/reader.h"
#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MEND_HEADER = 1,
    MEND_RECORDS = 2,
    WRITE = 4,
    CUT = 8,
    SERIES = 16,
};

const struct fuzz_seed fuzz_seeds[] = {
    FUZZ_SEED("\x07"),
    FUZZ_SEED("\x01\0\x08\0\x01\x02"),
    FUZZ_SEED("\x03\x03\x10\0\x04\x04\x00\x00\x00"),
    FUZZ_SEED("\x06\x03\x14\0\x04\x08\x00\x40\x00\x03\x18\0\x08\0\0\0\0\0\0\xf0\x7f"),
    FUZZ_SEED("\x07\x02\0\0\x08\xff\xff\xff\xff\xff\xff\xff\xff\x04\0\0\x08\1\1\1\1\1\1\1\1"),
    FUZZ_SEED("\x07\0\x68\0\x08\0\0\0\0\0\0\x01\0\x05\0\0\x10\1\2\3\4\5\6\7\x08\x09\1\2\3\4\5\6\7"),
    FUZZ_SEED("\x0f\x01\0\0\x08\1\0\0\0\0\0\0\0"),
    {NULL, 0},
};

static const double bounds[] = {0.5, 1};
static const struct metrics_family_def families[] = {
    {.name = "fuzz_requests_total",
     .help = "A \"b\"\\\n.",
     .kind = METRICS_COUNTER,
     .labels = {"a", "b"}},
    {.name = "fuzz_value_bytes", .help = "", .unit = "bytes", .kind = METRICS_GAUGE},
    {.name = "fuzz_live", .help = "Live.", .kind = METRICS_LIVE_GAUGE, .labels = {"a"}},
    {.name = "fuzz_seconds",
     .help = "Time.",
     .unit = "seconds",
     .kind = METRICS_HISTOGRAM,
     .labels = {"a"},
     .bounds = bounds,
     .bound_count = 2},
};

static char dir[] = "/dev/shm/fuzz-metrics.XXXXXX";
static char path[sizeof(dir) + sizeof(METRICS_FILE_NAME)];
static unsigned char *image; /* the file as it was */
static size_t image_size;
static struct metrics_file_header plan;

static void use(struct metrics *metrics)
{
    const struct trace_id trace = {{1}};
    const struct span_id span = {{2}};
    const char *const labels[] = {"x", "y"};

    metrics_add(metrics_counter(metrics_declare(metrics, &families[0]), labels), 1);
    metrics_gauge_set(metrics_gauge(metrics_declare(metrics, &families[1]), NULL), 2.5);
    metrics_live_gauge_set(metrics_live_gauge(metrics_declare(metrics, &families[2]), labels), 1);
    metrics_observe_exemplar(metrics_histogram(metrics_declare(metrics, &families[3]), labels), 0.7,
                             &trace, &span, 1700000000000000000u);
    metrics_observe(metrics_histogram(metrics_declare(metrics, &families[3]), labels + 1), 2);
}

static void clean_up(void)
{
    unlink(path);
    rmdir(dir);
}

static void make_image(void)
{
    struct stat st;

    assert(mkdtemp(dir) != NULL && atexit(clean_up) == 0);
    snprintf(path, sizeof(path), "%s/" METRICS_FILE_NAME, dir);
    struct metrics *metrics = metrics_open(dir, SERIES);
    assert(metrics != NULL && metrics_problem(metrics) == NULL);
    use(metrics);
    metrics_close(metrics);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert(fd >= 0 && fstat(fd, &st) == 0);
    image_size = (size_t)st.st_size;
    image = malloc(image_size);
    assert(image != NULL && read(fd, image, image_size) == st.st_size);
    close(fd);
    memcpy(&plan, image, sizeof(plan));
}

/* Only the pages that the runs change: all of the file takes a hundred times as long. */
static void restore(unsigned char *file)
{
    for (size_t at = 0; at < image_size; at += 4096) {
        if (memcmp(file + at, image + at, 4096) != 0)
            memcpy(file + at, image + at, 4096);
    }
}

static void change(unsigned char *file, const uint8_t *data, size_t size)
{
    const uint64_t regions[] = {0,
                                plan.slots_offset,
                                plan.index_offset,
                                plan.arena_offset,
                                plan.cells_offset,
                                plan.exemplars_offset};

    for (size_t i = 0; i + 4 <= size;) {
        size_t offset = regions[data[i] % 6] + data[i + 1] + 256u * data[i + 2];
        size_t len = data[i + 3];
        i += 4;
        if (len > size - i)
            len = size - i;
        memcpy(file + offset, data + i, len);
        i += len;
    }
}

/* Damage that no checksum shows: what a hostile or faulty writer would leave. */
static void mend_records(unsigned char *file)
{
    unsigned char *arena = file + plan.arena_offset;

    for (size_t at = 0; at + 16 <= 8192;) {
        struct metrics_file_record record;
        memcpy(&record, arena + at, sizeof(record));
        if (record.length < sizeof(record) || record.length % 8 != 0 || record.length > 4096)
            return;
        record.checksum = metrics_file_checksum(arena + at + 16, record.length - 16);
        memcpy(arena + at, &record, sizeof(record));
        at += record.length;
    }
}

static void check_text(const struct exposition *out)
{
    assert(out->len > 6 && memcmp(out->text + out->len - 6, "# EOF\n", 6) == 0);
    assert(memchr(out->text, '\0', out->len) == NULL);
    assert(utf8_valid(out->text, out->len));
}

static void check_exemplars(const struct metrics_reader *reader)
{
    size_t count;
    struct metrics_reader_family *const *all = metrics_reader_families(reader, &count);
    struct metrics_reader_exemplar exemplar;

    for (size_t f = 0; f < count; f++) {
        assert(f == 0 || strcmp(all[f - 1]->name, all[f]->name) < 0);
        for (size_t s = 0; all[f]->kind == METRICS_HISTOGRAM && s < all[f]->series_count; s++) {
            for (size_t b = 0; b <= all[f]->bound_count; b++) {
                if (metrics_reader_exemplar(reader, all[f], all[f]->series[s], b, &exemplar))
                    assert((b == all[f]->bound_count || exemplar.value <= all[f]->bounds[b]) &&
                           (b == 0 || exemplar.value > all[f]->bounds[b - 1]));
            }
        }
    }
}

static void read_file(bool cut)
{
    struct metrics_reader *reader = metrics_reader_open(dir);
    struct exposition out;

    assert(reader != NULL);
    exposition_begin(&out, EXPOSITION_OPENMETRICS);
    if (metrics_reader_refresh(reader) == 0) {
        if (cut)
            assert(truncate(path, 4096) == 0);
        else
            check_exemplars(reader);
        exposition_reader(&out, reader);
        if (exposition_end(&out) == 0)
            check_text(&out);
        else
            assert(metrics_reader_lost(reader));
        if (cut)
            assert(metrics_reader_refresh(reader) < 0);
    } else {
        assert(metrics_reader_problem(reader) != NULL);
    }
    exposition_free(&out);
    metrics_reader_close(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (image == NULL)
        make_image();
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert(fd >= 0 && ftruncate(fd, (off_t)image_size) == 0);
    unsigned char *file = mmap(NULL, image_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert(file != MAP_FAILED);
    close(fd);
    restore(file);
    change(file, data + 1, size - 1);
    if (data[0] & MEND_RECORDS)
        mend_records(file);
    if (data[0] & MEND_HEADER) {
        struct metrics_file_header *header = (void *)file;
        header->checksum =
            metrics_file_checksum(header, offsetof(struct metrics_file_header, checksum));
    }
    if (data[0] & WRITE) {
        struct metrics *metrics = metrics_open(dir, 0);
        assert(metrics != NULL);
        use(metrics);
        metrics_close(metrics);
    }
    munmap(file, image_size);
    read_file(data[0] & CUT);
    return 0;
}
