/*
 * What the text of the README's request costs, two spans and three log lines, and the same by the
 * plain writer of tests/unit/plain_records.h: in turn, round after round, by processor time.
 */
#include "lib/base/ids.h"
#include "lib/trace/log.h"
#include "lib/trace/resource.h"
#include "lib/trace/span.h"
#include "tests/bench/measure.h"
#include "tests/unit/plain_records.h"

#include <string.h>

enum { BUFFER = 16384, TURNS = 5000, TEXT_ROUNDS = 9, FIRST_NS = 1735905600 };

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static const struct sampler always = {.root = SAMPLER_ALWAYS_ON};
static const struct resource_service service = {"microtrace", "0.1.0",
                                                "https://opentelemetry.io/schemas/1.45.0"};
static struct resource resource;
static struct scope scope;

/* What the records of one request are made of. */
static struct {
    struct span server, worker;
    struct log_context context;
    char request_id[IDS_UUID_TEXT + 1];
    uint64_t now_ns;
    struct attribute request[2], response[2], completed[6];
} made;

static void make_spans(void)
{
    span_begin(&made.server, "POST /analyze", SPAN_SERVER, NULL, false, &always);
    span_begin_child(&made.worker, "WorkerService.analyze", SPAN_INTERNAL, &made.server);
    span_set(&made.worker, attribute_double("worker.input_a", 10.5));
    span_set(&made.worker, attribute_double("worker.input_b", 3.5));
    span_set(&made.worker, attribute_bool("worker.chaos_enabled", false));
    span_set(&made.worker, attribute_double("worker.chaos_delay_ms", 0));
    span_set(&made.worker, attribute_double("worker.sum", 14));
    span_set(&made.worker, attribute_double("worker.difference", 7));
    span_set(&made.server, attribute_string("http.request.method", "POST"));
    span_set(&made.server, attribute_string("url.path", "/analyze"));
    span_set(&made.server, attribute_string("url.scheme", "http"));
    span_set(&made.server, attribute_string("http.route", "/analyze"));
    span_set(&made.server, attribute_int("http.response.status_code", 200));
    span_set(&made.server, attribute_string("server.address", "localhost"));
    span_set(&made.server, attribute_int("server.port", 8000));
    span_set(&made.server, attribute_string("client.address", "127.0.0.1"));
    span_set(&made.server, attribute_int("client.port", 51234));
    span_set(&made.server, attribute_string("network.protocol.version", "1.1"));
    span_set(&made.server, attribute_string("user_agent.original", "curl/7.88.1"));
    span_set(&made.server, attribute_string("microtrace.request_id", made.request_id));
}

static void make(void)
{
    scope_init(&scope, service.name, service.version, service.schema_url);
    (void)resource_init(&resource, &service, NULL, NULL, "00000000-0000-4000-8000-000000000000");
    ids_new_uuid4(made.request_id);
    make_spans();
    made.context = (struct log_context){made.request_id, &made.server.context};
    made.request[0] = attribute_double("input_a", 10.5);
    made.request[1] = attribute_double("input_b", 3.5);
    made.response[0] = attribute_double("sum", 14);
    made.response[1] = attribute_double("difference", 7);
    made.completed[0] = attribute_string("method", "POST");
    made.completed[1] = attribute_string("path", "/analyze");
    made.completed[2] = attribute_int("status_code", 200);
    made.completed[4] = attribute_string("client", "127.0.0.1");
    made.completed[5] = attribute_string("user_agent", "curl/7.88.1");
}

/* Each request has times of its own. */
static void set_times(uint64_t turn)
{
    const uint64_t elapsed_ns = 50000 + turn * 7919 % 100000;

    made.now_ns = FIRST_NS * UINT64_C(1000000000) + turn * 33333;
    made.worker.start_ns = made.now_ns + 20000;
    made.worker.end_ns = made.now_ns + elapsed_ns - 20000;
    made.server.start_ns = made.now_ns;
    made.server.end_ns = made.now_ns + elapsed_ns;
    made.completed[3] = attribute_double("elapsed_ms", (double)elapsed_ns / CLOCK_NS_PER_MS);
}

static size_t write_ours(char *buffer)
{
    struct json_writer w;

    json_writer_init(&w, buffer, BUFFER);
    span_write(&made.worker, &resource, &scope, &w);
    span_write(&made.server, &resource, &scope, &w);
    log_write(&w, made.now_ns, LOG_LEVEL_INFO, "microtrace.api", "analyze_request", &made.context,
              made.request, COUNT(made.request), &resource);
    log_write(&w, made.now_ns, LOG_LEVEL_INFO, "microtrace.api", "analyze_response", &made.context,
              made.response, COUNT(made.response), &resource);
    log_write(&w, made.now_ns, LOG_LEVEL_INFO, "microtrace.request", "request_completed",
              &made.context, made.completed, COUNT(made.completed), &resource);
    return w.overflow ? 0 : w.len;
}

static size_t write_plain(char *buffer)
{
    struct plain_json w;

    plain_json_init(&w, buffer, BUFFER);
    plain_span(&made.worker, &resource, &scope, &w);
    plain_span(&made.server, &resource, &scope, &w);
    plain_log(&w, made.now_ns, LOG_LEVEL_INFO, "microtrace.api", "analyze_request", &made.context,
              made.request, COUNT(made.request), &resource);
    plain_log(&w, made.now_ns, LOG_LEVEL_INFO, "microtrace.api", "analyze_response", &made.context,
              made.response, COUNT(made.response), &resource);
    plain_log(&w, made.now_ns, LOG_LEVEL_INFO, "microtrace.request", "request_completed",
              &made.context, made.completed, COUNT(made.completed), &resource);
    return w.overflow ? 0 : w.len;
}

static double run(size_t (*write)(char *buffer), char *buffer)
{
    const double begun = cpu_ns();

    for (uint64_t turn = 0; turn < TURNS; turn++) {
        set_times(turn);
        if (write(buffer) == 0)
            die("the text does not fit");
    }
    return (cpu_ns() - begun) / TURNS;
}

int main(int argc, char **argv)
{
    static char ours[BUFFER], plain[BUFFER];
    double ours_ns[TEXT_ROUNDS], plain_ns[TEXT_ROUNDS], ratios[TEXT_ROUNDS];
    size_t length;

    make();
    set_times(1);
    length = write_ours(ours);
    if (length != write_plain(plain) || memcmp(ours, plain, length) != 0)
        die("the two writers differ");
    if (argc == 2) /* for a profile: one of the two */
        return run(strcmp(argv[1], "plain") == 0 ? write_plain : write_ours, ours) < 0;
    for (size_t i = 0; i < TEXT_ROUNDS; i++) {
        if (i % 2 == 0)
            ours_ns[i] = run(write_ours, ours);
        plain_ns[i] = run(write_plain, plain);
        if (i % 2 != 0)
            ours_ns[i] = run(write_ours, ours);
        ratios[i] = ours_ns[i] / plain_ns[i];
    }
    report("text of a request", median(ours_ns, TEXT_ROUNDS), "ns");
    report("the same by the plain writer", median(plain_ns, TEXT_ROUNDS), "ns");
    report("ratio", median(ratios, TEXT_ROUNDS), "times");
    return 0;
}
