/*
 * Headers of the export from a file, so that what they hold is in no environment
 * (OTEL_EXPORTER_OTLP_HEADERS_FILE and its forms for one signal).
 *
 * The file has what OTEL_EXPORTER_OTLP_HEADERS takes, on one line or on several. It is read again
 * when it has changed, so a secret can be renewed while the agent runs.
 */
#ifndef METRICS_AGENT_HEADER_FILE_H
#define METRICS_AGENT_HEADER_FILE_H

#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

enum { HEADER_FILE_MAX = 16384 };

struct header_file {
    const char *path;               /* set by the caller; borrowed */
    const char *variable;           /* that names the file, for messages; the same */
    char text[HEADER_FILE_MAX + 1]; /* for agent_settings_header; "" until a file could be read */
    bool looked;
    int error; /* errno of the last look, 0 for none */
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed;
};

/*
 * Looks at the file: stat(2), and if it is another one than before, or has changed, reads it.
 * Returns true if `text` is new. What is wrong goes to `warn` (may be NULL), once until the file
 * changes again: it names variable and path, never what is in the file. A file that can't be used
 * leaves `text` as it was.
 *
 * It has to be a regular file, or a link to one, of at most HEADER_FILE_MAX bytes.
 */
bool header_file_look(struct header_file *file, void (*warn)(const char *message));

#endif
