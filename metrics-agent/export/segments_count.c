#include "metrics-agent/export/segments_count.h"

#include "lib/spool/checkpoint.h"
#include "lib/telemetry.h"

#include <sys/stat.h>

enum {
    TALLY_TRIES = 16,       /* to find no writer between its write and its addition to the tally */
    TALLY_BEHIND = 1 << 16, /* bytes by which these may be behind; others wrote what is more */
};

uint64_t segments_count_known(const struct segment *segment)
{
    return segment->expected > segment->file.pending ? segment->expected : segment->file.pending;
}

static _Atomic uint64_t *tallies(const struct segments *s)
{
    return s->words != NULL && s->signal < SPOOL_OWN_SIGNALS
               ? metrics_words_at(s->words, TELEMETRY_TALLIES(s->signal))
               : NULL;
}

/*
 * Takes the writers' word for the number of records, where it covers all of the file. The tally is
 * read first: what it has was in the file by then, so a size that is equal has no more than that.
 */
static bool count_by_tally(struct segments *s, struct segment *segment)
{
    const _Atomic uint64_t *const words = tallies(s);
    uint64_t bytes, records;
    struct stat status;

    if (words == NULL || segment->file.offset > 0 || segment->file.in_line > 0 ||
        segment->expected > 0)
        return false;
    for (int try = 0; try < TALLY_TRIES; try++) {
        if (!spool_tally_get(words, segment->file.inode, &bytes, &records) ||
            fstat(segment->fd, &status) != 0 || (uint64_t)status.st_size < bytes ||
            (uint64_t)status.st_size - bytes > TALLY_BEHIND)
            return false;
        if ((uint64_t)status.st_size > bytes)
            continue;
        segment->file.pending = records;
        segment->file.counted = bytes;
        segment->file.scanned = 0;
        return true;
    }
    return false;
}

void segments_count_final(struct segments *s, struct segment *segment)
{
    if (!segment->file.final || segment->suspect || segment->fd < 0 ||
        segment->file.counted >= segment->file.size)
        return;
    segments_list_before(s, segment);
    if (count_by_tally(s, segment))
        segments_count_forget(s, segment);
    segments_list_after(s, segment);
}

void segments_count_forget(struct segments *s, const struct segment *segment)
{
    _Atomic uint64_t *const words = tallies(s);

    if (words != NULL)
        spool_tally_clear(words, segment->file.inode);
}

static uint64_t count_on(struct segments *s, struct segment *segment, uint64_t budget)
{
    uint64_t looked = 0;

    if (segment->file.counted >= segment->file.size ||
        segment->file.scanned >= segment->file.size || segment->suspect ||
        segment->file.unreadable || segments_list_open_file(s, segment) != 0)
        return 0;
    segments_list_before(s, segment);
    if (!count_by_tally(s, segment))
        looked = spool_segment_count(&segment->file, s->signal, segment->fd, budget);
    segments_list_after(s, segment);
    segment->mark_offset =
        checkpoint_fingerprint(segment->fd, segment->file.counted, false, &segment->mark) == 0
            ? segment->file.counted
            : 0;
    segments_list_close_file(s, segment);
    return looked > SEGMENTS_COUNT_FILE_BYTES ? looked : SEGMENTS_COUNT_FILE_BYTES;
}

uint64_t segments_count_some(struct segments *s, struct segment *segment, uint64_t budget)
{
    const uint64_t looked = count_on(s, segment, budget);

    if (segment->expected > 0 && looked < budget && !segment->suspect &&
        !segment->file.unreadable) {
        s->deleted += segments_count_known(segment) - segment->file.pending;
        segment->expected = 0;
    }
    return looked;
}

uint64_t segments_count_lines(struct segments *s, uint64_t budget)
{
    uint64_t looked = 0;
    size_t i;

    for (i = 0; i < s->count && looked < budget; i++)
        looked += segments_count_some(s, &s->list[i], budget - looked);
    return looked;
}

bool segments_count_whole(struct segments *s, struct segment *segment)
{
    if (segments_count_some(s, segment, SEGMENTS_COUNT_BYTES) >= SEGMENTS_COUNT_BYTES)
        return false;
    if (segment->file.final && segment->file.counted < segment->file.size) {
        segments_list_before(s, segment);
        segment->file.pending++;
        segment->file.counted = segment->file.size;
        segment->file.scanned = 0;
        segments_list_after(s, segment);
    }
    return true;
}
