/*
 * Goal: telemetry never fails its program and loses nothing silently: whatever is wrong with the
 * metrics file or the spool, records are written or counted as dropped under the right reason.
 */
#include "lib/metrics/reader.h"
#include "lib/metrics/words.h"
#include "lib/telemetry.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const struct sampler always = {.root = SAMPLER_ALWAYS_ON};
static const struct resource_service service = {"microtrace", MICROTRACE_VERSION, NULL};

static char root[64], run_dir[96], spool_dir[96];
static struct telemetry_settings settings;

static int make_dirs(void **state)
{
    char error[CONFIG_ERROR_MAX];

    (void)state;
    (void)snprintf(root, sizeof(root), "/tmp/test_telemetry.XXXXXX");
    if (mkdtemp(root) == NULL)
        return -1;
    (void)snprintf(run_dir, sizeof(run_dir), "%s/run", root);
    (void)snprintf(spool_dir, sizeof(spool_dir), "%s/spool", root);
    if (config_load(telemetry_settings_rows, telemetry_settings_count, &settings, NULL, error) != 0)
        return -1;
    settings.run_dir = run_dir;
    settings.spool_dir = spool_dir;
    return mkdir(run_dir, 0770) | mkdir(spool_dir, 0770);
}

static int remove_dirs(void **state)
{
    char command[128];

    (void)state;
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", root);
    return system(command);
}

static const char *spool_text(const char *signal)
{
    static char text[1 << 16];
    char path[160];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/%s.jsonl", spool_dir, signal);
    text[0] = '\0';
    file = fopen(path, "r");
    if (file != NULL) {
        text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
        assert_int_equal(fclose(file), 0);
    }
    return text;
}

static unsigned lines_of(const char *text)
{
    unsigned lines = 0;

    for (; (text = strchr(text, '\n')) != NULL; text++)
        lines++;
    return lines;
}

static unsigned spans_of(const char *text)
{
    unsigned spans = 0;

    for (; (text = strstr(text, "\"startTimeUnixNano\"")) != NULL; text++)
        spans++;
    return spans;
}

/* Whether line number `line`, from 0, of the text holds `word`. */
static bool has(const char *text, unsigned line, const char *word)
{
    const char *found;

    for (; line > 0 && text != NULL; line--)
        text = strchr(text, '\n') + 1;
    found = strstr(text, word);
    return found != NULL && found < strchr(text, '\n');
}

static uint64_t dropped(const char *signal, const char *reason)
{
    static const char name[] = "microtrace_spool_dropped_records_total";
    struct metrics_reader *const reader = metrics_reader_open(run_dir);
    const struct metrics_reader_family *family;
    uint64_t value = 0;

    assert_non_null(reader);
    assert_int_equal(metrics_reader_refresh(reader), 0);
    family = metrics_reader_find_family(reader, name, strlen(name));
    assert_non_null(family);
    for (size_t i = 0; i < family->series_count; i++)
        if (strcmp(family->series[i]->values[0], signal) == 0 &&
            strcmp(family->series[i]->values[1], reason) == 0)
            value = metrics_reader_counter(reader, family->series[i]);
    metrics_reader_close(reader);
    return value;
}

static struct telemetry *start(void)
{
    struct telemetry *const t = telemetry_open(&settings, &service);

    assert_non_null(t);
    return t;
}

static void record(struct telemetry *t)
{
    struct span span;

    span_begin(&span, "x", SPAN_SERVER, NULL, false, &always);
    telemetry_span_end(t, &span);
    telemetry_log(t, LOG_LEVEL_INFO, "a", "b", NULL, NULL, 0);
}

/* The agent takes the writers' word for what it drops: all bytes of the file, all records in it. */
static void expect_tally(struct telemetry *t, enum spool_signal signal, size_t records)
{
    uint64_t bytes, found;
    struct stat status;
    char path[160];

    (void)snprintf(path, sizeof(path), "%s/%s.jsonl", spool_dir, spool_signal_names[signal]);
    assert_int_equal(stat(path, &status), 0);
    assert_true(spool_tally_get(
        metrics_words_at(metrics_words(telemetry_metrics(t)), TELEMETRY_TALLIES(signal)),
        status.st_ino, &bytes, &found));
    assert_int_equal(bytes, status.st_size);
    assert_int_equal(found, records);
}

static void records_wait_for_the_flush_and_arrive_whole(void **state)
{
    struct telemetry *const t = start();

    (void)state;
    record(t);
    record(t);
    assert_string_equal(spool_text("traces"), "");
    telemetry_flush(t);
    assert_int_equal(spans_of(spool_text("traces")), 2);
    assert_int_equal(lines_of(spool_text("logs")), 2);
    expect_tally(t, SPOOL_TRACES, 2);
    expect_tally(t, SPOOL_LOGS, 2);
    assert_null(telemetry_problem(t));
    telemetry_close(t);
}

static void end_span(struct telemetry *t, const char *name)
{
    struct span span;

    span_begin(&span, name, SPAN_SERVER, NULL, false, &always);
    telemetry_span_end(t, &span);
}

/* Resource and scope stand once, and no span is put under those of another. */
static void spans_of_a_flush_share_a_line_if_they_share_the_scope(void **state)
{
    struct telemetry *const t = start();
    const char *text;

    (void)state;
    telemetry_set_scope(t, "first", NULL);
    end_span(t, "a");
    end_span(t, "b");
    telemetry_set_scope(t, "second", NULL);
    end_span(t, "c");
    telemetry_flush(t);
    end_span(t, "d");
    telemetry_flush(t);
    text = spool_text("traces");
    assert_int_equal(lines_of(text), 3);
    assert_true(has(text, 0, "{\"name\":\"first\"}") && has(text, 0, "\"name\":\"a\"") &&
                has(text, 0, "\"name\":\"b\"") && has(text, 0, "]}]}]}\n"));
    assert_true(has(text, 1, "{\"name\":\"second\"}") && has(text, 1, "\"name\":\"c\""));
    assert_true(has(text, 2, "{\"name\":\"second\"}") && has(text, 2, "\"name\":\"d\""));
    telemetry_close(t);
}

static void what_was_not_flushed_is_at_the_end(void **state)
{
    struct telemetry *const t = start();

    (void)state;
    record(t);
    telemetry_close(t);
    assert_int_equal(spans_of(spool_text("traces")), 1);
}

static void lines_below_the_level_are_not_kept(void **state)
{
    struct telemetry *t;

    (void)state;
    settings.log_level = LOG_LEVEL_WARNING;
    t = start();
    assert_false(telemetry_log_enabled(t, LOG_LEVEL_INFO));
    telemetry_log(t, LOG_LEVEL_INFO, "a", "below", NULL, NULL, 0);
    telemetry_log(t, LOG_LEVEL_ERROR, "a", "above", NULL, NULL, 0);
    telemetry_close(t);
    assert_int_equal(lines_of(spool_text("logs")), 1);
    assert_non_null(strstr(spool_text("logs"), "above"));
}

/* OpenTelemetry, Trace API, "Behavior of the API in the absence of an installed SDK". */
static void a_disabled_sdk_records_nothing_and_hands_the_callers_context_on(void **state)
{
    static const struct trace_context caller = {
        .trace_id = {{1}}, .span_id = {{2}}, .flags = TRACE_CONTEXT_WIRE, .state = "a=1"};
    char text[TRACE_CONTEXT_PARENT_SIZE];
    struct span span, child;
    struct telemetry *t;

    (void)state;
    settings.sdk_disabled = true;
    t = start();
    telemetry_span_begin(t, &span, "x", SPAN_SERVER, NULL, false);
    assert_false(span.recording);
    telemetry_span_begin(t, &span, "x", SPAN_SERVER, &caller, true);
    span_begin_child(&child, "y", SPAN_CLIENT, &span);
    assert_false(span.recording || child.recording);
    trace_context_format(text, &child.context);
    assert_string_equal(text, "00-01000000000000000000000000000000-0200000000000000-03");
    assert_string_equal(child.context.state, "a=1");
    telemetry_span_end(t, &child);
    telemetry_span_end(t, &span);
    telemetry_log(t, LOG_LEVEL_ERROR, "a", "b", NULL, NULL, 0);
    telemetry_close(t);
    assert_string_equal(spool_text("logs"), "");
}

static void the_sampler_decides_on_the_id_of_the_span(void **state)
{
    enum { ROOTS = 10000 };
    struct telemetry *t;
    struct span span;

    (void)state;
    settings.traces_sampler = "traceidratio";
    settings.traces_sampler_arg = "0.5";
    t = start();
    for (int i = 0; i < ROOTS; i++) {
        telemetry_span_begin(t, &span, "x", SPAN_SERVER, NULL, false);
        /* Half of what the seven random bytes can say: their first bit. */
        assert_int_equal(span.recording, span.context.trace_id.bytes[9] < 0x80);
    }
    telemetry_close(t);
}

static void more_than_a_buffer_between_two_flushes_is_kept(void **state)
{
    enum { RECORDS = 60 };
    static char text[ATTRIBUTE_STRING_MAX];
    const struct attribute field = attribute_string_n("text", text, sizeof(text));
    struct telemetry *const t = start();
    struct stat status;
    char path[160];

    (void)state;
    memset(text, 'x', sizeof(text));
    for (int i = 0; i < RECORDS; i++)
        telemetry_log(t, LOG_LEVEL_INFO, "a", "b", NULL, &field, 1);
    telemetry_close(t);
    (void)snprintf(path, sizeof(path), "%s/logs.jsonl", spool_dir);
    assert_int_equal(stat(path, &status), 0);
    assert_true(status.st_size > RECORDS * ATTRIBUTE_STRING_MAX);
    assert_int_equal(dropped("logs", "oversize"), 0);
}

/* The same of spans, which are flushed on a way of their own. */
static void more_spans_than_a_buffer_holds_are_kept(void **state)
{
    enum { RECORDS = 60 };
    static char text[ATTRIBUTE_STRING_MAX];
    struct telemetry *const t = start();
    struct span span;
    static char line[SPOOL_RECORD_MAX + 1];
    char path[160];
    unsigned lines = 0, spans = 0;
    FILE *file;

    (void)state;
    memset(text, 'x', sizeof(text));
    for (int i = 0; i < RECORDS; i++) {
        telemetry_span_begin(t, &span, "s", SPAN_INTERNAL, NULL, false);
        span_set(&span, attribute_string_n("text", text, sizeof(text)));
        telemetry_span_end(t, &span);
    }
    telemetry_flush(t);
    expect_tally(t, SPOOL_TRACES, RECORDS);
    telemetry_close(t);
    (void)snprintf(path, sizeof(path), "%s/traces.jsonl", spool_dir);
    file = fopen(path, "r");
    assert_non_null(file);
    /* Each line is whole: none is longer than a record may be. */
    while (fgets(line, sizeof(line), file) != NULL) {
        assert_non_null(strstr(line, "]}]}]}\n"));
        spans += spans_of(line);
        lines++;
    }
    assert_int_equal(fclose(file), 0);
    assert_int_equal(spans, RECORDS);
    assert_true(lines >= 2 && lines < RECORDS);
    assert_int_equal(dropped("traces", "oversize"), 0);
}

static void a_record_beyond_any_buffer_is_counted_and_harms_no_other(void **state)
{
    static char json[SPOOL_RECORD_MAX + 1];
    const struct attribute field = attribute_json("text", json, sizeof(json));
    struct telemetry *const t = start();

    (void)state;
    memset(json, '1', sizeof(json));
    telemetry_log(t, LOG_LEVEL_INFO, "a", "before", NULL, NULL, 0);
    telemetry_log(t, LOG_LEVEL_INFO, "a", "b", NULL, &field, 1);
    telemetry_log(t, LOG_LEVEL_INFO, "a", "after", NULL, NULL, 0);
    telemetry_flush(t);
    assert_int_equal(lines_of(spool_text("logs")), 2);
    expect_tally(t, SPOOL_LOGS, 2);
    assert_non_null(strstr(spool_text("logs"), "before"));
    assert_non_null(strstr(spool_text("logs"), "after"));
    assert_int_equal(dropped("logs", "oversize"), 1);
    telemetry_close(t);
}

static void a_missing_spool_is_counted_and_found_again(void **state)
{
    struct telemetry *const t = start();
    const char *problem;

    (void)state;
    assert_int_equal(rmdir(spool_dir), 0);
    record(t);
    record(t);
    telemetry_flush(t);
    assert_int_equal(dropped("traces", "unwritable"), 2);
    assert_int_equal(dropped("logs", "unwritable"), 2);
    problem = telemetry_problem(t);
    assert_non_null(problem);
    assert_non_null(strstr(problem, spool_dir));
    assert_int_equal(mkdir(spool_dir, 0770), 0);
    assert_null(telemetry_problem(t));
    record(t);
    telemetry_close(t);
    assert_int_equal(spans_of(spool_text("traces")), 1);
}

static void a_full_disk_is_counted_exactly(void **state)
{
    struct rlimit tight, wide;
    struct telemetry *const t = start();
    uint64_t lost;

    (void)state;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &wide), 0);
    tight = (struct rlimit){1000, wide.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    for (int i = 0; i < 20; i++)
        telemetry_log(t, LOG_LEVEL_INFO, "a", "b", NULL, NULL, 0);
    telemetry_flush(t);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &wide), 0);
    lost = dropped("logs", "no_space");
    /* Whole lines, one torn line that the agent will count, and the rest. */
    assert_int_equal(lines_of(spool_text("logs")) + 1 + lost, 20);
    telemetry_close(t);
}

/* Of a line that is cut off, the agent counts the spans that its beginning shows, at least one. */
static void spans_of_a_line_cut_off_are_counted_once(void **state)
{
    enum { SPANS = 20 };
    struct rlimit tight, wide;

    (void)state;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &wide), 0);
    for (rlim_t limit = 5; limit < 2500; limit += 167) {
        struct telemetry *const t = start();
        const uint64_t before = dropped("traces", "no_space");
        const char *text;
        char path[160];

        tight = (struct rlimit){limit, wide.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
        for (int i = 0; i < SPANS; i++)
            end_span(t, "x");
        assert_int_equal(telemetry_flush(t), -1);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &wide), 0);
        text = spool_text("traces");
        assert_int_equal(strlen(text), limit);
        assert_int_equal((spans_of(text) > 0 ? spans_of(text) : 1) + dropped("traces", "no_space") -
                             before,
                         SPANS);
        telemetry_close(t);
        (void)snprintf(path, sizeof(path), "%s/traces.jsonl", spool_dir);
        assert_int_equal(unlink(path), 0);
    }
}

static void without_a_metrics_file_all_goes_on_and_it_is_found_when_it_comes(void **state)
{
    const struct timespec moment = {0, 50000000};
    struct telemetry *t;
    char path[160];
    int fd;

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/metrics.mmap", run_dir);
    fd = open(path, O_WRONLY | O_CREAT, 0660);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "foreign", 7), 7);
    assert_int_equal(close(fd), 0);
    t = start();
    record(t);
    telemetry_flush(t);
    assert_int_equal(lines_of(spool_text("traces")), 1);
    assert_non_null(strstr(telemetry_problem(t), "metrics file"));
    assert_int_equal(unlink(path), 0);
    for (int i = 0; i < 200 && telemetry_problem(t) != NULL; i++) {
        (void)nanosleep(&moment, NULL);
        telemetry_refresh(t);
    }
    assert_null(telemetry_problem(t));
    record(t);
    telemetry_close(t);
}

/* The instance is that of the file: records of two files are told apart by it. */
static void a_new_metrics_file_gives_a_new_description(void **state)
{
    const struct timespec moment = {0, 50000000};
    struct telemetry *const t = start();
    char path[160], before[64], id[80];

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/metrics.mmap", run_dir);
    (void)snprintf(before, sizeof(before), "%s", metrics_instance_id(telemetry_metrics(t)));
    record(t);
    assert_int_equal(unlink(path), 0);
    for (int i = 0; i < 200 && strcmp(before, metrics_instance_id(telemetry_metrics(t))) == 0;
         i++) {
        (void)nanosleep(&moment, NULL);
        telemetry_refresh(t);
    }
    assert_string_not_equal(before, metrics_instance_id(telemetry_metrics(t)));
    record(t);
    telemetry_flush(t);
    for (int line = 0; line < 2; line++) {
        (void)snprintf(id, sizeof(id), "\"%s\"",
                       line == 0 ? before : metrics_instance_id(telemetry_metrics(t)));
        assert_true(has(spool_text("traces"), line, id));
        assert_true(has(spool_text("logs"), line, id));
    }
    telemetry_close(t);
}

#define ISOLATED(test) cmocka_unit_test_setup_teardown(test, make_dirs, remove_dirs)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ISOLATED(records_wait_for_the_flush_and_arrive_whole),
        ISOLATED(spans_of_a_flush_share_a_line_if_they_share_the_scope),
        ISOLATED(what_was_not_flushed_is_at_the_end),
        ISOLATED(lines_below_the_level_are_not_kept),
        ISOLATED(a_disabled_sdk_records_nothing_and_hands_the_callers_context_on),
        ISOLATED(the_sampler_decides_on_the_id_of_the_span),
        ISOLATED(more_than_a_buffer_between_two_flushes_is_kept),
        ISOLATED(more_spans_than_a_buffer_holds_are_kept),
        ISOLATED(a_record_beyond_any_buffer_is_counted_and_harms_no_other),
        ISOLATED(a_missing_spool_is_counted_and_found_again),
        ISOLATED(a_full_disk_is_counted_exactly),
        ISOLATED(spans_of_a_line_cut_off_are_counted_once),
        ISOLATED(without_a_metrics_file_all_goes_on_and_it_is_found_when_it_comes),
        ISOLATED(a_new_metrics_file_gives_a_new_description),
    };

    return cmocka_run_group_tests_name("telemetry", tests, NULL, NULL);
}
