/*
 * Reads the records of one spool file on from where the last reading ended, as plain JSON
 * (cli/record_json.h). Memory is bounded by a line's.
 */
#ifndef CLI_RECORD_READER_H
#define CLI_RECORD_READER_H

#include "cli/record_json.h"
#include "lib/spool/reader.h"

#include <stdbool.h>
#include <stdint.h>

struct record_reader {
    enum spool_signal signal;
    record_json_take *take;
    void *context;
    /*
     * NULL, or a text that JSON needs no escape for: a record that has it neither so nor, perhaps,
     * by escapes is passed over.
     */
    const char *probe;
    uint64_t records;   /* taken or passed over */
    uint64_t broken;    /* torn pieces, and lines that are no records */
    uint64_t long_ones; /* records that are too long to be looked at */
};

/*
 * Takes the complete lines up to the limit. If it is the end of a file that is `complete`, also a
 * last one without a newline. Returns 0, or -1 with errno. Of one process one reader at a time.
 */
int record_reader_read(struct record_reader *reader, struct spool_cursor *cursor, bool complete);

#endif
