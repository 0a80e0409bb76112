/*
 * What the tests of the public API share: an instance for each test, and what is recorded in it.
 */
#ifndef TESTS_UNIT_MICROTRACE_FIXTURE_H
#define TESTS_UNIT_MICROTRACE_FIXTURE_H

#include "tests/unit/unit.h"

#include "lib/metrics/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <microtrace.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 4, ROUNDS = 2000, TEXT_MAX = 8 << 20 };

static char root[64], run_dir[96], spool_dir[96];

static inline int make_dirs(void **state)
{
    (void)state;
    (void)snprintf(root, sizeof(root), "/tmp/test_microtrace.XXXXXX");
    if (mkdtemp(root) == NULL)
        return -1;
    (void)snprintf(run_dir, sizeof(run_dir), "%s/run", root);
    (void)snprintf(spool_dir, sizeof(spool_dir), "%s/spool", root);
    (void)clearenv();
    (void)setenv("MICROTRACE_RUN_DIR", run_dir, 1);
    (void)setenv("MICROTRACE_SPOOL_DIR", spool_dir, 1);
    return mkdir(run_dir, 0770) | mkdir(spool_dir, 0770);
}

static inline int remove_dirs(void **state)
{
    char command[128];

    (void)state;
    (void)snprintf(command, sizeof(command), "/bin/rm -rf '%s'", root);
    return system(command);
}

/* All lines of a spool file as one JSON array. */
static inline json_t *spooled(const char *signal)
{
    static char text[TEXT_MAX];
    json_t *const list = json_array();
    char path[160], *line, *rest = text;
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/%s.jsonl", spool_dir, signal);
    text[0] = '\0';
    file = fopen(path, "r");
    if (file != NULL) {
        text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
        assert_int_equal(fclose(file), 0);
    }
    while ((line = strsep(&rest, "\n")) != NULL && line[0] != '\0') {
        json_t *const tree = json_loads(line, JSON_REJECT_DUPLICATES, NULL);

        assert_non_null(tree);
        assert_int_equal(json_array_append_new(list, tree), 0);
    }
    return list;
}

static inline json_t *scope_spans(const json_t *line)
{
    const json_t *const resource = json_array_get(json_object_get(line, "resourceSpans"), 0);

    return json_array_get(json_object_get(resource, "scopeSpans"), 0);
}

static inline json_t *span_of(const json_t *line)
{
    return json_array_get(json_object_get(scope_spans(line), "spans"), 0);
}

/* How many spans the lines hold: those of one flush share a line. */
static inline size_t count_spans(const json_t *lines)
{
    const json_t *line;
    size_t i, spans = 0;

    json_array_foreach(lines, i, line) spans +=
        json_array_size(json_object_get(scope_spans(line), "spans"));
    return spans;
}

/* The value of an attribute: the object that OTLP calls AnyValue. */
static inline json_t *attribute_of(const json_t *list, const char *key)
{
    const json_t *entry;
    json_t *found = NULL;
    size_t i;

    json_array_foreach(list, i, entry)
    {
        if (strcmp(json_string_value(json_object_get(entry, "key")), key) == 0) {
            assert_null(found);
            found = json_object_get(entry, "value");
        }
    }
    return found;
}

static inline const char *text_of(const json_t *object, const char *key)
{
    const char *const text = json_string_value(json_object_get(object, key));

    return text != NULL ? text : "";
}

/* The value of a series as the agent would read it; -1 if it does not exist. */
static inline int64_t value_of(const char *name, const char *label)
{
    struct metrics_reader *const reader = metrics_reader_open(run_dir);
    const struct metrics_reader_family *family;
    struct metrics_reader_histogram histogram;
    int64_t value = -1;

    assert_non_null(reader);
    assert_int_equal(metrics_reader_refresh(reader), 0);
    family = metrics_reader_find_family(reader, name, strlen(name));
    for (size_t i = 0; family != NULL && i < family->series_count; i++) {
        const struct metrics_reader_series *const series = family->series[i];

        if (label != NULL && strcmp(series->values[0], label) != 0)
            continue;
        switch (family->kind) {
        case METRICS_COUNTER:
            value = (int64_t)metrics_reader_counter(reader, series);
            break;
        case METRICS_GAUGE:
            value = (int64_t)metrics_reader_gauge(reader, series);
            break;
        case METRICS_LIVE_GAUGE:
            value = metrics_reader_live_gauge(reader, series);
            break;
        case METRICS_HISTOGRAM:
            metrics_reader_histogram(reader, family, series, &histogram);
            value = (int64_t)histogram.count;
            break;
        }
    }
    metrics_reader_close(reader);
    return value;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dirs, remove_dirs)

#endif
