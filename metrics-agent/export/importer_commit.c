#include "metrics-agent/export/importer_commit.h"

#include "lib/base/message.h"
#include "lib/spool/files.h"
#include "lib/spool/writer.h"

#include <errno.h>
#include <string.h>

void importer_commit_begin(struct importer *im)
{
    struct agent_metrics *const metrics = im->exporters[0].shared->metrics;

    for (int i = 0; i < SPOOL_SIGNALS; i++) {
        struct import_spooled *const spooled = &im->files.cursors->spooled[i];
        uint64_t known = 0, counted = 0;

        if (spooled->lost > 0 &&
            agent_metrics_lost(metrics, (enum spool_signal)i, SPOOL_OVERSIZE, &known)) {
            counted = known > spooled->lost_before ? known - spooled->lost_before : 0;
            if (counted < spooled->lost)
                agent_metrics_lose(metrics, (enum spool_signal)i, SPOOL_OVERSIZE,
                                   spooled->lost - counted);
        }
        im->files.changed = im->files.changed || spooled->seq > 0 || spooled->lost > 0;
        *spooled = (struct import_spooled){0};
    }
}

void importer_commit_note(struct importer *im, size_t i)
{
    const struct import_cursor *const cursor = &im->files.cursors->items[i];
    struct import_file *const file = &im->files.items[i];

    if (file->moved)
        return;
    file->moved = true;
    file->moved_offset = cursor->offset;
    file->moved_head = cursor->head;
    file->moved_print = cursor->print;
    file->moved_skipping = cursor->skipping;
}

static int save(struct importer *im)
{
    const int result = import_cursors_write(im->files.cursors, im->files.dir_fd);
    if (result != 0 && !im->save_failed)
        message_print(SPOOL_FILES_IMPORTS " can't be written, other programs' files wait: %s",
                      strerror(errno));
    im->save_failed = result != 0;
    im->files.changed = result != 0;
    return result;
}

/* The lines of the step are taken back, and the places in the files that they are from. */
static void take_back(struct importer *im)
{
    for (int i = 0; i < SPOOL_SIGNALS; i++) {
        struct import_segment *const segment = &im->segments[i];

        im->lost[i] = 0;
        if (import_segment_back(segment) == 0)
            continue;
        message_print("%s of other programs can't be taken back from the spool (%s); they are sent "
                      "twice",
                      spool_signal_names[i], strerror(errno));
        import_segment_release(segment);
    }
    for (size_t i = 0; i < im->files.cursors->count; i++) {
        struct import_cursor *const cursor = &im->files.cursors->items[i];
        struct import_file *const file = &im->files.items[i];

        if (!file->moved)
            continue;
        cursor->offset = file->moved_offset;
        cursor->head = file->moved_head;
        cursor->print = file->moved_print;
        cursor->skipping = file->moved_skipping;
        file->moved = false;
        file->behind = true;
    }
}

int importer_commit_step(struct importer *im)
{
    struct import_cursors *const cursors = im->files.cursors;
    struct agent_metrics *const metrics = im->exporters[0].shared->metrics;

    if (!im->files.changed)
        return 0;
    for (int i = 0; i < SPOOL_SIGNALS; i++) {
        struct import_spooled *const spooled = &cursors->spooled[i];

        import_segment_note(&im->segments[i], spooled);
        spooled->lost = im->lost[i];
        spooled->lost_before = 0;
        if (spooled->lost > 0)
            (void)agent_metrics_lost(metrics, (enum spool_signal)i, SPOOL_OVERSIZE,
                                     &spooled->lost_before);
    }
    if (save(im) != 0) {
        take_back(im);
        return -1;
    }
    for (int i = 0; i < SPOOL_SIGNALS; i++) {
        import_segment_keep(&im->segments[i]);
        if (im->lost[i] == 0)
            continue;
        agent_metrics_lose(metrics, (enum spool_signal)i, SPOOL_OVERSIZE, im->lost[i]);
        im->lost[i] = cursors->spooled[i].lost = 0;
        im->files.changed = true;
    }
    for (size_t i = 0; i < cursors->count; i++)
        im->files.items[i].moved = false;
    return 0;
}
