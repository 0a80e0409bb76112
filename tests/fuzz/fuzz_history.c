/*
 * Looks at a metrics file whose bytes change between them, at any times: the history never reads
 * beyond its tables, no rate and no count is below zero, and every text ends.
 *
 * The input is a byte of flags, then changes as tests/fuzz/metrics_image.h has them; each part of
 * up to 32 bytes of them comes before another look.
 */
#include "lib/families.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/metrics_image.h"
#include "view/history.h"

#include <math.h>

enum { MEND_HEADER = 1, MEND_RECORDS = 2, SERIES = 64, PART = 32 };

const struct fuzz_seed fuzz_seeds[] = {
    FUZZ_SEED("\x03"),
    FUZZ_SEED("\x03\x04\0\0\x08\xff\xff\xff\xff\xff\xff\xff\xff\x04\x08\0\x08\1\1\1\1\1\1\1\1"),
    FUZZ_SEED("\x02\x03\x10\0\x04\x04\x00\x00\x00\x03\x18\x01\x08\0\0\0\0\0\0\xf0\x7f"),
    FUZZ_SEED("\x03\x01\0\0\x10\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0"),
    FUZZ_SEED("\x01\0\x58\x02\x08\xff\0\0\0\0\0\0\0"),
    {NULL, 0},
};

static const double run_bounds[] = {1, 10};
static const struct metrics_family_def defs[] = {
    {.name = "requests_total",
     .help = "r",
     .kind = METRICS_COUNTER,
     .labels = {"method", "path", "status"}},
    {.name = "request_latency_seconds",
     .help = "l",
     .unit = "seconds",
     .kind = METRICS_HISTOGRAM,
     .labels = {"method", "path"},
     .bounds = families_latency_bounds,
     .bound_count = FAMILIES_LATENCY_BOUNDS},
    {.name = "errors_total",
     .help = "e",
     .kind = METRICS_COUNTER,
     .labels = {"method", "path", "exception"}},
    {.name = "microtrace_workers", .help = "w", .kind = METRICS_LIVE_GAUGE, .labels = {"state"}},
    {.name = "microtrace_program_workers",
     .help = "w",
     .kind = METRICS_LIVE_GAUGE,
     .labels = {"program", "state"}},
    {.name = "program_runs_total",
     .help = "p",
     .kind = METRICS_COUNTER,
     .labels = {"program", "outcome"}},
    {.name = "program_run_seconds",
     .help = "p",
     .unit = "seconds",
     .kind = METRICS_HISTOGRAM,
     .labels = {"program"},
     .bounds = run_bounds,
     .bound_count = 2},
};

static void use(struct metrics *metrics)
{
    const char *const route[] = {"GET", "/a", "500"}, *const error[] = {"GET", "/a", "broken"},
                      *const program[] = {"shop", "busy"}, *const run[] = {"backup", "failure"};
    struct metrics_family *families[sizeof defs / sizeof defs[0]];

    for (size_t i = 0; i < sizeof defs / sizeof defs[0]; i++)
        families[i] = metrics_declare(metrics, &defs[i]);
    metrics_add(metrics_counter(families[0], route), 3);
    metrics_observe(metrics_histogram(families[1], route), 0.02);
    metrics_add(metrics_counter(families[2], error), 3);
    metrics_live_gauge_set(metrics_live_gauge(families[3], program + 1), 1);
    metrics_live_gauge_set(metrics_live_gauge(families[4], program), 1);
    metrics_add(metrics_counter(families[5], run), 2);
    metrics_observe(metrics_histogram(families[6], run), 5);
    metrics_gauge_set(metrics_gauge(metrics_declare(metrics, &families_table[FAMILY_SPOOL_BYTES]),
                                    (const char *const[]){"traces"}),
                      4096);
}

static void check_line(const struct overview_line *line)
{
    for (int i = 0; i < OVERVIEW_POINTS; i++)
        assert(isnan(line->points[i]) || line->points[i] >= 0);
}

static void check_name(const char name[OVERVIEW_NAME_MAX])
{
    assert(memchr(name, '\0', OVERVIEW_NAME_MAX) != NULL);
}

static void check(const struct history *history, unsigned range_s)
{
    static struct overview o;

    history_overview(history, range_s, &o);
    assert(o.known_s <= o.range_s && o.requests >= 0 && o.server_errors >= 0 && o.died >= 0);
    assert(isnan(o.rate) || o.rate >= 0);
    assert(o.route_count <= OVERVIEW_ROUTES_MAX && o.error_count <= OVERVIEW_ERRORS_MAX &&
           o.program_count <= OVERVIEW_PROGRAMS_MAX && o.drop_count <= OVERVIEW_DROPS_MAX &&
           o.process_count <= OVERVIEW_PROCESSES_MAX);
    check_line(&o.rates);
    check_line(&o.p99s);
    check_line(&o.deaths);
    for (size_t i = 0; i < o.route_count; i++) {
        check_name(o.routes[i].path);
        check_line(&o.routes[i].rates);
        assert(isnan(o.routes[i].rate) || o.routes[i].rate >= 0);
    }
    for (size_t i = 0; i < o.error_count; i++)
        check_name(o.errors[i].kind);
    for (size_t i = 0; i < o.program_count; i++)
        check_name(o.programs[i].name);
    for (size_t i = 0; i < o.process_count; i++)
        check_name(o.processes[i].name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned ranges_s[] = {300, 900, 3600};
    struct metrics_reader *reader;
    struct history *history;
    unsigned char *file;
    uint64_t now_ns = UINT64_C(1) << 40;

    if (size == 0)
        return 0;
    if (image == NULL)
        make_image(SERIES, use);
    file = map_image();
    restore(file);
    reader = metrics_reader_open(dir);
    history = history_new();
    assert(reader != NULL && history != NULL);
    for (size_t at = 1;; at += PART) {
        const size_t rest = at < size ? size - at : 0;

        (void)metrics_reader_refresh(reader);
        history_sample(history, reader, now_ns, 1);
        /* Up to three hours on, or back. */
        now_ns += rest > 0 ? ((uint64_t)data[at] * data[at] + 1) * 160000000u : 0;
        if (rest > 1 && data[at + 1] == 0xff)
            now_ns -= UINT64_C(1) << 35;
        if (rest == 0)
            break;
        change(file, data + at, rest < PART ? rest : PART);
        if (data[0] & MEND_RECORDS)
            mend_records(file);
        if (data[0] & MEND_HEADER)
            mend_header(file);
    }
    munmap(file, image_size);
    check(history, ranges_s[data[0] / 4 % 3]);
    history_free(history);
    metrics_reader_close(reader);
    return 0;
}
