#include "lib/spool/lines.h"

#include "lib/base/json_scan.h"
#include "lib/base/json_walk.h"

#include <assert.h>
#include <string.h>

/* A batch that is being cut. */
struct cut {
    struct spool_lines *batch;
    enum spool_signal signal;
    const char *window;
    uint32_t skip;                   /* records of the line to pass over */
    struct text line;                /* the one in hand */
    uint64_t counted;                /* what it counts for, all of it */
    bool torn;                       /* it began with a torn piece: that was looked up before */
    size_t first;                    /* the first item of it */
    size_t recent;                   /* the head that was used last */
    const struct spool_head *around; /* of the record before, in the walk through this line */
    struct text list;                /* of the record before */
    size_t lists;                    /* that the line has */
    bool headed;                     /* the head of the list in hand is found */
    bool full;                       /* an item of this line found no room */
};

const char *spool_lines_prefix(enum spool_signal signal)
{
    switch (signal) {
    case SPOOL_TRACES:
        return "{\"resourceSpans\":[";
    case SPOOL_LOGS:
        return "{\"asctime\":";
    default:
        return "{\"resourceMetrics\":[";
    }
}

const char *spool_line_reason(enum spool_line_kind kind)
{
    switch (kind) {
    case SPOOL_LINE_CONTROL:
        return "control";
    case SPOOL_LINE_UTF8:
        return "utf8";
    case SPOOL_LINE_OVERSIZE:
        return "oversize";
    case SPOOL_LINE_REFUSED:
        return "refused";
    case SPOOL_LINE_RECORD:
    case SPOOL_LINE_TORN:
    case SPOOL_LINE_MALFORMED:
        break;
    }
    return "malformed";
}

uint32_t spool_lines_open(const struct spool_lines *batch, uint32_t skip)
{
    uint32_t open = batch->consumed == 0 ? skip : 0;
    size_t i = batch->count;

    while (i > 0 && !batch->items[i - 1].last)
        open += batch->items[--i].records;
    return open;
}

static bool begins(struct text text, const char *prefix)
{
    const size_t len = strlen(prefix);

    return text.len >= len && memcmp(text.at, prefix, len) == 0;
}

/* --- Counting ------------------------------------------------------------------------------- */

static void count_record(void *context, const struct spool_record *record)
{
    *(uint64_t *)context += record->count;
}

/* A log line of our own form, whatever the order of its members. */
static bool is_log(enum spool_signal signal, struct text line)
{
    return signal == SPOOL_LOGS && json_walk_get(line, "asctime").at != NULL;
}

/* A span has one; its links, events and attributes have none. */
static uint64_t count_starts(struct text line)
{
    static const char key[] = "\"startTimeUnixNano\":";
    const char *at = line.at, *const end = line.at + line.len;
    uint64_t count = 0;

    while ((at = memmem(at, (size_t)(end - at), key, sizeof(key) - 1)) != NULL) {
        at += sizeof(key) - 1;
        count++;
    }
    return count;
}

/*
 * What a line that looks like ours counts for, 0 if it has to be walked through. Of spans the times
 * are counted, which is four times as fast as telling them apart.
 */
static uint64_t count_ours(enum spool_signal signal, struct text line)
{
    if (signal == SPOOL_METRICS || !begins(line, spool_lines_prefix(signal)))
        return 0;
    return signal == SPOOL_LOGS ? 1 : count_starts(line);
}

/* What a line counts for. */
static uint64_t count_line(enum spool_signal signal, struct text line)
{
    uint64_t count = count_ours(signal, line);

    if (count > 0)
        return count;
    if (json_scan_line(line.at, line.len) == JSON_SCAN_OBJECT &&
        spool_records_walk(signal, line, count_record, &count) == 0 &&
        (count > 0 || !is_log(signal, line)))
        return count;
    return 1;
}

uint64_t spool_lines_count(enum spool_signal signal, const char *text, size_t len, size_t *after)
{
    const char *at = text, *const end = text + len, *newline;
    uint64_t count = 0;

    while (at < end && (newline = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        const char *const start = json_scan_blank(at, newline);

        if (start < newline)
            count += count_line(signal, (struct text){start, (size_t)(newline - start)});
        at = newline + 1;
    }
    *after = (size_t)(at - text);
    return count;
}

uint64_t spool_lines_lost(enum spool_signal signal, const char *text, size_t len, size_t wrote)
{
    size_t after;
    const uint64_t all = spool_lines_count(signal, text, len, &after);
    uint64_t there = spool_lines_count(signal, text, wrote, &after);

    if (after < wrote)
        there += count_line(signal, (struct text){text + after, wrote - after});
    return there < all ? all - there : 0;
}

/* --- Cutting -------------------------------------------------------------------------------- */

/* Adds an item; it is taken for one before the last of its line, see end_line. */
static bool add(struct cut *cut, enum spool_line_kind kind, struct text text, uint64_t records)
{
    struct spool_lines *const batch = cut->batch;

    if (batch->count == SPOOL_LINES_MAX) {
        cut->full = true;
        return false;
    }
    batch->items[batch->count++] = (struct spool_line){
        .start = (uint32_t)(text.at - cut->window),
        .length = (uint32_t)text.len,
        .end = (uint32_t)(cut->line.at - cut->window),
        .line_start = (uint32_t)(cut->line.at - cut->window),
        .line_length = (uint32_t)cut->line.len,
        .records = records < UINT32_MAX ? (uint32_t)records : UINT32_MAX,
        .kind = (uint8_t)kind,
    };
    return true;
}

/* Everything up to `end` is covered; of a line without its newline nothing was counted. */
static void end_line(struct cut *cut, size_t end, bool newline)
{
    struct spool_lines *const batch = cut->batch;

    if (batch->count > cut->first) {
        struct spool_line *const item = &batch->items[batch->count - 1];

        item->end = (uint32_t)end;
        item->last = true;
        if (newline)
            item->counted = cut->counted < UINT32_MAX ? (uint32_t)cut->counted : UINT32_MAX;
    }
    batch->consumed = end;
}

/* Adds a record below head number `head`, or one that has none; none after one without room. */
static void add_record(struct cut *cut, struct text text, uint32_t records,
                       enum spool_line_form form, size_t head)
{
    const bool fits = text.len <= SPOOL_LINES_RECORD_MAX;

    if (!cut->torn)
        cut->counted += records;
    if (cut->skip > 0) {
        cut->skip -= records < cut->skip ? records : cut->skip;
        return;
    }
    if (cut->full || !add(cut, fits ? SPOOL_LINE_RECORD : SPOOL_LINE_OVERSIZE, text, records))
        return;
    cut->batch->items[cut->batch->count - 1].form = (uint8_t)form;
    cut->batch->items[cut->batch->count - 1].head = (uint16_t)head;
}

static bool same(struct text a, struct text b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static bool same_head(const struct spool_head *a, const struct spool_head *b)
{
    return same(a->resource[0], b->resource[0]) && same(a->resource[1], b->resource[1]) &&
           same(a->scope[0], b->scope[0]) && same(a->scope[1], b->scope[1]);
}

/* Makes the head the one in use; the batch is full where there is no room for it. */
static void find_head(struct cut *cut, const struct spool_head *around)
{
    struct spool_lines *const batch = cut->batch;

    if (cut->recent < batch->head_count && same_head(&batch->heads[cut->recent].around, around))
        return;
    if (batch->head_count == SPOOL_LINES_HEADS_MAX) {
        cut->full = true;
        return;
    }
    cut->recent = batch->head_count++;
    batch->heads[cut->recent] = (struct spool_lines_head){.around = *around};
}

static void take_record(void *context, const struct spool_record *record)
{
    struct cut *const cut = context;

    if (record->head == NULL) {
        cut->lists += 2; /* there is more in the line than a list */
        add_record(cut, record->text, record->count, SPOOL_FORM_ELEMENT, 0);
        return;
    }
    if (record->list.at != cut->list.at) {
        cut->list = record->list;
        cut->lists++;
        cut->headed = false;
    }
    /* A head that only records have which are passed over takes no room from the others. */
    if (cut->skip == 0 && !cut->full && !cut->headed) {
        find_head(cut, record->head);
        cut->headed = true;
    }
    add_record(cut, record->text, record->count, SPOOL_FORM_RECORD, cut->recent);
}

/* Takes back what was taken of a line that is not what it seemed to be. */
static void undo(struct cut *cut, size_t count, size_t head_count, uint32_t skip)
{
    if (!cut->torn)
        cut->counted = 0;
    cut->batch->count = count;
    cut->batch->head_count = head_count;
    cut->skip = skip;
    cut->full = false;
}

/*
 * A line that says the same around its only list as another did before. That one was taken apart by
 * its grammar, so this one needs a look at its records alone; and these end where the other's did.
 */
static bool take_known(struct cut *cut, struct text line, const struct spool_lines_head *head)
{
    const size_t around = head->prefix.len + head->suffix.len;
    const char *at = line.at + head->prefix.len, *const end = line.at + line.len - head->suffix.len;
    const size_t count = cut->batch->count;
    const uint32_t skip = cut->skip;

    if (around == 0 || line.len <= around ||
        memcmp(line.at, head->prefix.at, head->prefix.len) != 0 ||
        memcmp(end, head->suffix.at, head->suffix.len) != 0)
        return false;
    for (;;) {
        const char *const stop = json_scan_object(at, end);

        if (stop == NULL || (stop < end && *stop != ','))
            break;
        add_record(cut, (struct text){at, (size_t)(stop - at)}, 1, SPOOL_FORM_RECORD,
                   (size_t)(head - cut->batch->heads));
        if (stop == end)
            return true;
        at = stop + 1;
    }
    undo(cut, count, cut->batch->head_count, skip);
    return false;
}

static bool take_like_another(struct cut *cut, struct text line)
{
    struct spool_lines *const batch = cut->batch;

    if (cut->signal == SPOOL_METRICS)
        return false; /* what they count for has to be looked up */
    if (batch->head_count > 0 && take_known(cut, line, &batch->heads[cut->recent]))
        return true;
    for (size_t i = 0; i < batch->head_count; i++) {
        if (i != cut->recent && take_known(cut, line, &batch->heads[i])) {
            cut->recent = i;
            return true;
        }
    }
    return false;
}

/* A line in OTLP's JSON. Returns -1 if it is none. */
static int take_records(struct cut *cut, struct text line)
{
    struct spool_lines *const batch = cut->batch;
    uint64_t starts;
    const size_t count = batch->count, head_count = batch->head_count;
    const uint32_t skip = cut->skip;

    cut->list = (struct text){NULL, 0};
    cut->lists = 0;
    cut->headed = false;
    if (spool_records_walk(cut->signal, line, take_record, cut) != 0) {
        undo(cut, count, head_count, skip);
        return -1;
    }
    /* As spool_lines_count has it, which walks only through the others. */
    if (!cut->torn && (starts = count_ours(cut->signal, line)) > 0)
        cut->counted = starts;
    if (cut->lists == 1 && cut->headed && !cut->full) {
        struct spool_lines_head *const head = &batch->heads[cut->recent];
        const char *const list_end = cut->list.at + cut->list.len - 1;

        head->prefix = (struct text){line.at, (size_t)(cut->list.at + 1 - line.at)};
        head->suffix = (struct text){list_end, (size_t)(line.at + line.len - list_end)};
    }
    return 0;
}

/* One complete line. Returns what is wrong with it, or SPOOL_LINE_RECORD. */
static enum spool_line_kind take_line(struct cut *cut, struct text line)
{
    const char *const prefix = spool_lines_prefix(cut->signal);
    const bool ours = begins(line, prefix);

    if (line.len >= SPOOL_LINE_MAX)
        return SPOOL_LINE_OVERSIZE;
    if (take_like_another(cut, line))
        return SPOOL_LINE_RECORD;
    switch (json_scan_line(line.at, line.len)) {
    case JSON_SCAN_OBJECT:
        break;
    case JSON_SCAN_CUT:
        /* A writer begins its next write with a newline after a short one. */
        return ours || (line.len < strlen(prefix) && memcmp(line.at, prefix, line.len) == 0)
                   ? SPOOL_LINE_TORN
                   : SPOOL_LINE_MALFORMED;
    case JSON_SCAN_CONTROL:
        return SPOOL_LINE_CONTROL;
    case JSON_SCAN_UTF8:
        return SPOOL_LINE_UTF8;
    case JSON_SCAN_MALFORMED:
        return SPOOL_LINE_MALFORMED;
    }
    if (!(cut->signal == SPOOL_LOGS && ours)) {
        const bool otlp = take_records(cut, line) == 0;

        if (otlp && (cut->lists > 0 || !is_log(cut->signal, line)))
            return SPOOL_LINE_RECORD;
        if (!otlp && !is_log(cut->signal, line))
            return SPOOL_LINE_MALFORMED;
    }
    add_record(cut, line, 1, SPOOL_FORM_LINE, 0);
    return SPOOL_LINE_RECORD;
}

/*
 * The last item is a torn piece of a line: it has its share of what the line was counted as, since
 * it may be settled before the rest.
 */
static void take_share(struct cut *cut)
{
    struct spool_line *const piece = &cut->batch->items[cut->batch->count - 1];
    const uint64_t share = piece->records < cut->counted ? piece->records : cut->counted;

    piece->counted = (uint32_t)share;
    cut->counted -= share;
}

/*
 * The line as it stands holds no record. If another record starts inside it, appended behind a torn
 * one, separates the two. Returns the offset at which to continue.
 */
static size_t add_broken(struct cut *cut, struct text line, size_t end, enum spool_line_kind kind,
                         bool newline)
{
    const char *const prefix = spool_lines_prefix(cut->signal);
    const char *inner = NULL;
    uint64_t records = 0;

    if (line.len > 1)
        inner = memmem(line.at + 1, line.len - 1, prefix, strlen(prefix));
    if (inner == NULL || !cut->torn)
        records = count_line(cut->signal, line);
    if (!cut->torn)
        cut->counted = newline ? records : 0;
    if (inner != NULL) {
        kind = SPOOL_LINE_TORN;
        end = (size_t)(inner - cut->window);
        line.len = (size_t)(inner - line.at);
        cut->line.len = line.len;
        records = count_line(cut->signal, line);
    }
    if (add(cut, kind, line, records)) {
        end_line(cut, end, newline && inner == NULL);
        if (inner != NULL)
            take_share(cut);
    }
    cut->torn = inner != NULL;
    return end;
}

void spool_lines_split(struct spool_lines *batch, enum spool_signal signal, const char *window,
                       size_t len, uint32_t skip, bool complete)
{
    struct cut cut = {.batch = batch, .signal = signal, .window = window, .skip = skip};
    size_t at = 0;

    assert(len <= UINT32_MAX);
    batch->count = batch->head_count = batch->consumed = 0;
    batch->overlong = false;
    while (at < len && batch->count < SPOOL_LINES_MAX) {
        const char *newline = memchr(window + at, '\n', len - at);
        const size_t stop = newline != NULL ? (size_t)(newline - window) : len;
        const size_t end = newline != NULL ? stop + 1 : len;
        const char *const start = json_scan_blank(window + at, window + stop);
        enum spool_line_kind kind;

        if (newline == NULL && !complete) {
            batch->overlong = at == 0;
            return;
        }
        cut.line = (struct text){start, (size_t)(window + stop - start)};
        cut.first = batch->count;
        if (!cut.torn)
            cut.counted = 0;
        if (cut.line.len == 0) {
            batch->consumed = at = end;
            continue;
        }
        batch->consumed = (size_t)(start - window);
        kind = take_line(&cut, cut.line);
        if (cut.full)
            return;
        if (newline == NULL && kind != SPOOL_LINE_RECORD)
            kind = SPOOL_LINE_TORN;
        if (kind == SPOOL_LINE_RECORD) {
            end_line(&cut, at = end, newline != NULL);
            cut.torn = false;
        } else {
            at = add_broken(&cut, cut.line, end, kind, newline != NULL);
        }
        cut.skip = 0;
    }
}
