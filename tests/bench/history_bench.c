/*
 * What a look of view/history.h costs, beside the reader's refresh before it and the overview after
 * it.
 *
 * usage: history_bench fill DIR SERIES KIND    makes the metrics file of DIR, with that many series
 *                                              of KIND: other, or routes
 *        history_bench look DIR                times looks at it, by processor time
 */
#include "http/http_families.h"
#include "lib/base/clock.h"
#include "lib/metrics/metrics.h"
#include "tests/bench/measure.h"
#include "view/history.h"

#include <string.h>

static const struct metrics_family_def other_def = {
    .name = "other_total",
    .help = "Somebody else's.",
    .kind = METRICS_COUNTER,
    .labels = {"method", "path", "status"},
};

/* Routes are in both of our families, so half as many of them. */
static void fill(const char *dir, unsigned series, bool routes)
{
    struct metrics *const metrics = metrics_open(dir, 2 * series + 1024); /* histograms are large */
    struct metrics_family *const counters =
        metrics_declare(metrics, routes ? &http_families_table[HTTP_FAMILY_REQUESTS] : &other_def);
    struct metrics_family *const histograms =
        metrics_declare(metrics, &http_families_table[HTTP_FAMILY_LATENCY]);
    char path[32];

    for (unsigned i = 0; i < (routes ? series / 2 : series); i++) {
        (void)snprintf(path, sizeof path, "/path/%u", i);
        metrics_add(metrics_counter(counters, (const char *[]){"GET", path, "200"}), i);
        if (routes)
            metrics_observe(metrics_histogram(histograms, (const char *[]){"GET", path}), 0.01);
    }
    if (metrics_refusal(metrics) != NULL)
        die(metrics_refusal(metrics));
    metrics_close(metrics);
}

static void look(const char *dir)
{
    struct metrics_reader *const reader = metrics_reader_open(dir);
    struct history *const history = history_new();
    static struct overview overview;
    enum { LOOKS = 60 }; /* five minutes */
    double refresh[LOOKS], sample[LOOKS], view[LOOKS];

    if (reader == NULL || history == NULL || metrics_reader_refresh(reader) != 0)
        die("history_bench: the metrics file");
    for (int i = 0; i < LOOKS; i++) {
        const double begin = cpu_ns();

        (void)metrics_reader_refresh(reader);
        const double refreshed = cpu_ns();
        history_sample(history, reader, (uint64_t)(1 + i) * 5 * CLOCK_NS_PER_S, clock_unix_ns());
        const double sampled = cpu_ns();
        history_overview(history, 3600, &overview);
        refresh[i] = refreshed - begin;
        sample[i] = sampled - refreshed;
        view[i] = cpu_ns() - sampled;
    }
    report("refresh", median(refresh, LOOKS) / 1000, "us");
    report("sample", median(sample, LOOKS) / 1000, "us");
    report("overview", median(view, LOOKS) / 1000, "us");
    metrics_reader_close(reader);
    history_free(history);
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "fill") == 0)
        fill(argv[2], (unsigned)strtoul(argv[3], NULL, 10), strcmp(argv[4], "routes") == 0);
    else if (argc == 3 && strcmp(argv[1], "look") == 0)
        look(argv[2]);
    else
        return 2;
    return 0;
}
