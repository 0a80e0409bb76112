#include "metrics-agent/export/segments.h"

#include "lib/base/clock.h"
#include "lib/base/message.h"
#include "lib/spool/listing.h"
#include "metrics-agent/export/segments_count.h"
#include "metrics-agent/export/segments_make.h"
#include "metrics-agent/export/segments_move.h"
#include "metrics-agent/export/segments_prints.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OLDEST_TRIES = 16 /* files in which the oldest record's time is looked for */ };

void segments_gone(struct segments *s, struct segment *segment)
{
    s->deleted += segments_count_known(segment);
    segments_list_forget(s, segment);
}

/* Goes on where the checkpoint left this file, if it is the same. */
static void resume(struct segments *s, struct segment *segment,
                   const struct checkpoint_signal *from)
{
    if (!spool_segment_started(&segment->file, from) || segments_list_open_file(s, segment) != 0)
        return;
    segments_list_before(s, segment);
    spool_segment_resume(&segment->file, segment->fd, from);
    (void)segments_prints_settled(segment);
    segments_list_after(s, segment);
    segments_list_close_file(s, segment);
}

/* Takes up the file at <signal>.jsonl where it is not the one we know. */
static void find_active(struct segments *s)
{
    struct segment new = {
        .file = {.seq = s->active_seq, .active = true, .in_memory = segments_active_in_memory(s)}};
    const int dir_fd = segments_list_dir(s, new.file.in_memory);
    const size_t before = s->unreadable;
    char name[SPOOL_FILES_NAME_MAX];

    spool_files_active(name, s->signal);
    new.fd = spool_segment_stat(&new.file, s->signal, dir_fd) == 0
                 ? spool_segment_open(&new.file, s->signal, dir_fd)
                 : -1;
    s->unreadable -= s->active_unreadable;
    s->active_unreadable = new.fd < 0 && errno != ENOENT;
    s->unreadable += s->active_unreadable;
    segments_list_say_unreadable(s, before, name, errno);
    if (new.fd >= 0 && segments_list_add(s, &new) == NULL)
        (void)close(new.fd);
}

/* Whether somebody may still be writing to a file that was put there. */
static bool being_copied(const struct spool_segment *file)
{
    const uint64_t now = clock_unix_ns();

    return !file->unreadable && file->written_ns <= now &&
           now - file->written_ns < clock_ms_to_ns(SEGMENTS_COPYING_MS);
}

/* Takes up a sealed segment that is not known yet. Returns NULL if it did not. */
static const struct segment *take_up(struct segments *s, const struct spool_listing_sealed *found,
                                     bool others)
{
    const uint64_t seq = found->seq;
    struct segment sealed = {
        .file = {.seq = seq, .in_memory = found->in_memory},
        .fd = -1,
        .copied = found->in_memory && found->on_disk ? segments_move_copied(s, found->seq) : 0};
    struct segment *const last = segments_list_active(s);
    const size_t before = s->unreadable;
    const struct segment *added;
    char name[SPOOL_FILES_NAME_MAX];
    int error = 0;

    if (spool_segment_stat(&sealed.file, s->signal, segments_list_dir(s, found->in_memory)) != 0)
        error = errno;
    sealed.file.unreadable = error != 0;
    if (error == ENOENT || (others && being_copied(&sealed.file)))
        return NULL;
    if (seq >= s->active_seq) {
        s->active_seq = seq + 1;
        if (last != NULL && s->held_seq == last->file.seq)
            s->held_seq = s->active_seq;
        if (last != NULL)
            last->file.seq = s->active_seq;
    }
    added = segments_list_add(s, &sealed);
    spool_files_sealed(name, s->signal, seq);
    segments_list_say_unreadable(s, before, name, error);
    return added;
}

/*
 * Brings the list and the directory together. With `others` all that is new was put there by
 * somebody else. Returns how many were new, or -1 with errno.
 */
static ssize_t scan(struct segments *s, bool others)
{
    struct spool_listing there;
    size_t i = 0, k = 0, added = 0;

    if (segments_move_list(s, &there) != 0)
        return -1;
    /* Without a checkpoint numbers would begin anew, and take those of kept files. */
    if (there.kept_count > 0 && there.kept[there.kept_count - 1].seq >= s->active_seq && !others)
        s->active_seq = there.kept[there.kept_count - 1].seq + 1;
    while (k < there.count || i < s->count) {
        struct segment *known = i < s->count ? &s->list[i] : NULL;

        if (known != NULL && known->file.active)
            known = NULL;
        if (known == NULL && k == there.count)
            break;
        if (known == NULL || (k < there.count && there.sealed[k].seq < known->file.seq)) {
            const struct segment *new = take_up(s, &there.sealed[k++], others);

            i += new != NULL;
            added += new != NULL && !new->file.unreadable;
        } else if (k < there.count && there.sealed[k].seq == known->file.seq) {
            k++;
            i++;
        } else if (known->fd < 0) {
            segments_gone(s, known);
        } else {
            i++;
        }
    }
    spool_listing_free(&there);
    return (ssize_t)added;
}

int segments_open(struct segments *s, enum spool_signal signal, const struct segments_dirs *dirs,
                  const struct checkpoint_signal *from)
{
    size_t i;

    /* A crash after the rename leaves the checkpoint's number to a file that is sealed by now. */
    *s = (struct segments){
        .signal = signal, .dirs = *dirs, .active_seq = from->active_seq > 0 ? from->active_seq : 1};
    if (scan(s, false) < 0) {
        segments_close(s);
        return -1;
    }
    segments_make_of_stray(s);
    find_active(s);
    for (i = 0; i < s->count; i++)
        resume(s, &s->list[i], from);
    return 0;
}

void segments_close(struct segments *s)
{
    while (s->count > 0)
        segments_list_forget(s, s->list);
    free(s->memory);
    *s = (struct segments){.signal = s->signal, .dirs = s->dirs};
}

void segments_replaced(struct segments *s, struct segment *segment, uint64_t in_hand)
{
    const uint64_t known = segments_count_known(segment);

    segments_list_before(s, segment);
    if (known > in_hand)
        s->deleted += known - in_hand;
    segment->file.offset = segment->file.counted = segment->file.pending = 0;
    segment->file.scanned = segment->file.in_line = 0;
    segment->sought = segment->expected = 0;
    segment->print_offset = segment->mark_offset = 0;
    segment->print_into = false;
    segment->suspect = false;
    segments_list_after(s, segment);
}

/* Someone else truncated the file, and it may have grown again since. */
static void truncated(struct segments *s, struct segment *segment)
{
    if (!segments_prints_has_settled(segment)) {
        segments_replaced(s, segment, 0);
        return;
    }
    /* What is settled is still there. */
    segments_list_before(s, segment);
    segment->suspect = false;
    segment->expected = segments_count_known(segment);
    segment->file.pending = segment->file.scanned = segment->sought = 0;
    segment->file.counted = segment->file.offset;
    segments_list_after(s, segment);
    (void)segments_count_some(s, segment, SEGMENTS_COUNT_BYTES);
}

bool segments_holds(struct segments *s, struct segment *segment, uint64_t offset, const char *bytes,
                    size_t len)
{
    char found[CHECKPOINT_PRINT_BYTES];

    assert(len <= sizeof found);
    return segments_list_open_file(s, segment) == 0 &&
           pread(segment->fd, found, len, (off_t)(offset - len)) == (ssize_t)len &&
           memcmp(found, bytes, len) == 0;
}

/* Looks at a file that may have grown. Returns false where it is gone. */
static bool look(struct segments *s, struct segment *segment)
{
    const uint64_t size = segment->file.size;

    if (segments_list_open_file(s, segment) != 0)
        return errno != ENOENT;
    segments_list_before(s, segment);
    spool_segment_look(&segment->file, segment->fd);
    if (segment->file.size < size)
        segment->file.scanned = segment->sought = 0;
    else
        s->grown += segment->file.size - size;
    if (segment->file.size != size)
        segment->suspect = segment->suspect || !segments_prints_has_settled(segment) ||
                           !segments_prints_has_counted(segment);
    segments_list_after(s, segment);
    if (segment->suspect && segment->file.seq != s->held_seq)
        truncated(s, segment);
    else
        segments_count_final(s, segment);
    segments_list_close_file(s, segment);
    return true;
}

/* Each of them costs a descriptor until its last writer lets go of it. */
static void limit_nameless(struct segments *s)
{
    size_t i;

    for (i = 0; i < s->count && s->sums.nameless > SEGMENTS_NAMELESS_MAX;) {
        if (s->list[i].nameless && s->list[i].file.seq != s->held_seq)
            segments_gone(s, &s->list[i]);
        else
            i++;
    }
}

/* Whether the active file that we know is still the one at the path. */
static void check_active(struct segments *s)
{
    struct segment *last = segments_list_active(s);
    char name[SPOOL_FILES_NAME_MAX];
    struct stat status;

    if (last == NULL)
        return;
    spool_files_active(name, s->signal);
    if (fstatat(segments_list_dir(s, last->file.in_memory), name, &status, AT_SYMLINK_NOFOLLOW) == 0
            ? status.st_ino == last->file.inode
            : errno != ENOENT)
        return;
    segments_list_before(s, last);
    last->file.active = false;
    last->nameless = true;
    segments_list_after(s, last);
    s->active_seq = last->file.seq + 1;
    message_print("%s was moved away by someone else; reading it to its end", name);
    limit_nameless(s);
}

/* Looks at the segment if it may grow. Returns whether it may. */
static bool look_if_growing(struct segments *s, struct segment *segment)
{
    if (segment->file.final && !segment->suspect)
        return false;
    if (!segment->file.unreadable && !look(s, segment))
        segments_gone(s, segment);
    return true;
}

void segments_refresh(struct segments *s)
{
    size_t i, growing, looked = 0;
    struct segment *active;

    check_active(s);
    segments_make_of_stray(s);
    if (segments_list_active(s) == NULL)
        find_active(s);
    active = segments_list_active(s);
    if (active != NULL)
        (void)look_if_growing(s, active);
    growing = s->sums.growing - (segments_list_active(s) != NULL);
    i = s->look_seq != 0 ? segments_list_from(s, s->look_seq) : s->count;
    /* The newest first: those that grow are among them. */
    s->looks_left = false;
    while (i-- > 0 && looked < growing) {
        struct segment *segment = &s->list[i];
        const uint64_t seq = segment->file.seq;

        if (segment->file.active)
            continue;
        if (looked == SEGMENTS_LOOK_FILES) {
            s->look_seq = seq + 1;
            s->looks_left = true;
            return;
        }
        looked += look_if_growing(s, segment);
    }
    s->look_seq = 0;
}

void segments_rescan(struct segments *s)
{
    ssize_t added = scan(s, true);
    size_t i, left = s->unreadable;

    if (added < 0)
        message_print("the spool's directory can't be read: %s", strerror(errno));
    if (added > 0)
        message_print("%zd sealed segments of %s were put there by someone else; they are sent too",
                      added, spool_signal_names[s->signal]);
    for (i = 0; i < s->count && s->sums.stays > 0; i++) {
        segments_list_before(s, &s->list[i]);
        s->list[i].stays = false;
        segments_list_after(s, &s->list[i]);
    }
    for (i = s->count; i-- > 0 && left > 0;) {
        if (!s->list[i].file.unreadable)
            continue;
        left--;
        if (!look(s, &s->list[i]))
            segments_gone(s, &s->list[i]);
    }
}

int segments_seal(struct segments *s)
{
    struct segment *last = segments_list_active(s);
    uint64_t seq;

    assert(last != NULL);
    seq = last->file.seq;
    /* Somebody else's had the highest number there is; once it is gone we begin anew. */
    if (seq > SPOOL_FILES_SEQ_MAX)
        seq = s->count > 1 ? last[-1].file.seq + 1 : 1;
    for (;; seq++) {
        if (seq > SPOOL_FILES_SEQ_MAX) {
            errno = ERANGE;
            return -1;
        }
        if (segments_make_sealed(s, last->file.in_memory, seq) == 0)
            break;
        if (errno != EEXIST)
            return -1;
    }
    if (s->held_seq == last->file.seq)
        s->held_seq = seq;
    last->file.seq = seq;
    last->file.active = false;
    s->active_seq = seq + 1;
    segments_list_close_file(s, last);
    return 0;
}

/* Returns 0, or -1 where the file stays; that is said once, until one can be deleted again. */
static int unlink_file(struct segments *s, const struct segment *segment)
{
    char name[SPOOL_FILES_NAME_MAX];

    const int dir_fd = segments_list_dir(s, segment->file.in_memory);

    spool_files_sealed(name, s->signal, segment->file.seq);
    segments_count_forget(s, segment);
    /* First the copy: without the original it would be somebody else's. */
    if (segment->copied > 0 && !segment->nameless)
        (void)unlinkat(s->dirs.disk_fd, name, 0);
    if (segment->nameless || unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT) {
        s->undeletable = false;
        return 0;
    }
    if (!s->undeletable)
        message_print("%s can't be deleted, trying again: %s", name, strerror(errno));
    s->undeletable = true;
    return -1;
}

void segments_remove(struct segments *s, struct segment *segment)
{
    if (unlink_file(s, segment) == 0) {
        segments_list_forget(s, segment);
        return;
    }
    /* Forgotten, it would be found again, and sent again as somebody else's. */
    segments_list_before(s, segment);
    segment->stays = true;
    segments_list_after(s, segment);
}

int segments_give_up(struct segments *s, struct segment *segment)
{
    if (segments_list_open_file(s, segment) != 0)
        return -1;
    if (unlink_file(s, segment) != 0) {
        segments_list_close_file(s, segment);
        return -1;
    }
    segments_list_before(s, segment);
    segment->nameless = segment->given_up = true;
    segments_list_after(s, segment);
    limit_nameless(s);
    return 0;
}

void segments_settle(struct segments *s, struct segment *segment, uint64_t offset, uint64_t records,
                     uint64_t in_line)
{
    struct spool_segment *file = &segment->file;

    segments_list_before(s, segment);
    if (file->counted >= offset) {
        /* Fewer can be known only where someone else has changed the file under us. */
        file->pending -= records < file->pending ? records : file->pending;
    } else {
        file->pending = 0;
        file->counted = offset;
        file->scanned = 0;
    }
    segment->expected -= records < segment->expected ? records : segment->expected;
    if (file->offset != offset)
        segment->sought = 0;
    file->offset = offset;
    file->in_line = (uint32_t)in_line;
    segments_list_after(s, segment);
}

uint64_t segments_take_deleted(struct segments *s)
{
    uint64_t deleted = s->deleted;

    s->deleted = 0;
    return deleted;
}

uint64_t segments_take_grown(struct segments *s)
{
    const uint64_t grown = s->grown;

    s->grown = 0;
    return grown;
}

uint64_t segments_oldest_ns(struct segments *s)
{
    uint64_t oldest = 0;
    size_t i, tries = 0;

    for (i = 0; i < s->count && oldest == 0 && s->sums.pending > 0 && tries < OLDEST_TRIES; i++) {
        struct segment *segment = &s->list[i];

        if (segment->file.pending == 0)
            continue;
        tries++;
        if (segments_list_open_file(s, segment) != 0)
            continue;
        oldest = spool_segment_oldest_ns(&segment->file, s->signal, segment->fd);
        segments_list_close_file(s, segment);
    }
    return oldest;
}

void segments_save(struct segments *s, struct checkpoint_signal *into)
{
    size_t i = s->count, left = s->sums.started;

    into->active_seq = s->active_seq;
    into->cursor_count = 0;
    /* The newest first: where there are too many, the fewest bytes are sent again. */
    while (i-- > 0 && left > 0 && into->cursor_count < CHECKPOINT_CURSORS) {
        struct segment *segment = &s->list[i];

        if (segment->file.offset == 0 && segment->file.in_line == 0)
            continue;
        left--;
        if (segments_prints_take(s, segment) != 0)
            continue;
        into->cursors[into->cursor_count++] =
            (struct checkpoint_cursor){.seq = segment->file.seq,
                                       .inode = segment->file.inode,
                                       .offset = segment->file.offset,
                                       .print = segment->print,
                                       .in_line = segment->file.in_line};
    }
}
