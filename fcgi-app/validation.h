/*
 * The input of /analyze: from a body to two finite numbers, or to the entries of a 422 that say
 * what is wrong with it.
 */
#ifndef FCGI_APP_VALIDATION_H
#define FCGI_APP_VALIDATION_H

#include "fcgi-app/errors.h"
#include "fcgi-app/json_value.h"
#include "lib/base/json_writer.h"

#include <jansson.h>
#include <stddef.h>

enum {
    VALIDATION_ERRORS_MAX = 2,
    /* Of an input's JSON text in a log line; a longer one is cut. */
    VALIDATION_LOGGED_INPUT_MAX = 256,
    /* What the text of one body's errors in a log line takes at most. */
    VALIDATION_LOG_MAX = 4096,
    /*
     * An entry echoes its input, whose text can grow: "1e15" to a number of 18 characters, DEL to
     * an escape of 6; two entries may echo the whole body. A reply buffer of this many bytes for
     * each byte of a body, and VALIDATION_LOG_MAX more, always has room.
     */
    VALIDATION_REPLY_FACTOR = 16,
};

struct validation_error {
    enum errors_kind kind;
    const char *field;   /* "a" or "b"; NULL for the body as a whole */
    const json_t *input; /* NULL: the body was empty or is no JSON */
};

struct validation {
    double a, b; /* valid when there are no errors; a + b and a - b are finite then */
    struct validation_error errors[VALIDATION_ERRORS_MAX];
    unsigned error_count;
    json_t *document;
    struct json_value_marker marker;
    json_error_t syntax; /* of ERRORS_JSON_INVALID */
};

/*
 * Reads a body of `length` bytes, NUL-terminated as well. The caller calls validation_free.
 */
void validation_parse(struct validation *validation, const char *body, size_t length);

void validation_free(struct validation *validation);

/* Writes the entries as a JSON array, as a 422 holds them under `detail`. */
void validation_write_errors(struct json_writer *w, const struct validation *validation);

/* The same with each input cut to VALIDATION_LOGGED_INPUT_MAX bytes. */
void validation_write_errors_cut(struct json_writer *w, const struct validation *validation);

#endif
