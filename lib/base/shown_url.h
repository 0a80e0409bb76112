/*
 * A URL for people, in messages and status files: where it leads, without what may be a secret in
 * it. User name and password become REDACTED, and so does the query, where keys of an API stand.
 * Takes what is not a URL too, since that is what messages are about: a value without a scheme, or
 * a password with a slash, which ends the authority (RFC 3986, 3.2) before its @. Pure.
 */
#ifndef LIB_BASE_SHOWN_URL_H
#define LIB_BASE_SHOWN_URL_H

#include <stddef.h>

/* Writes as much as fits into `size` bytes, with the NUL. */
void shown_url(char *out, size_t size, const char *url);

#endif
