/*
 * What the agent's work on a request's records costs beside its system calls, by processor time:
 *
 *     export_bench DIR
 *
 * DIR is a spool that `spool_bench requests` filled, 2 spans and 3 log lines a request, of which
 * one window of each signal is cut into records, and these are made a request's body, again and
 * again.
 */
#include "lib/spool/lines.h"
#include "metrics-agent/export/export_request.h"
#include "tests/bench/measure.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { WINDOW = 1 << 20, TURNS = 40, SPANS = 2, LINES = 3, PATH = 4096 };

static const struct resource own = {.json = "{}", .length = 2};

/* One signal's window, and what becomes of it. */
struct stretch {
    enum spool_signal signal;
    uint64_t each; /* records of a request */
    size_t len;
    char window[WINDOW];
    struct spool_lines batch;
    struct otlp_record records[SPOOL_LINES_MAX];
    struct export_request request;
    struct export_request_body body;
};

static struct stretch spans = {.signal = SPOOL_TRACES, .each = SPANS};
static struct stretch lines = {.signal = SPOOL_LOGS, .each = LINES};

static void read_window(struct stretch *s, const char *dir, const char *name)
{
    char path[PATH];
    ssize_t got;
    int fd;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    if ((fd = open(path, O_RDONLY)) < 0 || (got = read(fd, s->window, WINDOW)) <= 0)
        die(path);
    s->len = (size_t)got;
    (void)close(fd);
    if (export_request_open(&s->request, s->signal, AGENT_PROTOCOL_JSON, &own, WINDOW) != 0)
        die("memory");
}

static uint64_t cut(void *state)
{
    struct stretch *const s = state;

    for (int i = 0; i < TURNS; i++)
        spool_lines_split(&s->batch, s->signal, s->window, s->len, 0, false);
    return TURNS * s->batch.count / s->each;
}

static uint64_t make(void *state)
{
    struct stretch *const s = state;

    for (int turn = 0; turn < TURNS; turn++) {
        size_t bad;

        for (size_t i = 0; i < s->batch.count; i++)
            s->records[i] = otlp_splice_record(&s->batch, s->window, &s->batch.items[i]);
        if (export_request_make(&s->request, s->records, s->batch.count, &s->body, &bad) != 0) {
            fprintf(stderr, "export_bench: not a body\n");
            exit(1);
        }
    }
    return TURNS * s->batch.count / s->each;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: export_bench DIR\n");
        return 2;
    }
    read_window(&spans, argv[1], "traces.jsonl");
    read_window(&lines, argv[1], "logs.jsonl");
    measure_by(cpu_ns, "spans: cut into records", cut, &spans);
    measure_by(cpu_ns, "spans: make the body", make, &spans);
    measure_by(cpu_ns, "log lines: cut into records", cut, &lines);
    measure_by(cpu_ns, "log lines: make the body", make, &lines);
    report("spans: body of a request", (double)spans.body.len * SPANS / (double)spans.batch.count,
           "bytes");
    report("log lines: body of a request",
           (double)lines.body.len * LINES / (double)lines.batch.count, "bytes");
    return 0;
}
