/*
 * The request id: what ties an answer to its log lines and its spans.
 */
#ifndef LIB_BASE_REQUEST_ID_H
#define LIB_BASE_REQUEST_ID_H

#include <stdbool.h>

enum {
    REQUEST_ID_MAX = 128,
};

/* Whether `text` is 1 to 128 characters of [A-Za-z0-9._:/+=@-]. NULL is not. */
bool request_id_is_valid(const char *text);

/* Writes the request's own id if it is valid, else a new UUID version 4; NUL-terminated. */
void request_id_choose(char out[REQUEST_ID_MAX + 1], const char *own);

#endif
