#include "metrics-agent/export/importer.h"

#include "lib/base/clock.h"
#include "lib/base/instance_file.h"
#include "lib/base/message.h"
#include "metrics-agent/export/importer_commit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <zlib.h>

enum {
    STEP_BYTES = 1 << 20,  /* of all files together; one longer line may go beyond */
    STEP_FILES = 64,       /* that a step reads from */
    WAITING_MAX = 4 << 20, /* bytes that wait to be sent, beyond which nothing is added */
    WAITING_SHARE = 16,    /* the same, as a part of the spool's limit */
    ROOM_MIN = 64 << 10,   /* less is not worth a step */
    DISK_MIN = 128 << 10,  /* that is left free on the file system */
    PASS_MS = 100,         /* between two passes, at least */
    PASS_PART = 20,        /* of the time goes to passes, at most */
    RETRY_MS = 1000,       /* after a step that failed, and while the spool has no room */
    IDLE_MS = 5000,        /* without a line, after which a segment is let go */
    DRAIN_FAILURES_MAX = 3,
};

int importer_open(struct importer *im, struct exporter *exporters)
{
    const struct exporter_shared *const shared = exporters[0].shared;
    const uint64_t limit = shared->settings->telemetry.spool_max_bytes / SPOOL_OWN_SIGNALS;

    memset(im, 0, sizeof *im);
    im->exporters = exporters;
    im->line_max = limit < SPOOL_LINE_MAX ? limit : SPOOL_LINE_MAX;
    im->wanted = true;
    im->settled_ns = UINT64_MAX;
    for (int i = 0; i < SPOOL_SIGNALS; i++) {
        im->on = im->on || exporters[i].transfer != NULL;
        import_segment_init(&im->segments[i], &exporters[i]);
    }
    if (!im->on)
        return 0;
    im->text = malloc(CHECKPOINT_PRINT_BYTES + SPOOL_LINE_MAX + 1);
    im->out = malloc(SPOOL_LINE_MAX + 2);
    if (im->text != NULL && im->out != NULL &&
        import_files_open(&im->files, shared->dirs.disk_fd, clock_monotonic_ns()) == 0) {
        importer_commit_begin(im);
        /* At the first start there is none. */
        im->files.missing = im->files.missing && shared->checkpoint->state.generation > 0;
        return 0;
    }
    message_print("out of memory");
    importer_close(im);
    return -1;
}

void importer_release(struct importer *im)
{
    for (int i = 0; im->on && i < SPOOL_SIGNALS; i++)
        import_segment_release(&im->segments[i]);
}

void importer_close(struct importer *im)
{
    importer_release(im);
    import_files_close(&im->files);
    free(im->text);
    free(im->out);
    im->text = im->out = NULL;
    im->on = false;
}

void importer_notify(struct importer *im)
{
    im->wanted = true;
}

/* Bytes that may be added to the signal's spool now. */
static uint64_t room_of(struct exporter *e)
{
    uint64_t most = e->shared->settings->telemetry.spool_max_bytes / WAITING_SHARE, waiting = 0;

    most = most > WAITING_MAX ? WAITING_MAX : most < 2 * ROOM_MIN ? 2 * ROOM_MIN : most;
    segments_refresh(&e->segments);
    for (size_t i = 0; i < e->segments.count && waiting < most; i++) {
        const struct segment *const segment = &e->segments.list[i];

        if (!segment->file.unreadable && !segment->given_up &&
            segment->file.size > segment->file.offset)
            waiting += segment->file.size - segment->file.offset;
    }
    return most >= waiting + ROOM_MIN ? most - waiting : 0;
}

/* `consumed` bytes of the text, which begins `back` bytes into what was read, are taken. */
static void advance(struct importer *im, size_t i, size_t back, size_t consumed)
{
    struct import_cursor *const cursor = &im->files.cursors->items[i];
    size_t print;

    if (consumed == 0)
        return;
    importer_commit_note(im, i);
    cursor->offset += consumed;
    print =
        cursor->offset < CHECKPOINT_PRINT_BYTES ? (size_t)cursor->offset : CHECKPOINT_PRINT_BYTES;
    cursor->print =
        (uint32_t)crc32(0, (const unsigned char *)im->text + back + consumed - print, (uInt)print);
    cursor->head = 0;
    im->files.changed = true;
}

/* The checkpoint's room, and what writers of our own programs may need, stays free. */
static bool has_space(const struct importer *im, size_t bytes)
{
    struct statvfs disk;

    return fstatvfs(im->files.dir_fd, &disk) != 0 || disk.f_blocks == 0 ||
           disk.f_bavail * disk.f_frsize >= bytes + DISK_MIN;
}

/* Returns 0, or -1 with errno and nothing added. */
static int add_lines(struct importer *im, struct import_segment *segment, uint64_t now_ns)
{
    if (!has_space(im, im->lines.len)) {
        errno = ENOSPC;
        return -1;
    }
    if (!import_segment_usable(segment)) {
        /* What is in the one before can't be taken back any more. */
        if (importer_commit_step(im) != 0 || import_segment_begin(segment) != 0)
            return -1;
        im->files.changed = true;
        if (importer_commit_step(im) != 0)
            return -1;
    }
    return import_segment_add(segment, im->out, im->lines.len, now_ns);
}

/* Returns 0, or -1 if the lines are not in the spool. */
static int append(struct importer *im, size_t i, size_t back, uint64_t now_ns)
{
    const enum spool_signal signal = im->files.cursors->items[i].signal;

    if (add_lines(im, &im->segments[signal], now_ns) == 0) {
        advance(im, i, back, im->lines.consumed);
        exporter_notify(&im->exporters[signal], now_ns);
        return 0;
    }
    if (im->failures == 0 && !im->save_failed)
        message_print("%s of other programs' files can't be added to the spool (%s); they wait",
                      spool_signal_names[signal],
                      errno == ENOSPC ? "no_space" : instance_file_error(errno));
    return -1;
}

/* Reads `len` bytes of the file before and behind `at`, or what there is. */
static ssize_t read_at(int fd, char *into, size_t len, uint64_t at)
{
    size_t have = 0;
    ssize_t got;

    do {
        got = pread(fd, into + have, len - have, (off_t)(at + have));
        if (got > 0)
            have += (size_t)got;
    } while (have < len && (got > 0 || (got < 0 && errno == EINTR)));
    return got < 0 ? -1 : (ssize_t)have;
}

/* What was read begins with what the cursor remembers of the file. */
static bool fits(const struct import_cursor *cursor, const char *text, size_t got, size_t back)
{
    const size_t print = cursor->offset > 0 ? back : cursor->head;

    return got >= print &&
           (uint32_t)crc32(0, (const unsigned char *)text, (uInt)print) == cursor->print;
}

/* The rest of a line that is too long goes by. */
static void skip(struct importer *im, size_t i, size_t back, size_t len)
{
    const char *const text = im->text + back;
    const char *const newline = memchr(text, '\n', len);

    importer_commit_note(im, i);
    if (newline != NULL)
        im->files.cursors->items[i].skipping = false;
    advance(im, i, back, newline != NULL ? (size_t)(newline - text) + 1 : len);
}

static void begin_skipping(struct importer *im, size_t i, size_t back, size_t len)
{
    struct import_cursor *const cursor = &im->files.cursors->items[i];

    import_files_say(&im->files, cursor->name, "has a line that is too long and is left out", 0);
    importer_commit_note(im, i);
    im->lost[cursor->signal]++;
    cursor->skipping = true;
    advance(im, i, back, len);
}

/* From when on a last line that has no newline counts as whole. */
static uint64_t settled_at(const struct import_file *file)
{
    return file->changed_ns + clock_ms_to_ns(IMPORT_FILES_SETTLED_MS);
}

/* The text ended at the file's end: what is left has no newline yet. */
static void set_waiting(struct importer *im, size_t i, bool rest, uint64_t now_ns)
{
    struct import_file *const file = &im->files.items[i];
    const uint64_t settled_ns = settled_at(file);

    file->behind = false;
    file->waiting = rest && now_ns < settled_ns;
    if (rest && !file->waiting)
        import_files_say(&im->files, im->files.cursors->items[i].name,
                         "ends in a piece of a line, which waits for its newline", 0);
    if (file->waiting && settled_ns < im->settled_ns)
        im->settled_ns = settled_ns;
}

/* Bytes at the file's start that only say that it is UTF-8; RFC 8259, section 8.1. */
static size_t byte_order_mark(const struct import_cursor *cursor, const char *text, size_t len)
{
    static const char mark[] = "\xef\xbb\xbf";

    return cursor->offset == 0 && len >= sizeof mark - 1 && memcmp(text, mark, sizeof mark - 1) == 0
               ? sizeof mark - 1
               : 0;
}

/*
 * Reads up to `budget` bytes of a file, or one line where that is longer, and appends the lines.
 * *used is set to the bytes read. Returns 0, or -1 if nothing can be appended now.
 */
static int take(struct importer *im, size_t i, size_t budget, uint64_t now_ns, size_t *used)
{
    struct import_cursor *const cursor = &im->files.cursors->items[i];
    struct import_file *const file = &im->files.items[i];
    const size_t back =
        cursor->offset < CHECKPOINT_PRINT_BYTES ? (size_t)cursor->offset : CHECKPOINT_PRINT_BYTES;
    const bool settled = now_ns >= settled_at(file);
    const int fd = import_files_fd(&im->files, i);
    size_t asked = budget < im->line_max ? budget : (size_t)im->line_max, len = 0, mark;
    ssize_t got;

    *used = 0;
    if (fd < 0)
        return 0;
    for (;;) {
        got = read_at(fd, im->text, back + asked, cursor->offset - back);
        if (got < 0) {
            import_files_failed(&im->files, i, errno);
            return 0;
        }
        if (!fits(cursor, im->text, (size_t)got, back)) {
            (void)import_files_replaced(&im->files, i);
            return 0;
        }
        *used = (size_t)got;
        len = (size_t)got - back;
        if (cursor->skipping && len > 0) {
            skip(im, i, back, len);
            return 0;
        }
        mark = byte_order_mark(cursor, im->text + back, len);
        import_lines_cut(&im->lines, im->text + back + mark, len - mark, settled && len < asked,
                         im->out);
        im->lines.consumed += im->lines.consumed > 0 ? mark : 0;
        if (im->lines.consumed > 0 || len < asked || asked > im->line_max)
            break;
        asked = (size_t)im->line_max + 1;
    }
    if (im->lines.consumed == 0 && len > im->line_max) {
        begin_skipping(im, i, back, len);
        return 0;
    }
    if (len < asked && im->lines.count < IMPORT_LINES_MAX)
        set_waiting(im, i, im->lines.consumed < len, now_ns);
    if (im->lines.count > 0) {
        const int result = append(im, i, back, now_ns);

        file->behind = file->behind || result != 0;
        return result;
    }
    advance(im, i, back, im->lines.consumed);
    return 0;
}

/* Last lines that have been waiting for their newline long enough are looked at. */
static void look_at_waiting(struct importer *im, uint64_t now_ns)
{
    if (now_ns < im->settled_ns)
        return;
    im->settled_ns = UINT64_MAX;
    for (size_t i = 0; i < im->files.cursors->count; i++) {
        struct import_file *const file = &im->files.items[i];
        const uint64_t at_ns = settled_at(file);

        if (file->waiting && now_ns >= at_ns)
            file->behind = true;
        else if (file->waiting && at_ns < im->settled_ns)
            im->settled_ns = at_ns;
    }
}

/* A segment that nothing was added to for a while may be deleted. Returns when to look again. */
static uint64_t let_go(struct importer *im, bool idle, uint64_t now_ns)
{
    const uint64_t idle_ns = im->exporters[0].shared->drain && idle ? 0 : clock_ms_to_ns(IDLE_MS);
    uint64_t next = UINT64_MAX;

    for (int i = 0; i < SPOOL_SIGNALS; i++) {
        struct import_segment *const segment = &im->segments[i];

        if (segment->fd < 0)
            continue;
        if (now_ns >= segment->used_ns + idle_ns) {
            import_segment_release(segment);
            exporter_notify(&im->exporters[i], now_ns);
        } else if (segment->used_ns + idle_ns < next) {
            next = segment->used_ns + idle_ns;
        }
    }
    return next;
}

/* One step through the files in turn. Returns when the next is due. */
static uint64_t step(struct importer *im, uint64_t now_ns)
{
    const size_t count = im->files.cursors->count;
    size_t budget = STEP_BYTES, files = 0;
    bool looked[SPOOL_SIGNALS] = {false}, blocked = false;
    int result = importer_commit_step(im); /* what is new, or an earlier step could not write */

    for (size_t n = 0; n < count && result == 0 && budget > 0 && files < STEP_FILES; n++) {
        const size_t i = im->turn < im->files.cursors->count ? im->turn : 0;
        enum spool_signal signal;
        size_t used;

        im->turn = i + 1;
        if (im->files.cursors->count == 0)
            break;
        signal = im->files.cursors->items[i].signal;
        if (!im->files.items[i].behind || im->exporters[signal].transfer == NULL)
            continue;
        if (!looked[signal])
            im->room[signal] = room_of(&im->exporters[signal]);
        looked[signal] = true;
        if (im->room[signal] < ROOM_MIN) {
            blocked = true;
            continue;
        }
        result = take(im, i, budget < im->room[signal] ? budget : (size_t)im->room[signal], now_ns,
                      &used);
        budget -= used < budget ? used : budget;
        im->room[signal] -= used < im->room[signal] ? used : im->room[signal];
        files++;
    }
    if (importer_commit_step(im) != 0 || result != 0) {
        importer_release(im); /* on a full disk what is delivered can be deleted */
        im->failures++;
        im->retry_ns = now_ns + clock_ms_to_ns(RETRY_MS);
        return im->retry_ns;
    }
    if (im->failures > 0 && (files > 0 || !blocked)) {
        message_print("other programs' files are read again");
        im->failures = 0;
    }
    return files > 0 ? now_ns : blocked ? now_ns + clock_ms_to_ns(RETRY_MS) : UINT64_MAX;
}

static void look(struct importer *im, uint64_t now_ns)
{
    const bool first = im->files.dir == NULL;
    bool over;

    if (first) {
        im->wanted = false;
        im->cost_ns = 0;
    }
    over = import_files_look(&im->files, now_ns);
    im->cost_ns += clock_monotonic_ns() - now_ns;
    if (!over)
        return;
    if (!im->passed && im->files.missing && im->files.cursors->count > 0)
        message_print(SPOOL_FILES_IMPORTS " is missing; %zu files of other programs are read from "
                                          "their starts, whatever was sent of them",
                      im->files.cursors->count);
    im->passed = true;
    im->pass_ns = now_ns + clock_ms_to_ns(PASS_MS);
    if (im->pass_ns < now_ns + PASS_PART * im->cost_ns)
        im->pass_ns = now_ns + PASS_PART * im->cost_ns;
}

uint64_t importer_run(struct importer *im, uint64_t now_ns)
{
    uint64_t next = UINT64_MAX, idle;

    if (!im->on)
        return UINT64_MAX;
    if (im->files.dir != NULL || (im->wanted && now_ns >= im->pass_ns))
        look(im, now_ns);
    look_at_waiting(im, now_ns);
    next = now_ns >= im->retry_ns ? step(im, now_ns) : im->retry_ns;
    idle = let_go(im, next > now_ns, now_ns);
    next = idle < next ? idle : next;
    if (im->files.dir != NULL)
        return now_ns;
    if (im->wanted && im->pass_ns < next)
        next = im->pass_ns;
    return im->settled_ns < next ? im->settled_ns : next;
}

void importer_publish(const struct importer *im)
{
    for (int i = 0; i < SPOOL_SIGNALS; i++) {
        uint64_t bytes = 0, unreadable = 0;

        if (im->on && im->exporters[i].transfer != NULL)
            import_files_sum(&im->files, (enum spool_signal)i, &bytes, &unreadable);
        agent_metrics_import(im->exporters[i].shared->metrics, (enum spool_signal)i, bytes,
                             unreadable);
    }
}

int importer_drained(const struct importer *im)
{
    if (!im->on)
        return 1;
    if (im->failures >= DRAIN_FAILURES_MAX)
        return -1;
    for (size_t i = 0; i < im->files.cursors->count; i++) {
        if (im->files.items[i].behind &&
            im->exporters[im->files.cursors->items[i].signal].transfer != NULL)
            return 0;
    }
    return im->passed && im->failures == 0 ? 1 : 0;
}
