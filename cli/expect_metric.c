#include "cli/expect_metric.h"

#include "cli/command.h"
#include "cli/expect_selector.h"
#include "cli/instance.h"
#include "lib/base/clock.h"
#include "lib/base/decimal.h"
#include "lib/base/instance_file.h"
#include "lib/base/printable.h"
#include "lib/metrics/exposition.h"
#include "lib/metrics/reader.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    LOOK_MS = 20,
    LINE_MAX_BYTES = 65536, /* of a snapshot; a series has less */
    SHOWN_MAX = 20,         /* series that a message shows */
    MISTAKES_MAX = 2,       /* in a name that may have been meant */
};

/* What one look has found. */
struct found {
    double value; /* summed over the series */
    size_t series;
    bool only_grows; /* a counter, or a histogram's count or bucket */
    bool histogram;  /* the name is that of a histogram, which has no value of its own */
};

/* A process waits for one metric. */
static struct expect_selector selector;

/* --- Values --- */

/* Of a histogram's series the names go on behind that of the family. */
static bool is_wanted(const char *family)
{
    const size_t len = strlen(family);

    return strncmp(selector.name, family, len) == 0 &&
           (selector.name[len] == '\0' || strcmp(selector.name + len, "_bucket") == 0 ||
            strcmp(selector.name + len, "_count") == 0 || strcmp(selector.name + len, "_sum") == 0);
}

/* The next line of the text; the first for NULL in *line. */
static bool next_line(const struct exposition *text, const char **line, size_t *len)
{
    const char *const end = text->text + text->len;
    const char *newline;

    *line = *line == NULL ? text->text : *line + *len + 1;
    if (*line == NULL || *line >= end)
        return false;
    newline = memchr(*line, '\n', (size_t)(end - *line));
    *len = (size_t)((newline != NULL ? newline : end) - *line);
    return true;
}

/* "# TYPE NAME KIND" */
static void learn_kind(struct found *found, const char *line, size_t len)
{
    static const char type[] = "# TYPE ";
    const size_t begin = sizeof(type) - 1;
    const char *const blank =
        len > begin && memcmp(line, type, begin) == 0 ? memrchr(line, ' ', len) : NULL;
    struct text name, kind;

    if (blank == NULL || blank < line + begin)
        return;
    name = (struct text){line + begin, (size_t)(blank - line) - begin};
    kind = (struct text){blank + 1, len - (size_t)(blank + 1 - line)};
    found->histogram =
        found->histogram || (text_is(kind, "histogram") && text_is(name, selector.name));
    found->only_grows = text_is(kind, "counter") || (text_is(kind, "histogram") &&
                                                     strcmp(selector.name + name.len, "_sum") != 0);
}

static struct found sum_up(const struct exposition *text)
{
    struct found found = {.value = 0};
    struct expect_sample sample;
    const char *line = NULL;
    size_t len = 0;

    while (next_line(text, &line, &len)) {
        if (expect_sample_parse(&sample, line, len) != 1) {
            learn_kind(&found, line, len);
        } else if (expect_selector_meets(&selector, &sample, NULL) > selector.count) {
            found.value += sample.value;
            found.series++;
        }
    }
    return found;
}

/* The text of the families that are wanted, NULL for all. Returns 0; there is one to be freed. */
static int read_text(struct exposition *text, struct metrics_reader *reader,
                     bool (*wanted)(const char *))
{
    exposition_begin(text, EXPOSITION_PROMETHEUS);
    text->wanted = wanted;
    if (metrics_reader_refresh(reader) != 0)
        return -1;
    exposition_reader(text, reader);
    return exposition_end(text);
}

/* --- Snapshots --- */

/* Sums up the snapshot's series. Returns COMMAND_OK, or COMMAND_USAGE with a line on stderr. */
static int read_since(const char *path, double *since)
{
    static char line[LINE_MAX_BYTES];
    struct expect_sample sample;
    struct stat status;
    unsigned long number = 0;
    int result = COMMAND_OK;
    FILE *file;
    const int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

    if (fd >= 0 && fstat(fd, &status) == 0 && !S_ISREG(status.st_mode)) {
        (void)close(fd);
        printable_error("microtrace expect metric: --since %s: it is no regular file", path);
        return COMMAND_USAGE;
    }
    file = fd >= 0 ? fdopen(fd, "r") : NULL;
    if (file == NULL) {
        printable_error("microtrace expect metric: --since %s: %s; expect metric --snapshot "
                        "makes it",
                        path, strerror(errno));
        return COMMAND_USAGE;
    }
    *since = 0;
    while (result == COMMAND_OK && fgets(line, sizeof(line), file) != NULL) {
        const size_t len = strcspn(line, "\n");
        const int kind = len + 1 < sizeof(line) ? expect_sample_parse(&sample, line, len) : -1;

        number++;
        if (kind < 0) {
            printable_error("microtrace expect metric: --since %s: line %lu is no sample; expect "
                            "metric --snapshot makes the file",
                            path, number);
            result = COMMAND_USAGE;
        } else if (kind == 1 && expect_selector_meets(&selector, &sample, NULL) > selector.count) {
            *since += sample.value;
        }
    }
    (void)fclose(file);
    return result;
}

/* Puts the file there as a whole. Returns NULL, or what is wrong. */
static const char *write_snapshot(const char *path, const struct exposition *text)
{
    const char *const slash = strrchr(path, '/');
    const char *const name = slash != NULL ? slash + 1 : path;
    const char *const bytes = text->len > 0 ? text->text : "", *why = NULL;
    char dir[PATH_MAX] = ".";
    int dir_fd;

    if (slash != NULL &&
        snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path + 1), path) >= (int)sizeof(dir))
        return strerror(ENAMETOOLONG);
    dir_fd = instance_dir_open(AT_FDCWD, dir);
    if (dir_fd < 0)
        return strerror(errno);
    if (instance_file_is_other(dir_fd, name))
        why = "it is no regular file";
    else if (instance_file_replace(dir_fd, name, 0644, bytes, text->len) != 0)
        why = strerror(errno);
    (void)close(dir_fd);
    return why;
}

int expect_metric_snapshot(const char *path)
{
    struct metrics_reader *const reader = metrics_reader_open(instance_run_dir());
    struct exposition text;
    int result = COMMAND_FAILED;
    const char *why;

    if (reader == NULL) {
        printable_error("microtrace expect metric: out of memory");
        return COMMAND_FAILED;
    }
    if (read_text(&text, reader, NULL) != 0 && metrics_reader_state(reader) != METRICS_FILE_MISSING)
        printable_error("microtrace expect metric: %s", metrics_reader_problem(reader) != NULL
                                                            ? metrics_reader_problem(reader)
                                                            : "truncated while read");
    else if ((why = write_snapshot(path, &text)) != NULL)
        printable_error("microtrace expect metric: --snapshot %s: %s", path, why);
    else
        result = COMMAND_OK;
    exposition_free(&text);
    metrics_reader_close(reader);
    return result;
}

/* --- Judging --- */

enum verdict { HOLDS, NOT_YET, NEVER };

static enum verdict judge(const struct expect_metric_options *o, const struct found *found,
                          double since)
{
    const double increase = found->value - since;
    const bool above = (o->equal.given && found->value > o->equal.value) ||
                       (o->at_most.given && found->value > o->at_most.value) ||
                       (o->increase.given && increase > o->increase.value);
    const bool value_asked = o->equal.given || o->at_least.given || o->at_most.given;

    if (found->histogram || (found->only_grows && found->series > 0 && above))
        return NEVER;
    /* What was never counted has no value, but it has not increased either. */
    if (found->series == 0 && (value_asked || !o->increase.given))
        return NOT_YET;
    return (!o->equal.given || found->value == o->equal.value) &&
                   (!o->at_least.given || found->value >= o->at_least.value) &&
                   (!o->at_most.given || found->value <= o->at_most.value) &&
                   (!o->increase.given || increase == o->increase.value)
               ? HOLDS
               : NOT_YET;
}

/* --- Telling --- */

/* As the text format writes it, but a whole number without a fraction. */
static const char *number_text(char out[DECIMAL_DOUBLE_SIZE], double value)
{
    (void)snprintf(out, DECIMAL_DOUBLE_SIZE, "%.15g", value);
    if (strtod(out, NULL) != value && isfinite(value))
        (void)decimal_double(out, value);
    return out;
}

static void print_series(FILE *to, const struct expect_sample *sample, const char *indent)
{
    char number[DECIMAL_DOUBLE_SIZE];

    (void)fputs(indent, to);
    printable_write(to, sample->series.at, sample->series.len);
    (void)fprintf(to, " %s\n", number_text(number, sample->value));
}

static void print_selected(FILE *to, const struct exposition *text, const char *indent)
{
    struct expect_sample sample;
    const char *line = NULL;
    size_t len = 0, shown = 0;

    while (next_line(text, &line, &len)) {
        if (expect_sample_parse(&sample, line, len) != 1 ||
            expect_selector_meets(&selector, &sample, NULL) <= selector.count)
            continue;
        if (to == stdout || shown++ < SHOWN_MAX)
            print_series(to, &sample, indent);
    }
    if (to != stdout && shown > SHOWN_MAX)
        (void)fprintf(to, "%s... and %zu more\n", indent, shown - SHOWN_MAX);
}

static void print_found(const struct expect_metric_options *o, const struct exposition *text,
                        const struct found *found, double since)
{
    char one[DECIMAL_DOUBLE_SIZE], two[DECIMAL_DOUBLE_SIZE], three[DECIMAL_DOUBLE_SIZE];

    print_selected(stdout, text, "");
    if (found->series > 1)
        (void)printf("# %zu series, sum %s\n", found->series, number_text(one, found->value));
    if (o->increase.given)
        (void)printf("# increase %s, from %s to %s\n", number_text(one, found->value - since),
                     number_text(two, since), number_text(three, found->value));
}

/* What was expected of the value, as a list in words. */
static void print_expected(const struct expect_metric_options *o)
{
    const struct {
        const struct expect_number *number;
        const char *words;
    } all[] = {{&o->equal, ""},
               {&o->at_least, "at least "},
               {&o->at_most, "at most "},
               {&o->increase, "an increase of "}};
    char number[DECIMAL_DOUBLE_SIZE];
    const char *before = "expected ";

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (!all[i].number->given)
            continue;
        (void)fprintf(stderr, "%s%s%s", before, all[i].words,
                      number_text(number, all[i].number->value));
        before = " and ";
    }
}

/* Names that may have been meant: misspelled, or with another end. */
static void print_near_names(const struct metrics_reader *reader)
{
    size_t count, shown = 0;
    struct metrics_reader_family *const *families = metrics_reader_families(reader, &count);

    for (size_t i = 0; i < count && shown < SHOWN_MAX; i++) {
        const char *const name = families[i]->name;

        if (families[i]->series_count == 0)
            continue;
        if (strncmp(name, selector.name, strlen(selector.name)) != 0 &&
            strncmp(name, selector.name, strlen(name)) != 0 &&
            !text_is_near(name, selector.name, MISTAKES_MAX))
            continue;
        (void)fprintf(stderr, "%s%s", shown++ == 0 ? "  there is " : ", ", name);
    }
    if (shown > 0)
        (void)fputc('\n', stderr);
}

/* The series of the name that meets most of the labels, and how it differs. */
static void print_nearest(const struct exposition *text)
{
    bool met[EXPECT_SELECTOR_MATCHERS_MAX] = {false};
    struct expect_sample sample, nearest = {.value = 0};
    size_t most = 0, len = 0;
    const char *line = NULL;

    while (next_line(text, &line, &len)) {
        size_t meets;

        if (expect_sample_parse(&sample, line, len) != 1 || !text_is(sample.name, selector.name))
            continue;
        meets = expect_selector_meets(&selector, &sample, NULL);
        if (meets > most) {
            most = meets;
            nearest = sample;
        }
    }
    if (most == 0)
        return;
    print_series(stderr, &nearest, "nearest: ");
    (void)expect_selector_meets(&selector, &nearest, met);
    for (size_t i = 0; i < selector.count; i++) {
        const struct expect_selector_matcher *const matcher = &selector.matchers[i];
        const struct text label = expect_sample_label(&nearest, matcher->label);

        if (met[i])
            continue;
        (void)fprintf(
            stderr, "  %s: expected %s\"", matcher->label,
            matcher->how == EXPECT_SELECTOR_EQUAL ? "" : expect_selector_how_text(matcher->how));
        printable_write(stderr, matcher->value, strlen(matcher->value));
        (void)fputs(label.at != NULL ? "\", it is \"" : "\", there is none", stderr);
        printable_write(stderr, label.at, label.len);
        (void)fputs(label.at != NULL ? "\"\n" : "\n", stderr);
    }
}

/* The last look has ended the waiting without success. */
static int fail(const struct expect_metric_options *o, const struct metrics_reader *reader,
                const struct exposition *text, const struct found *found, double since)
{
    char one[DECIMAL_DOUBLE_SIZE], two[DECIMAL_DOUBLE_SIZE], three[DECIMAL_DOUBLE_SIZE];
    const char *const problem = metrics_reader_problem(reader);

    if (problem != NULL) {
        printable_error("microtrace expect metric: %s%s", problem,
                        instance_hint(metrics_reader_state(reader) == METRICS_FILE_MISSING));
        return COMMAND_FAILED;
    }
    if (found->histogram) {
        printable_error("microtrace expect metric: %s is a histogram: ask for its %s_count, "
                        "%s_sum or %s_bucket{le=\"...\"}",
                        selector.name, selector.name, selector.name, selector.name);
        return COMMAND_USAGE;
    }
    if (found->series == 0) {
        printable_error("microtrace expect metric: %s: there is no such series in %s/%s",
                        o->selector, instance_run_dir(), METRICS_FILE_NAME);
        print_nearest(text);
        if (text->len == 0)
            print_near_names(reader);
        return COMMAND_FAILED;
    }
    (void)fputs("microtrace expect metric: ", stderr);
    printable_write(stderr, o->selector, strlen(o->selector));
    (void)fputs(": ", stderr);
    print_expected(o);
    if (o->increase.given)
        (void)fprintf(stderr, ", the increase is %s, from %s to %s",
                      number_text(one, found->value - since), number_text(two, since),
                      number_text(three, found->value));
    else
        (void)fprintf(stderr, ", it is %s", number_text(one, found->value));
    (void)fputc('\n', stderr);
    print_selected(stderr, text, "  ");
    return COMMAND_FAILED;
}

/* --- Waiting --- */

static int wait_for(const struct expect_metric_options *o, struct metrics_reader *reader,
                    double since)
{
    const uint64_t start = clock_monotonic_ns();

    for (;;) {
        const uint64_t begun = clock_monotonic_ns();
        struct exposition text;
        const int failed = read_text(&text, reader, is_wanted);
        const struct found found = failed == 0 ? sum_up(&text) : (struct found){.value = 0};
        const enum verdict verdict = failed == 0 ? judge(o, &found, since) : NOT_YET;
        const uint64_t now = clock_monotonic_ns();
        int status = COMMAND_OK;

        if (verdict == HOLDS)
            print_found(o, &text, &found, since);
        else if (verdict == NEVER || begun - start >= o->within_ns)
            status = fail(o, reader, &text, &found, since);
        exposition_free(&text);
        if (verdict != NOT_YET || begun - start >= o->within_ns)
            return status;
        /* At most half of the time is spent looking, however much there is to read. */
        clock_sleep_ns(now - begun > clock_ms_to_ns(LOOK_MS) ? now - begun
                                                             : clock_ms_to_ns(LOOK_MS));
    }
}

int expect_metric_run(const struct expect_metric_options *options)
{
    char error[EXPECT_SELECTOR_ERROR_MAX];
    struct metrics_reader *reader;
    double since = 0;
    int status;

    if (expect_selector_parse(&selector, options->selector, error) != 0) {
        printable_error("microtrace expect metric: %s: %s", options->selector, error);
        return COMMAND_USAGE;
    }
    status = options->since != NULL ? read_since(options->since, &since) : COMMAND_OK;
    if (status == COMMAND_OK) {
        reader = metrics_reader_open(instance_run_dir());
        if (reader == NULL) {
            printable_error("microtrace expect metric: out of memory");
            status = COMMAND_FAILED;
        } else {
            status = wait_for(options, reader, since);
            metrics_reader_close(reader);
        }
    }
    expect_selector_free(&selector);
    return status;
}
