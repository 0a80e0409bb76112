/*
 * The head of a program's answer: the header fields before the first empty line (RFC 3875 section
 * 6), read as far as the proxy has to know them, and written anew with our X-Request-ID. Pure.
 */
#ifndef GATEWAYS_PROXY_HEAD_H
#define GATEWAYS_PROXY_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PROXY_HEAD_MAX = 65536,     /* bytes of a head; lighttpd takes no longer one either */
    PROXY_HEAD_ADDED_MAX = 256, /* what proxy_head_write adds at most */
    PROXY_HEAD_LENGTH_UNKNOWN = -1,
};

struct proxy_head {
    size_t size;    /* bytes, with the empty line */
    int status;     /* of Status, or of a status line, or what a head without it means */
    int64_t length; /* of Content-Length, or PROXY_HEAD_LENGTH_UNKNOWN */
};

enum proxy_head_result {
    PROXY_HEAD_DONE,
    PROXY_HEAD_PARTIAL, /* no empty line yet */
    PROXY_HEAD_BAD,     /* no head: a line without a name, a status that is none */
};

/*
 * Reads the head at the front of `size` bytes. Lines end with CR LF or LF. With PROXY_HEAD_PARTIAL
 * the caller reads more, up to PROXY_HEAD_MAX, and gives all of it again; lines that are complete
 * have been looked at, so what can't be a head is bad at once.
 */
enum proxy_head_result proxy_head_read(struct proxy_head *head, const char *bytes, size_t size);

/*
 * Writes the head of `size` bytes at `bytes` without the program's own X-Request-ID, and with
 * `request_id` as the last field. `out` has room for size + PROXY_HEAD_ADDED_MAX. Returns the bytes
 * written.
 */
size_t proxy_head_write(char *out, const char *bytes, size_t size, const char *request_id);

#endif
