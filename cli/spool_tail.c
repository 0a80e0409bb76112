#include "cli/spool_tail.h"

#include "cli/command.h"
#include "cli/instance.h"
#include "cli/spool_print.h"
#include "lib/base/printable.h"
#include "lib/spool/reader.h"
#include "view/spool_view.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    SOURCES_MAX = 512, /* the newest files */
    RECENT = 256,      /* spans that may turn out to belong to a request */
    LOOK_MS = 100,
    BEGINNING_BYTES = 512,
};

/* A file that is read; it stays open, so its inode is its own. */
struct source {
    struct spool_cursor at; /* its descriptor is -1 for a free entry */
    uint64_t inode;
    bool active;
};

/* Where a record is. */
struct place {
    int source;
    uint32_t length;
    uint64_t offset;
    enum spool_line_kind kind;
};

/* The newest places; `next` counts all that ever went in. */
struct ring {
    struct place *places;
    size_t room, next;
};

struct tailer {
    const struct spool_tail_options *options;
    const char *dir;
    struct spool_print_filter filter;
    struct source sources[SOURCES_MAX];
    uint64_t last_seq; /* the newest sealed segment that was seen */
    struct ring found; /* the last of history; not used any more once we follow */
    struct place recent_places[RECENT];
    struct ring recent;
    bool following, terminal, colours;
    bool failed; /* something could not be read, and that was said */
};

/* Of the one tailer; too large for anything but static memory, of which what is not used is free.
 */
static struct spool_reader reader;
static char whole_line[SPOOL_LINE_MAX];

static void push(struct ring *ring, const struct place *place)
{
    if (ring->room > 0)
        ring->places[ring->next++ % ring->room] = *place;
}

/* Number `i` of those in the ring, oldest first; NULL after the newest. */
static struct place *ring_at(struct ring *ring, size_t i)
{
    const size_t first = ring->next > ring->room ? ring->next - ring->room : 0;

    return first + i < ring->next ? &ring->places[(first + i) % ring->room] : NULL;
}

/* Says why something can't be read, once: followed files are tried again and again. */
static void fail(struct tailer *t, const char *what)
{
    if (!t->failed)
        printable_error("microtrace spool: %s: %s", what, strerror(errno));
    t->failed = true;
}

/* The record at the place, in the tailer's buffer; nothing if it is gone or can't be read. */
static struct text record_at(struct tailer *t, const struct place *place)
{
    const int fd = t->sources[place->source].at.fd;
    ssize_t got;

    if (fd < 0 || place->length > sizeof(whole_line))
        return (struct text){NULL, 0};
    got = pread(fd, whole_line, place->length, (off_t)place->offset);
    if (got < 0)
        fail(t, "a record can't be read");
    return got == (ssize_t)place->length ? (struct text){whole_line, place->length}
                                         : (struct text){NULL, 0};
}

static void print_place(struct tailer *t, const struct place *place)
{
    struct text record = {NULL, 0};

    if (place->kind == SPOOL_LINE_RECORD) {
        record = record_at(t, place);
        if (record.at != NULL && t->options->json)
            spool_print_json(stdout, record, t->terminal);
        else if (record.at != NULL)
            spool_print_record(stdout, &t->filter, t->options->signal, record, t->colours);
        return;
    }
    if (t->options->json)
        return;
    printf("(%s: %lu bytes that are no record; microtrace spool verify shows where)\n",
           place->kind == SPOOL_LINE_TORN ? "torn" : spool_line_reason(place->kind),
           (unsigned long)place->length);
}

static void accept_place(struct tailer *t, const struct place *place)
{
    if (t->following)
        print_place(t, place);
    else
        push(&t->found, place);
}

/* Spans before the one that told us their trace's id: a request's spans are written together. */
static void accept_recent(struct tailer *t)
{
    struct place *place;

    for (size_t i = 0; (place = ring_at(&t->recent, i)) != NULL; i++) {
        struct text record = {NULL, 0};

        if (place->length > 0)
            record = record_at(t, place);
        if (record.at == NULL ||
            spool_print_match(&t->filter, t->options->signal, record) == SPOOL_PRINT_NO)
            continue;
        accept_place(t, place);
        place->length = 0;
    }
}

static void take_item(struct tailer *t, int source, const struct spool_line *item)
{
    const struct place place = {.source = source,
                                .length = item->length,
                                .offset = reader.base + item->start,
                                .kind = (enum spool_line_kind)item->kind};
    const bool all = t->options->trace == NULL && t->options->request == NULL;
    const struct text record = {reader.window + item->start, item->length};

    if (item->kind != SPOOL_LINE_RECORD) {
        if (all)
            accept_place(t, &place);
        return;
    }
    switch (spool_print_match(&t->filter, t->options->signal, record)) {
    case SPOOL_PRINT_LEARNED:
        accept_recent(t);
        accept_place(t, &place);
        break;
    case SPOOL_PRINT_YES:
        accept_place(t, &place);
        break;
    case SPOOL_PRINT_NO:
        push(&t->recent, &place);
        break;
    }
}

/* Takes all complete lines from the source's offset on. */
static void read_source(struct tailer *t, int index)
{
    struct spool_cursor *const at = &t->sources[index].at;
    struct stat status;
    int result;

    if (fstat(at->fd, &status) == 0 && (uint64_t)status.st_size < at->offset)
        *at = (struct spool_cursor){.fd = at->fd}; /* someone else has truncated it */
    at->limit = UINT64_MAX;
    reader.signal = t->options->signal;
    while ((result = spool_reader_next(&reader, at, false)) > 0) {
        for (size_t i = 0; i < reader.batch.count; i++)
            take_item(t, index, &reader.batch.items[i]);
    }
    if (result < 0)
        fail(t, "a file can't be read");
}

static bool known_inode(const struct tailer *t, uint64_t inode)
{
    for (int i = 0; i < SOURCES_MAX; i++) {
        if (t->sources[i].at.fd >= 0 && t->sources[i].inode == inode)
            return true;
    }
    return false;
}

/*
 * Whether the source is the same file in the other tier: the agent has moved it there since the
 * last look. No two segments begin alike: there are ids and times in each line.
 */
static bool was_moved(const struct source *s, int fd)
{
    char before[BEGINNING_BYTES], now[BEGINNING_BYTES];
    const ssize_t got = pread(fd, now, sizeof(now), 0);

    return got > 0 && now[0] != '\0' && pread(s->at.fd, before, (size_t)got, 0) == got &&
           memcmp(before, now, (size_t)got) == 0;
}

static bool known_content(const struct tailer *t, const struct spool_view *view,
                          const struct spool_segment *segment)
{
    bool known = false;
    int fd;

    if (segment->in_memory || view->memory_fd < 0)
        return false;
    fd = spool_segment_open(segment, t->options->signal, view->dir_fd);
    for (int i = 0; fd >= 0 && !known && i < SOURCES_MAX; i++)
        known = t->sources[i].at.fd >= 0 && was_moved(&t->sources[i], fd);
    if (fd >= 0)
        (void)close(fd);
    return known;
}

/* Opens a segment as a source. Returns its index, or -1. */
static int add_source(struct tailer *t, const struct spool_view *view,
                      const struct spool_segment *segment)
{
    for (int i = 0; i < SOURCES_MAX; i++) {
        struct source *const s = &t->sources[i];

        if (s->at.fd >= 0)
            continue;
        *s = (struct source){
            .at.fd = spool_segment_open(segment, t->options->signal, spool_view_dir(view, segment)),
            .active = segment->active};
        s->inode = segment->inode;
        return s->at.fd >= 0 ? i : -1;
    }
    return -1;
}

static void see_numbers(struct tailer *t, const struct spool_view_signal *signal)
{
    for (size_t i = 0; i < signal->count; i++) {
        if (!signal->list[i].active && signal->list[i].seq > t->last_seq)
            t->last_seq = signal->list[i].seq;
    }
}

/* The first file that has to be read for `last` lines without a filter. */
static size_t first_needed(const struct tailer *t, const struct spool_view_signal *signal)
{
    const bool all = t->options->trace == NULL && t->options->request == NULL;
    size_t first = signal->count > SOURCES_MAX / 2 ? signal->count - SOURCES_MAX / 2 : 0;
    uint64_t lines = 0;

    for (size_t i = signal->count; all && i-- > first;) {
        lines += signal->list[i].pending;
        if (lines >= t->options->last)
            return i;
    }
    return first;
}

static void say_closed(struct tailer *t, const struct spool_segment *segment)
{
    /* ENOENT after a failed look: that was not its inode. */
    const char *const why = errno == ENOENT ? "can't be looked at" : strerror(errno);
    char name[SPOOL_FILES_NAME_MAX];

    spool_segment_name(name, t->options->signal, segment);
    printable_error("microtrace spool: %s: %s", name, why);
    t->failed = true;
}

/* Reads what is there and prints the last of it. */
static int print_history(struct tailer *t)
{
    struct spool_view view;
    struct spool_view_signal *const signal = &view.signals[t->options->signal];
    struct place *place;

    if (spool_view_open(&view, t->dir, instance_run_dir()) != 0)
        return -1;
    /* All lines, not only those that wait. */
    for (size_t i = 0; i < signal->count; i++)
        signal->list[i].offset = 0;
    spool_view_count(&view, t->options->signal);
    see_numbers(t, signal);
    for (size_t i = first_needed(t, signal); i < signal->count; i++) {
        const int index = add_source(t, &view, &signal->list[i]);

        if (index >= 0)
            read_source(t, index);
        /* Not if it was delivered and deleted meanwhile. */
        else if (errno != ENOENT || signal->list[i].unreadable)
            say_closed(t, &signal->list[i]);
    }
    spool_view_close(&view);
    for (size_t i = 0; (place = ring_at(&t->found, i)) != NULL; i++)
        print_place(t, place);
    return 0;
}

/* New files since the last look: sealed ones with higher numbers, and the active one. */
static void find_new_files(struct tailer *t)
{
    struct spool_view view;
    struct spool_view_signal *const signal = &view.signals[t->options->signal];
    const uint64_t last_seq = t->last_seq;

    if (spool_view_open(&view, t->dir, instance_run_dir()) != 0)
        return; /* it may come back */
    for (size_t i = 0; i < signal->count; i++) {
        const struct spool_segment *segment = &signal->list[i];

        if ((segment->active || segment->seq > last_seq) && !known_inode(t, segment->inode) &&
            !known_content(t, &view, segment))
            (void)add_source(t, &view, segment);
    }
    see_numbers(t, signal);
    spool_view_close(&view);
}

/* Whether the file at the path is not the one that we read as the active one. */
static bool active_changed(const struct tailer *t, const char *path)
{
    struct stat status;
    const bool there = stat(path, &status) == 0;

    for (int i = 0; i < SOURCES_MAX; i++) {
        const struct source *s = &t->sources[i];

        if (s->at.fd >= 0 && s->active)
            return !there || s->inode != status.st_ino;
    }
    return there;
}

/* One look at everything that is followed. A file is done with when no writer holds it any more. */
static void look(struct tailer *t)
{
    for (int i = 0; i < SOURCES_MAX; i++) {
        struct source *const s = &t->sources[i];
        bool held;

        if (s->at.fd < 0)
            continue;
        /* In this order: what a writer appended before it let go is read below. */
        held = s->active || spool_segment_held(s->at.fd);
        read_source(t, i);
        if (!held) {
            (void)close(s->at.fd);
            s->at.fd = -1;
        }
    }
}

/*
 * Until the next look, or a new file: in a busy spool one is sealed, delivered and deleted within a
 * look's time. Appends are not asked for, since each would cost its writer an event.
 */
static void wait_for_look(int notify_fd)
{
    struct pollfd ready = {.fd = notify_fd, .events = POLLIN};
    char events[4096];

    if (poll(&ready, 1, LOOK_MS) <= 0)
        return;
    while (read(notify_fd, events, sizeof(events)) > 0)
        continue;
}

static int follow(struct tailer *t)
{
    /* Without it poll waits for the time alone, as it ignores -1. */
    const int notify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

    char path[SPOOL_PATH_MAX], name[SPOOL_FILES_NAME_MAX];

    spool_files_active(name, t->options->signal);
    (void)snprintf(path, sizeof(path), "%s/%s", t->dir, name);
    t->following = true;
    if (notify_fd >= 0)
        (void)inotify_add_watch(notify_fd, t->dir, IN_CREATE | IN_MOVED_TO);
    for (;;) {
        if (active_changed(t, path)) {
            for (int i = 0; i < SOURCES_MAX; i++)
                t->sources[i].active = false;
            find_new_files(t);
        }
        look(t);
        if (fflush(stdout) != 0)
            break;
        wait_for_look(notify_fd);
    }
    if (notify_fd >= 0)
        (void)close(notify_fd);
    return COMMAND_FAILED;
}

int spool_tail_run(const struct spool_tail_options *options)
{
    static struct tailer t;
    const char *term = getenv("TERM");
    int result = COMMAND_OK;

    t = (struct tailer){.options = options,
                        .dir = instance_spool_dir(),
                        .filter = {.trace = options->trace, .request = options->request}};
    t.recent = (struct ring){.places = t.recent_places, .room = RECENT};
    t.found = (struct ring){.places = calloc(options->last + 1, sizeof(*t.found.places)),
                            .room = options->last};
    if (t.found.places == NULL) {
        printable_error("microtrace spool: out of memory");
        return COMMAND_FAILED;
    }
    for (int i = 0; i < SOURCES_MAX; i++)
        t.sources[i].at.fd = -1;
    t.terminal = isatty(STDOUT_FILENO) == 1;
    t.colours =
        t.terminal && getenv("NO_COLOR") == NULL && term != NULL && strcmp(term, "dumb") != 0;
    if (print_history(&t) != 0) {
        printable_error("microtrace spool: %s: %s%s", t.dir, strerror(errno),
                        instance_hint(errno == ENOENT));
        result = COMMAND_FAILED;
    } else if (fflush(stdout) != 0 || (t.failed && !options->follow)) {
        result = COMMAND_FAILED;
    } else if (options->follow) {
        result = follow(&t);
    }
    for (int i = 0; i < SOURCES_MAX; i++) {
        if (t.sources[i].at.fd >= 0)
            (void)close(t.sources[i].at.fd);
    }
    free(t.found.places);
    return result;
}
