#include "cli/spool_verify.h"

#include "cli/command.h"
#include "cli/instance.h"
#include "lib/base/json_walk.h"
#include "lib/base/json_writer.h"
#include "lib/base/printable.h"
#include "lib/spool/reader.h"
#include "view/spool_view.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT_MAX = 512, JSON_MAX = 8192 };

/* What was found in one file, or in all. */
struct tally {
    unsigned long long records, wrong, files;
};

static struct spool_reader reader;
static bool as_json;

static void print_wrong(const char *file, uint64_t offset, const char *text)
{
    char line[JSON_MAX];
    struct json_writer w;

    if (!as_json) {
        printf("%s:%llu: %s\n", file, (unsigned long long)offset, text);
        return;
    }
    json_writer_init(&w, line, sizeof(line));
    json_writer_begin_object(&w);
    json_writer_key_string(&w, "file", file);
    json_writer_key_uint(&w, "offset", offset);
    json_writer_key_string(&w, "wrong", text);
    json_writer_end_object(&w);
    printf("%.*s\n", (int)w.len, line);
}

static void print_sum(const char *signal, const struct tally *tally)
{
    char line[JSON_MAX];
    struct json_writer w;

    if (!as_json) {
        printf("%s: %llu files, %llu good records, %llu wrong\n", signal, tally->files,
               tally->records, tally->wrong);
        return;
    }
    json_writer_init(&w, line, sizeof(line));
    json_writer_begin_object(&w);
    json_writer_key_string(&w, "signal", signal);
    json_writer_key_uint(&w, "files", tally->files);
    json_writer_key_uint(&w, "good_records", tally->records);
    json_writer_key_uint(&w, "wrong_records", tally->wrong);
    json_writer_end_object(&w);
    printf("%.*s\n", (int)w.len, line);
}

__attribute__((format(printf, 4, 5))) static void wrong(struct tally *tally, const char *file,
                                                        uint64_t offset, const char *format, ...)
{
    char text[TEXT_MAX];
    va_list arguments;

    tally->wrong++;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    print_wrong(file, offset, text);
}

/* A record whose own bytes are fine to the agent, but which an endpoint may not be able to parse.
 */
static void check_record(struct tally *tally, const char *file, uint64_t offset, struct text record,
                         uint32_t records)
{
    struct json_fault fault;

    if (json_walk_valid(record, false, &fault))
        tally->records += records;
    else
        wrong(tally, file, offset, "not JSON: %s at byte %zu of the record", fault.what, fault.at);
}

static void check_item(struct tally *tally, enum spool_signal signal, const char *file,
                       const struct spool_line *item)
{
    const uint64_t offset = reader.base + item->start;
    const unsigned long long length = item->length;
    const char *const line = reader.window + item->start;
    struct json_fault fault;

    switch ((enum spool_line_kind)item->kind) {
    case SPOOL_LINE_RECORD:
        check_record(tally, file, offset, (struct text){line, item->length}, item->records);
        break;
    case SPOOL_LINE_TORN:
        /* Without a newline of its own the next record stands in the same line. */
        if (item->end == item->start + item->length && item->end < reader.batch.consumed)
            wrong(tally, file, offset,
                  "joined: a record torn after %llu bytes, and the next one "
                  "in the same line",
                  length);
        else
            wrong(tally, file, offset, "torn: %llu bytes of a record without its end", length);
        break;
    case SPOOL_LINE_MALFORMED:
    case SPOOL_LINE_REFUSED:
        if (json_walk_valid((struct text){line, item->length}, false, &fault))
            wrong(tally, file, offset, "not a record: JSON, but neither %s nor a list \"%s\"",
                  spool_lines_prefix(signal), spool_signal_words[signal].resources);
        else
            wrong(tally, file, offset, "not JSON: %llu bytes", length);
        break;
    case SPOOL_LINE_CONTROL:
        wrong(tally, file, offset, "a control character in a line of %llu bytes", length);
        break;
    case SPOOL_LINE_UTF8:
        wrong(tally, file, offset, "not UTF-8: a line of %llu bytes", length);
        break;
    case SPOOL_LINE_OVERSIZE:
        if (reader.overlong > 0)
            wrong(tally, file, offset, "oversize: a line of %llu bytes, at most %d are read",
                  (unsigned long long)reader.overlong, SPOOL_LINE_MAX);
        else
            wrong(tally, file, offset, "oversize: %llu bytes, a record has at most %d", length,
                  SPOOL_LINES_RECORD_MAX);
        break;
    }
}

/*
 * All lines of one file from `begin` on. Of a file that a writer has open the last line may be
 * under way: it is looked at only where nobody has.
 */
static void check_file(struct tally *tally, enum spool_signal signal, const char *file, int fd,
                       uint64_t begin)
{
    /* In this order: what a writer appended before it let go is in the size. */
    const bool complete = !spool_segment_held(fd);
    struct spool_cursor cursor = {.fd = fd, .offset = begin};
    struct stat status;
    int result = fstat(fd, &status);

    tally->files++;
    reader.signal = signal;
    reader.exact = true;
    cursor.limit = result == 0 ? (uint64_t)status.st_size : 0;
    while (cursor.limit > 0 && (result = spool_reader_next(&reader, &cursor, complete)) > 0) {
        for (size_t i = 0; i < reader.batch.count; i++)
            check_item(tally, signal, file, &reader.batch.items[i]);
    }
    if (result < 0)
        wrong(tally, file, cursor.offset, "can't be read: %s", strerror(errno));
}

/* A cursor of the checkpoint has to stand at the start of a line. */
static void check_cursor(struct tally *tally, const char *file, uint64_t offset, int fd)
{
    char before = '\n';

    if (offset > 0 && pread(fd, &before, 1, (off_t)offset - 1) == 1 && before != '\n')
        wrong(tally, file, offset, "the checkpoint stands in the middle of a line");
}

static void check_segment(struct tally *tally, const struct spool_view *view,
                          enum spool_signal signal, const struct spool_segment *segment)
{
    const int fd = spool_segment_open(segment, signal, spool_view_dir(view, segment));
    const int error = errno;
    char file[SPOOL_FILES_NAME_MAX];

    spool_segment_name(file, signal, segment);
    if (fd < 0) {
        /* The agent deletes what is done. */
        if (error != ENOENT)
            wrong(tally, file, 0, "can't be opened: %s", strerror(error));
        return;
    }
    check_file(tally, signal, file, fd, spool_segment_begin(segment, fd));
    check_cursor(tally, file, segment->offset, fd);
    (void)close(fd);
}

int spool_verify_run(bool json)
{
    const char *dir = instance_spool_dir();
    unsigned long long total = 0;
    struct spool_view view;

    as_json = json;
    if (spool_view_open(&view, dir, instance_run_dir()) != 0) {
        printable_error("microtrace spool: %s: %s%s", dir, strerror(errno),
                        instance_hint(errno == ENOENT));
        return COMMAND_FAILED;
    }
    if (view.checkpoint == CHECKPOINT_CORRUPT) {
        if (json)
            print_wrong(SPOOL_FILES_CHECKPOINT, 0, "damaged: neither slot has the right checksum");
        else
            printf(SPOOL_FILES_CHECKPOINT ": damaged: neither slot has the right checksum\n");
        total++;
    }
    for (int i = 0; i < SPOOL_SIGNALS; i++) {
        const struct spool_view_signal *signal = &view.signals[i];
        struct tally tally = {.files = 0};

        for (size_t k = 0; k < signal->count; k++)
            check_segment(&tally, &view, (enum spool_signal)i, &signal->list[k]);
        if (signal->listing.foreign > 0)
            wrong(&tally, signal->listing.first_foreign, 0,
                  "not a spool file's name: nobody reads it");
        print_sum(spool_signal_names[i], &tally);
        total += tally.wrong;
    }
    spool_view_close(&view);
    return total > 0 ? COMMAND_FAILED : COMMAND_OK;
}
