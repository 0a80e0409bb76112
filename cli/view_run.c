#include "cli/view_run.h"

#include "cli/command.h"
#include "cli/instance.h"
#include "cli/pager.h"
#include "cli/waterfall.h"
#include "lib/base/clock.h"
#include "lib/base/instance_file.h"
#include "lib/base/printable.h"
#include "view/view_find.h"
#include "view/view_text.h"
#include "view/view_trace.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    LOOKS_MAX = 3, /* while files are moved under our eyes */
    PLAIN_WIDTH = 100,
    LINES = 4, /* of an attributes' list */
    LINES_OF_FEW = 12,
};

#define MEMORY_MAX ((size_t)64 << 20) /* of all traces that are shown */

/* --- As JSON --- */

/* Spans that were printed: copies are left out. */
struct printed {
    uint64_t *hashes; /* a table; 0 is a free place */
    size_t room, count;
};

struct json {
    struct printed spans;
    uint64_t last; /* number of what was printed last: a record, or an element with several */
    size_t *found; /* records of each trace */
};

static uint64_t hash_of(struct text trace, struct text span)
{
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */

    for (size_t i = 0; i < trace.len + span.len; i++) {
        const char c = i < trace.len ? trace.at[i] : span.at[i - trace.len];

        hash = (hash ^ (unsigned char)(c | 0x20)) * UINT64_C(1099511628211);
    }
    return hash != 0 ? hash : 1;
}

static uint64_t *place_of(const struct printed *printed, uint64_t hash)
{
    for (size_t i = hash % printed->room;; i = (i + 1) % printed->room) {
        if (printed->hashes[i] == hash || printed->hashes[i] == 0)
            return &printed->hashes[i];
    }
}

/* Whether it is new; without memory all are. */
static bool remember(struct printed *printed, uint64_t hash)
{
    uint64_t *place;

    if (2 * (printed->count + 1) > printed->room) {
        struct printed bigger = {.room = 2 * printed->room + 1024, .count = printed->count};

        bigger.hashes = calloc(bigger.room, sizeof(*bigger.hashes));
        if (bigger.hashes == NULL)
            return true;
        for (size_t i = 0; i < printed->room; i++) {
            if (printed->hashes[i] != 0)
                *place_of(&bigger, printed->hashes[i]) = printed->hashes[i];
        }
        free(printed->hashes);
        *printed = bigger;
    }
    place = place_of(printed, hash);
    if (*place != 0)
        return false;
    *place = hash;
    printed->count++;
    return true;
}

/* The members of an object, without its braces, and a comma if there are any. */
static void print_members(struct text object)
{
    if (object.len <= 2)
        return;
    printable_write(stdout, object.at + 1, object.len - 2);
    (void)putchar(',');
}

static void print_record(void *context, size_t i, enum spool_signal signal,
                         const struct record_parts *parts, bool foreign)
{
    const struct spool_signal_words *const words = &spool_signal_words[signal];
    struct json *const json = context;
    const bool element = parts->outermost.at != parts->record.at;

    (void)foreign;
    json->found[i]++;
    if (signal == SPOOL_TRACES) {
        const struct view_record_span span = view_record_span(parts->record);

        if (span.id.len > 0 && !remember(&json->spans, hash_of(span.trace, span.id)))
            return;
    } else if (!remember(&json->spans, hash_of(parts->record, (struct text){NULL, 0})) && foreign) {
        return;
    }
    if (parts->line) {
        printable_write(stdout, parts->record.at, parts->record.len);
    } else if (element) {
        if (json->last == parts->number)
            return;
        printf("{\"%s\":[", words->resources);
        printable_write(stdout, parts->outermost.at, parts->outermost.len);
        printf("]}");
    } else {
        printf("{\"%s\":[{", words->resources);
        print_members(parts->resource);
        printf("\"%s\":[{", words->scopes);
        print_members(parts->scope);
        printf("\"%s\":[", words->records);
        printable_write(stdout, parts->record.at, parts->record.len);
        printf("]}]}]}");
    }
    json->last = parts->number;
    (void)putchar('\n');
}

/* --- As waterfalls --- */

struct shown {
    struct view_trace *traces;
    size_t *found;
};

static void add_record(void *context, size_t i, enum spool_signal signal,
                       const struct record_parts *parts, bool foreign)
{
    const struct shown *const shown = context;

    shown->found[i]++;
    if (signal == SPOOL_TRACES)
        view_trace_add_span(&shown->traces[i], parts);
    else
        view_trace_add_log(&shown->traces[i], parts, foreign);
}

static unsigned width_of(bool terminal)
{
    const char *const columns = getenv("COLUMNS");
    unsigned long width = columns != NULL ? strtoul(columns, NULL, 10) : 0;
    struct winsize size;

    if (width == 0 && terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
        width = size.ws_col;
    if (width == 0)
        width = PLAIN_WIDTH;
    if (width < WATERFALL_WIDTH_MIN)
        return WATERFALL_WIDTH_MIN;
    return width > WATERFALL_WIDTH_MAX ? WATERFALL_WIDTH_MAX : (unsigned)width;
}

static struct waterfall_style style_of(const struct view_find_query *query)
{
    const bool terminal = isatty(STDOUT_FILENO) == 1;
    const char *const term = getenv("TERM"), *const plain = getenv("NO_COLOR");
    const bool few = query->by == VIEW_FIND_TRACE || query->by == VIEW_FIND_REQUEST;

    return (struct waterfall_style){
        .width = width_of(terminal),
        .utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0,
        .colours = terminal && (plain == NULL || plain[0] == '\0') && term != NULL &&
                   strcmp(term, "dumb") != 0,
        .all = few,
        .lines = few ? LINES_OF_FEW : LINES,
    };
}

/* Returns -1 if the pager has not shown them. */
static int print_traces(const struct view_run_options *options, const struct shown *shown,
                        size_t count)
{
    const struct waterfall_style style = style_of(&options->query);
    const pid_t pager = isatty(STDOUT_FILENO) == 1 ? pager_start() : 0;
    bool first = true;

    for (size_t i = 0; i < count && ferror(stdout) == 0; i++) {
        if (shown->found[i] == 0)
            continue;
        if (!first)
            (void)putchar('\n');
        first = false;
        view_trace_build(&shown->traces[i]);
        waterfall_print(stdout, &style, &shown->traces[i]);
    }
    return pager_wait(pager);
}

/* --- Looking --- */

static void say_not_read(const struct view_spool *spool)
{
    if (spool->error != 0)
        printable_error("microtrace view: not read: %s/%s: %s", instance_spool_dir(),
                        spool->error_file, instance_file_error(spool->error));
}

static int fail(const struct view_find_query *query, const struct view_spool *spool)
{
    static const char *const what[] = {
        [VIEW_FIND_TRACE] = "nothing of the trace ",
        [VIEW_FIND_REQUEST] = "no trace of the request ",
        [VIEW_FIND_SLOWEST] = "no span",
        [VIEW_FIND_ERRORS] = "no span that failed",
        [VIEW_FIND_LATEST] = "no span",
    };
    char looked[VIEW_TEXT_LOOKED_MAX];

    view_text_looked(looked, spool, instance_spool_dir());
    printable_error("microtrace view: %s%s%s", what[query->by], query->id != NULL ? query->id : "",
                    looked);
    say_not_read(spool);
    return COMMAND_FAILED;
}

/* Returns how many records were found, and prints them; *status is left if that works. */
static size_t show(const struct view_run_options *options, struct view_spool *spool,
                   const struct view_find_result *result, bool last, int *status)
{
    static struct view_trace traces[VIEW_FIND_MAX];
    static size_t found[VIEW_FIND_MAX];
    struct arena arena = {.max = MEMORY_MAX};
    struct json json = {.found = found};
    struct shown shown = {.traces = traces, .found = found};
    size_t all = 0;

    memset(found, 0, sizeof(found));
    for (size_t i = 0; i < result->ids.count; i++)
        view_trace_init(&traces[i], &arena, result->ids.ids[i]);
    if (options->json)
        view_find_records(spool, &result->ids, print_record, &json);
    else
        view_find_records(spool, &result->ids, add_record, &shown);
    for (size_t i = 0; i < result->ids.count; i++)
        all += found[i];
    if (!options->json && all > 0 && (last || !spool->vanished) &&
        print_traces(options, &shown, result->ids.count) != 0)
        *status = COMMAND_FAILED;
    for (size_t i = 0; i < result->ids.count; i++)
        view_trace_free(&traces[i]);
    arena_free(&arena);
    free(json.spans.hashes);
    return all;
}

int view_run(const struct view_run_options *options)
{
    static struct view_find_result result;
    struct view_spool spool;
    int status = COMMAND_OK;

    (void)setlocale(LC_CTYPE, "");
    for (int i = 1;; i++) {
        const bool last = i == LOOKS_MAX;
        size_t found = 0;
        bool again;

        if (view_spool_open(&spool, instance_spool_dir(), instance_run_dir()) != 0) {
            printable_error("microtrace view: %s: %s%s", instance_spool_dir(), strerror(errno),
                            instance_hint(errno == ENOENT));
            return COMMAND_FAILED;
        }
        view_find(&spool, &options->query, &result);
        /* What is printed can't be taken back: JSON is printed once. */
        again = spool.vanished && !last;
        if (!again) {
            found = show(options, &spool, &result, last || options->json, &status);
            again = spool.vanished && !last && !(options->json && found > 0);
        }
        if (!again && found == 0)
            status = fail(&options->query, &spool);
        else if (!again)
            say_not_read(&spool);
        view_spool_close(&spool);
        if (!again)
            return status;
    }
}
