#include "metrics-agent/export/segments_list.h"

#include "lib/base/instance_file.h"
#include "lib/base/message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROOM_FIRST = 16 };

bool segments_active_in_memory(const struct segments *s)
{
    return s->dirs.memory_fd >= 0 && !s->dirs.leaving_memory;
}

int segments_list_dir(const struct segments *s, bool in_memory)
{
    return in_memory ? s->dirs.memory_fd : s->dirs.disk_fd;
}

uint64_t segments_list_waiting(const struct segment *segment)
{
    const uint64_t safe =
        segment->file.offset > segment->copied ? segment->file.offset : segment->copied;

    return segment->file.in_memory && segment->file.size > safe ? segment->file.size - safe : 0;
}

/* Every change of a segment stands between these two, so that the sums stay true. */
static void sum(struct segments *s, const struct segment *segment, uint64_t by)
{
    s->sums.pending += by * segment->file.pending;
    s->sums.bytes += by * (segment->given_up || segment->stays ? 0 : segment->file.size);
    s->sums.memory += by * (segment->file.in_memory && segment->file.size > segment->punched
                                ? segment->file.size - segment->punched
                                : 0);
    s->sums.memory_waiting += by * segments_list_waiting(segment);
    s->sums.in_memory += by * segment->file.in_memory;
    s->sums.growing += by * (!segment->file.final || segment->suspect);
    s->sums.started += by * ((segment->file.offset > 0 || segment->file.in_line > 0));
    s->sums.done += by * segments_list_done(segment);
    s->sums.nameless += by * segment->nameless;
    s->sums.given_up += by * segment->given_up;
    s->sums.stays += by * segment->stays;
    s->unreadable += by * segment->file.unreadable;
}

void segments_list_before(struct segments *s, const struct segment *segment)
{
    sum(s, segment, (uint64_t)-1);
}

void segments_list_after(struct segments *s, const struct segment *segment)
{
    sum(s, segment, 1);
}

/* Makes room behind the last segment; the list moves on in its memory as the first ones leave. */
static int make_room(struct segments *s)
{
    const size_t start = s->room > 0 ? (size_t)(s->list - s->memory) : 0;

    if (start + s->count < s->room)
        return 0;
    if (start <= s->room / 2) {
        const size_t room = s->room == 0 ? ROOM_FIRST : s->room * 2;
        struct segment *memory = reallocarray(s->memory, room, sizeof *memory);

        if (memory == NULL)
            return -1;
        s->memory = memory;
        s->room = room;
        s->list = memory + start;
        return 0;
    }
    memmove(s->memory, s->list, s->count * sizeof *s->list);
    s->list = s->memory;
    return 0;
}

struct segment *segments_list_add(struct segments *s, const struct segment *segment)
{
    size_t at = s->count;

    if (make_room(s) != 0)
        return NULL;
    while (at > 0 && s->list[at - 1].file.seq > segment->file.seq)
        at--;
    memmove(&s->list[at + 1], &s->list[at], (s->count - at) * sizeof *s->list);
    s->list[at] = *segment;
    s->count++;
    segments_list_after(s, segment);
    return &s->list[at];
}

void segments_list_forget(struct segments *s, struct segment *segment)
{
    const size_t at = (size_t)(segment - s->list);

    segments_list_before(s, segment);
    if (segment->fd >= 0)
        (void)close(segment->fd);
    s->count--;
    /* The shorter side moves: the oldest go first, and there may be a hundred thousand. */
    if (at < s->count - at) {
        memmove(s->list + 1, s->list, at * sizeof *segment);
        s->list++;
    } else {
        memmove(segment, segment + 1, (s->count - at) * sizeof *segment);
    }
}

struct segment *segments_list_active(struct segments *s)
{
    struct segment *last = s->count > 0 ? &s->list[s->count - 1] : NULL;

    return last != NULL && last->file.active ? last : NULL;
}

bool segments_list_done(const struct segment *segment)
{
    return segment->file.final && !segment->stays && segment->file.offset >= segment->file.size;
}

size_t segments_list_from(const struct segments *s, uint64_t seq)
{
    size_t low = 0, high = s->count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (s->list[middle].file.seq < seq)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct segment *segments_list_find(struct segments *s, uint64_t seq)
{
    const size_t at = segments_list_from(s, seq);

    return at < s->count && s->list[at].file.seq == seq ? &s->list[at] : NULL;
}

/* Says it for the first of a signal's files that can't be opened, and when all can be again. */
void segments_list_say_unreadable(const struct segments *s, size_t before, const char *name,
                                  int error)
{
    if (before == 0 && s->unreadable > 0)
        message_print("%s can't be opened: %s; looking again every few seconds, at others like it "
                      "too",
                      name, instance_file_error(error));
    else if (before > 0 && s->unreadable == 0)
        message_print("%s: all files can be opened again", spool_signal_names[s->signal]);
}

static void set_unreadable(struct segments *s, struct segment *segment, bool unreadable, int error)
{
    char name[SPOOL_FILES_NAME_MAX];
    const size_t before = s->unreadable;

    segments_list_before(s, segment);
    segment->file.unreadable = unreadable;
    segments_list_after(s, segment);
    spool_segment_name(name, s->signal, &segment->file);
    segments_list_say_unreadable(s, before, name, error);
}

int segments_list_open_file(struct segments *s, struct segment *segment)
{
    if (segment->fd >= 0)
        return 0;
    segment->fd = spool_segment_open(&segment->file, s->signal,
                                     segments_list_dir(s, segment->file.in_memory));
    if (segment->fd < 0 && errno == ENOENT)
        return -1;
    if (segment->file.unreadable != (segment->fd < 0))
        set_unreadable(s, segment, segment->fd < 0, errno);
    return segment->fd < 0 ? -1 : 0;
}

void segments_list_close_file(struct segments *s, struct segment *segment)
{
    if (segment->fd < 0 || segment->file.active || segment->nameless ||
        segment->file.seq == s->held_seq)
        return;
    (void)close(segment->fd);
    segment->fd = -1;
}

void segments_list_hold(struct segments *s, struct segment *segment)
{
    struct segment *before = segments_list_find(s, s->held_seq);

    s->held_seq = segment != NULL ? segment->file.seq : 0;
    if (before != NULL)
        segments_list_close_file(s, before);
}
