/*
 * Appends spans or log lines to a spool as the analyze processes do, for tests of the agent:
 *
 *     spool_write [OPTION]... DIR traces|logs NAME COUNT [BATCH [PAUSE_US [once]]]
 *
 * Options: -s SERVICE, -v VERSION, whose records they are; -r RUN-DIR, to keep tallies there, as
 * programs do; -m RUN-DIR, to write to the tier in memory, where there is one, -l BYTES (4 MiB) of
 * each file there; -k N, to be killed behind append number N, before that is in the tally.
 *
 * The records are those of the service microtrace, or SERVICE. Record number i of COUNT is named
 * NAME-i (span name, or the log field `id`). BATCH records go by one append, with PAUSE_US after
 * it; `once` opens the spool anew for each append, as a CGI does. Every append that succeeded
 * prints the names of its records, one a line, before the next begins; records that were lost are
 * counted on stderr. SIGTERM ends it between two appends. Exit 0 unless the arguments are wrong.
 */
#include "lib/base/clock.h"
#include "lib/metrics/words.h"
#include "lib/spool/writer.h"
#include "lib/telemetry.h"
#include "lib/trace/log.h"
#include "lib/trace/span.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    BUFFER_SIZE = 1 << 20,
    NAME_SIZE = 128,
    BATCH_MAX = 500,
};

static const struct sampler always = {.root = SAMPLER_ALWAYS_ON};
static struct scope scope;

static struct resource resource;
static volatile sig_atomic_t told_to_end;
static const char *run_dir, *memory_dir;
static unsigned long memory_limit = 4 << 20;
static unsigned long killed_at;

static void end(int signal)
{
    told_to_end = signal;
}

static void write_span(struct json_writer *w, const char *name)
{
    struct span root, span;

    span_begin(&root, "POST /analyze", SPAN_SERVER, NULL, false, &always);
    span_begin_child(&span, name, SPAN_INTERNAL, &root);
    span_set(&span, attribute_string("id", name));
    span_set(&span, attribute_double("worker.input_a", 10.5));
    span_set(&span, attribute_double("worker.input_b", 3.5));
    span_set(&span, attribute_bool("worker.chaos_enabled", false));
    span_set(&span, attribute_int("worker.chaos_delay_ms", 0));
    span_set(&span, attribute_string("http.request.method", "POST"));
    span_set(&span, attribute_string("user_agent.original", "curl/7.88.1 \"quoted\" \\ \u00fc"));
    span_end(&span);
    span_write(&span, &resource, &scope, w);
}

static void write_log(struct json_writer *w, const char *name)
{
    static const char *const loggers[] = {"microtrace.request", "microtrace.api"};
    static unsigned turn;
    struct span span;
    const struct attribute fields[] = {
        attribute_string("id", name), attribute_string("method", "POST"),
        attribute_int("status_code", 200), attribute_double("elapsed_ms", 0.25),
        attribute_json("errors", "[{\"type\":\"x\"}]", 14)};

    span_begin(&span, "s", SPAN_SERVER, NULL, false, &always);
    log_write(w, clock_unix_ns(), LOG_LEVEL_INFO, loggers[turn++ % 2], "request_completed",
              &(struct log_context){.request_id = name, .trace = &span.context}, fields,
              sizeof fields / sizeof fields[0], &resource);
}

/* Reads the options. Returns the index of the first argument after them, or -1. */
static int describe(int argc, char **argv)
{
    struct resource_service service = {"microtrace", MICROTRACE_VERSION, NULL};
    int option;

    while ((option = getopt(argc, argv, "s:v:r:m:l:k:")) != -1) {
        if (option == 's')
            service.name = optarg;
        else if (option == 'v')
            service.version = optarg;
        else if (option == 'r')
            run_dir = optarg;
        else if (option == 'm')
            memory_dir = optarg;
        else if (option == 'l')
            memory_limit = strtoul(optarg, NULL, 10);
        else if (option == 'k')
            killed_at = strtoul(optarg, NULL, 10);
        else
            return -1;
    }
    scope_init(&scope, service.name, service.version, NULL);
    (void)resource_init(&resource, &service, NULL, NULL, "00000000-0000-4000-8000-000000000000");
    return optind;
}

int main(int argc, char **argv)
{
    static char buffer[BUFFER_SIZE];
    static struct spool_writer spool;
    struct metrics *metrics = NULL;
    unsigned long count, batch, pause_us, i = 0, k, appends = 0;
    unsigned long long lost_total = 0;
    int logs, once;
    const int options = describe(argc, argv) - 1;

    argc -= options;
    argv += options;
    if (options < 0 || argc < 5 || argc > 8) {
        (void)fputs("usage: spool_write [OPTION]... DIR traces|logs NAME COUNT "
                    "[BATCH [PAUSE_US [once]]]\n",
                    stderr);
        return 2;
    }
    logs = strcmp(argv[2], "logs") == 0;
    count = strtoul(argv[4], NULL, 10);
    batch = argc > 5 ? strtoul(argv[5], NULL, 10) : 1;
    pause_us = argc > 6 ? strtoul(argv[6], NULL, 10) : 0;
    once = argc > 7;
    if (batch < 1 || batch > BATCH_MAX ||
        spool_writer_init(&spool, argv[1], argv[2], 1ull << 40) != 0)
        return 2;
    if (memory_dir != NULL)
        spool_writer_set_memory(&spool, memory_dir, argv[2], memory_limit);
    if (run_dir != NULL && (metrics = metrics_open(run_dir, 8192)) == NULL)
        return 2;
    (void)signal(SIGTERM, end);
    while (i < count && !told_to_end) {
        struct json_writer w;
        char name[NAME_SIZE];
        unsigned lost;

        json_writer_init(&w, buffer, sizeof buffer);
        for (k = 0; k < batch && i + k < count; k++) {
            (void)snprintf(name, sizeof name, "%s-%lu", argv[3], i + k);
            if (logs)
                write_log(&w, name);
            else
                write_span(&w, name);
        }
        (void)spool_writer_append(&spool, buffer, w.len, &lost);
        if (++appends == killed_at)
            (void)raise(SIGKILL);
        if (metrics != NULL && lost == 0)
            spool_tally_add(metrics_words_at(metrics_words(metrics), TELEMETRY_TALLIES(logs)),
                            spool.inode, w.len, k);
        lost_total += lost;
        for (; lost == 0 && k > 0; k--, i++)
            (void)printf("%s-%lu\n", argv[3], i);
        i += k;
        (void)fflush(stdout);
        if (once)
            spool_writer_close(&spool);
        if (pause_us > 0)
            clock_sleep_ns(pause_us * 1000);
    }
    spool_writer_close(&spool);
    metrics_close(metrics);
    (void)fprintf(stderr, "lost %llu\n", lost_total);
    return 0;
}
