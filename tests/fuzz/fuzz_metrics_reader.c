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
#include "tests/fuzz/metrics_image.h"

#include <stdio.h>
#include <string.h>
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
        make_image(SERIES, use);
    unsigned char *file = map_image();
    restore(file);
    change(file, data + 1, size - 1);
    if (data[0] & MEND_RECORDS)
        mend_records(file);
    if (data[0] & MEND_HEADER)
        mend_header(file);
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
