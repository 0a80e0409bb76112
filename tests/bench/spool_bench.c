/*
 * Fills spools and measures what an append costs:
 *
 *     spool_bench fill DIR traces|logs BYTES        sealed segments of 16 MiB, BYTES in all
 *     spool_bench append DIR COUNT                  held open, and opened for each
 *     spool_bench processes DIR COUNT               a process for each, with and without an append
 *     spool_bench requests RUN-DIR DIR COUNT PER_SECOND
 *                                                   as analyze does; 0: as fast as it goes
 *
 * The records are those of the README's request. Results go out as "name value", ns an append.
 */
#include "lib/base/clock.h"
#include "lib/base/ids.h"
#include "lib/spool/writer.h"
#include "lib/telemetry.h"
#include "lib/trace/log.h"
#include "lib/trace/resource.h"
#include "lib/trace/span.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    BUFFER = 1 << 20,
    LINE = 16384,
    SEGMENT = 16 << 20,
    ROUNDS = 9,
    PACE_NS = 1000000, /* that the next request has to be away for a pause */
};

static const uint64_t NS_PER_S = 1000000000;

extern char **environ;

static const struct sampler always = {.root = SAMPLER_ALWAYS_ON};
static const struct resource_service service = {"microtrace", "0.1.0", NULL};
static struct scope scope;

static struct resource resource;
static char buffer[BUFFER];

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void set_worker(struct span *worker)
{
    span_set(worker, attribute_double("worker.input_a", 10.5));
    span_set(worker, attribute_double("worker.input_b", 3.5));
    span_set(worker, attribute_bool("worker.chaos_enabled", false));
    span_set(worker, attribute_int("worker.chaos_delay_ms", 0));
    span_set(worker, attribute_double("worker.sum", 14.0));
    span_set(worker, attribute_double("worker.difference", 7.0));
}

static void set_server(struct span *server, const char *request_id)
{
    span_set(server, attribute_string("http.request.method", "POST"));
    span_set(server, attribute_string("http.route", "/analyze"));
    span_set(server, attribute_string("url.path", "/analyze"));
    span_set(server, attribute_string("url.scheme", "http"));
    span_set(server, attribute_string("server.address", "localhost"));
    span_set(server, attribute_int("server.port", 8000));
    span_set(server, attribute_string("client.address", "127.0.0.1"));
    span_set(server, attribute_string("user_agent.original", "curl/7.88.1"));
    span_set(server, attribute_string("network.protocol.version", "1.1"));
    span_set(server, attribute_int("http.response.status_code", 200));
    span_set(server, attribute_string("microtrace.request_id", request_id));
}

/* The request's two spans. */
static void write_spans(struct json_writer *w)
{
    struct span server, worker;
    char request_id[IDS_UUID_TEXT + 1];

    ids_new_uuid4(request_id);
    span_begin(&server, "POST /analyze", SPAN_SERVER, NULL, false, &always);
    span_begin_child(&worker, "WorkerService.analyze", SPAN_INTERNAL, &server);
    set_worker(&worker);
    span_end(&worker);
    span_write(&worker, &resource, &scope, w);
    set_server(&server, request_id);
    span_end(&server);
    span_write(&server, &resource, &scope, w);
}

/* request_completed, 313 bytes with its newline. */
static void write_log(struct json_writer *w)
{
    const struct attribute fields[] = {
        attribute_string("method", "POST"), attribute_string("path", "/analyze"),
        attribute_int("status_code", 200), attribute_double("elapsed_ms", 0.102142),
        attribute_string("user_agent", "curl")};
    char request_id[IDS_UUID_TEXT + 1];
    struct span span;

    ids_new_uuid4(request_id);
    request_id[12] = '\0'; /* so that the line has the length */
    span_begin(&span, "s", SPAN_SERVER, NULL, false, &always);
    log_write(w, clock_unix_ns(), LOG_LEVEL_INFO, "microtrace.request", "request_completed",
              &(struct log_context){.request_id = request_id, .trace = &span.context}, fields,
              sizeof(fields) / sizeof(fields[0]), &resource);
}

static void write_all(int fd, const char *bytes, size_t len)
{
    if (write(fd, bytes, len) != (ssize_t)len)
        die("write");
}

static int fill(const char *dir, const char *signal, uint64_t bytes)
{
    const bool logs = strcmp(signal, "logs") == 0;
    unsigned long long records = 0, total = 0;

    for (unsigned number = 1; total < bytes; number++) {
        uint64_t size = 0;
        char path[4096];
        int fd;

        snprintf(path, sizeof(path), "%s/%s.%010u.jsonl", dir, signal, number);
        if ((fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0660)) < 0)
            die(path);
        while (size < SEGMENT && total + size < bytes) {
            struct json_writer w;

            json_writer_init(&w, buffer, sizeof(buffer));
            while (w.len + LINE < sizeof(buffer) && total + size + w.len < bytes) {
                if (logs)
                    write_log(&w);
                else
                    write_spans(&w);
                records += logs ? 1 : 2;
            }
            write_all(fd, buffer, w.len);
            size += w.len;
        }
        total += size;
        if (close(fd) != 0)
            die(path);
    }
    printf("records %llu\nbytes %llu\n", records, total);
    return 0;
}

static void append_one(struct spool_writer *spool, const char *line, size_t len)
{
    unsigned lost;

    if (spool_writer_append(spool, line, len, &lost) != SPOOL_OK) {
        fprintf(stderr, "spool_bench: an append failed\n");
        exit(1);
    }
}

/* What analyze writes for the README's request. */
static void one_request(struct telemetry *t)
{
    const struct attribute in[] = {attribute_double("input_a", 10.5),
                                   attribute_double("input_b", 3.5)};
    const struct attribute out[] = {attribute_double("sum", 14), attribute_double("difference", 7)};
    const struct attribute done[] = {
        attribute_string("method", "POST"),      attribute_string("path", "/analyze"),
        attribute_int("status_code", 200),       attribute_double("elapsed_ms", 0.102142),
        attribute_string("client", "127.0.0.1"), attribute_string("user_agent", "curl/7.88.1")};
    char request_id[IDS_UUID_TEXT + 1];
    struct span server, worker;
    struct log_context context = {.request_id = request_id, .trace = &worker.context};

    ids_new_uuid4(request_id);
    telemetry_span_begin(t, &server, "POST /analyze", SPAN_SERVER, NULL, false);
    span_begin_child(&worker, "WorkerService.analyze", SPAN_INTERNAL, &server);
    telemetry_log(t, LOG_LEVEL_INFO, "microtrace.api", "analyze_request", &context, in, 2);
    set_worker(&worker);
    telemetry_span_end(t, &worker);
    context.trace = &server.context;
    telemetry_log(t, LOG_LEVEL_INFO, "microtrace.api", "analyze_response", &context, out, 2);
    set_server(&server, request_id);
    telemetry_span_end(t, &server);
    telemetry_log(t, LOG_LEVEL_INFO, "microtrace.request", "request_completed", &context, done,
                  sizeof(done) / sizeof(done[0]));
    (void)telemetry_flush(t);
}

static int requests(const char *run_dir, const char *dir, unsigned long count,
                    unsigned long per_second)
{
    const struct telemetry_settings settings = {.run_dir = run_dir,
                                                .spool_dir = dir,
                                                .spool_max_bytes = UINT64_MAX,
                                                .metrics_max_series = 8192,
                                                .log_level = LOG_LEVEL_INFO};
    struct telemetry *const t = telemetry_open(&settings, &service);
    const uint64_t begun = clock_monotonic_ns();

    if (t == NULL)
        die(run_dir);
    for (unsigned long i = 0; i < count; i++) {
        const uint64_t due = per_second > 0 ? i * NS_PER_S / per_second : 0;
        const uint64_t since = per_second > 0 ? clock_monotonic_ns() - begun : 0;

        if (due > since + PACE_NS)
            clock_sleep_ns(due - since);
        one_request(t);
    }
    printf("ns %llu\n", (unsigned long long)(clock_monotonic_ns() - begun));
    telemetry_close(t);
    return 0;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void report(const char *name, double ns[ROUNDS])
{
    qsort(ns, ROUNDS, sizeof(ns[0]), by_value);
    printf("%s %.0f\n", name, ns[ROUNDS / 2]);
}

/* A request's two spans by one append. The file is kept small: its pages are used again. */
static void appends(const char *name, const char *dir, unsigned count, bool reopen)
{
    static struct spool_writer spool;
    double ns[ROUNDS];
    struct json_writer w;

    json_writer_init(&w, buffer, sizeof(buffer));
    write_spans(&w);
    if (spool_writer_init(&spool, dir, "traces", UINT64_MAX) != 0)
        die(dir);
    for (int round = -1; round < ROUNDS; round++) {
        uint64_t begun;

        append_one(&spool, buffer, w.len);
        if (truncate(spool.disk.path, 0) != 0)
            die(spool.disk.path);
        begun = clock_monotonic_ns();
        for (unsigned i = 0; i < count; i++) {
            append_one(&spool, buffer, w.len);
            if (reopen)
                spool_writer_close(&spool);
        }
        /* The first round touches pages that were never used. */
        if (round >= 0)
            ns[round] = (double)(clock_monotonic_ns() - begun) / count;
    }
    report(name, ns);
    spool_writer_close(&spool);
}

static int once(const char *dir, bool append)
{
    static struct spool_writer spool;
    struct json_writer w;

    scope_init(&scope, service.name, service.version, NULL);
    (void)resource_init(&resource, &service, NULL, NULL, "00000000-0000-4000-8000-000000000000");
    json_writer_init(&w, buffer, sizeof(buffer));
    write_spans(&w);
    if (append) {
        if (spool_writer_init(&spool, dir, "traces", UINT64_MAX) != 0)
            die(dir);
        append_one(&spool, buffer, w.len);
    }
    return 0;
}

static double spawn_all(const char *self, const char *what, const char *dir, unsigned count)
{
    char *const arguments[] = {(char *)self, (char *)what, (char *)dir, NULL};
    const uint64_t begun = clock_monotonic_ns();

    for (unsigned i = 0; i < count; i++) {
        int status;
        pid_t pid;

        if (posix_spawn(&pid, self, NULL, NULL, arguments, environ) != 0)
            die(self);
        if (waitpid(pid, &status, 0) != pid || status != 0) {
            fprintf(stderr, "spool_bench: a process failed\n");
            exit(1);
        }
    }
    return (double)(clock_monotonic_ns() - begun) / count;
}

static int processes(const char *self, const char *dir, unsigned count)
{
    double with[ROUNDS], without[ROUNDS], cost[ROUNDS];

    (void)spawn_all(self, "once", dir, count);
    for (int round = 0; round < ROUNDS; round++) {
        with[round] = spawn_all(self, "once", dir, count);
        without[round] = spawn_all(self, "nothing", dir, count);
        cost[round] = with[round] - without[round];
    }
    report("process_with", with);
    report("process_without", without);
    report("process_append", cost);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "once") == 0)
        return once(argv[2], true);
    if (argc == 3 && strcmp(argv[1], "nothing") == 0)
        return once(argv[2], false);
    scope_init(&scope, service.name, service.version, NULL);
    (void)resource_init(&resource, &service, NULL, NULL, "00000000-0000-4000-8000-000000000000");
    if (argc == 5 && strcmp(argv[1], "fill") == 0)
        return fill(argv[2], argv[3], strtoull(argv[4], NULL, 10));
    if (argc == 4 && strcmp(argv[1], "append") == 0) {
        appends("append_held", argv[2], (unsigned)strtoul(argv[3], NULL, 10), false);
        appends("append_reopened", argv[2], (unsigned)strtoul(argv[3], NULL, 10), true);
        return 0;
    }
    if (argc == 6 && strcmp(argv[1], "requests") == 0)
        return requests(argv[2], argv[3], strtoul(argv[4], NULL, 10), strtoul(argv[5], NULL, 10));
    if (argc == 4 && strcmp(argv[1], "processes") == 0)
        return processes("/proc/self/exe", argv[2], (unsigned)strtoul(argv[3], NULL, 10));
    fprintf(stderr, "usage: spool_bench fill|append|processes|requests DIR ...\n");
    return 2;
}
