#include "metrics-agent/export/segments_count.h"

#include "lib/spool/checkpoint.h"

uint64_t segments_count_known(const struct segment *segment)
{
    return segment->expected > segment->file.pending ? segment->expected : segment->file.pending;
}

static uint64_t count_on(struct segments *s, struct segment *segment, uint64_t budget)
{
    uint64_t looked;

    if (segment->file.counted >= segment->file.size ||
        segment->file.scanned >= segment->file.size || segment->suspect ||
        segment->file.unreadable || segments_list_open_file(s, segment) != 0)
        return 0;
    segments_list_before(s, segment);
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
