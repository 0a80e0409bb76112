/*
 * The input of /analyze: from a body to two finite numbers, or to the entries of a 422 that say
 * what is wrong with it. jansson reads the body; what it refuses is read once more in place, for
 * the offset of the fault, and for what RFC 8259 allows and jansson does not: numbers beyond the
 * range of a double, and NUL in a member's name.
 */
#ifndef FCGI_APP_VALIDATION_H
#define FCGI_APP_VALIDATION_H

#include "fcgi-app/errors.h"
#include "lib/base/json_walk.h"
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
    const char *field; /* "a" or "b"; NULL for the body as a whole */
    struct text input; /* in the body; nothing: the body was empty or is not JSON */
};

struct validation {
    double a, b; /* valid when there are no errors; a + b and a - b are finite then */
    struct validation_error errors[VALIDATION_ERRORS_MAX];
    unsigned error_count;
    struct json_fault fault; /* of ERRORS_JSON_INVALID */
    json_t *tree;            /* NULL: only `text` can be read */
    struct text text;        /* the document in the body */
};

/*
 * Reads a body of `length` bytes, NUL-terminated as well, which outlives *validation. Of a member
 * that is there twice the last counts, others than `a` and `b` are ignored. Without memory there is
 * one error, ERRORS_OUT_OF_MEMORY. Release with validation_free.
 */
void validation_parse(struct validation *validation, const char *body, size_t length);

void validation_free(struct validation *validation);

/*
 * Writes the entries as a JSON array, as a 422 holds them under `detail`. Numbers come out as
 * json_writer_double writes them; those beyond the range of a double as strings of their text,
 * since many readers refuse such numbers.
 */
void validation_write_errors(struct json_writer *w, const struct validation *validation);

/* The same with each input cut to VALIDATION_LOGGED_INPUT_MAX bytes. */
void validation_write_errors_cut(struct json_writer *w, const struct validation *validation);

#endif
