/*
 * How much of an HTTP answer a client reads: its header fields and trailers, and its body as it is
 * on the wire. A client that looks at the decoded body alone is held for ever by a chunk extension,
 * which has no limit (RFC 9112, section 7.1.1).
 */
#ifndef LIB_BASE_ANSWER_BOUND_H
#define LIB_BASE_ANSWER_BOUND_H

#include <stdbool.h>
#include <stddef.h>

enum {
    ANSWER_BOUND_FRAMING = 2, /* bytes on the wire for each byte that the decoded body may have */
};

struct answer_bound {
    size_t head_max, wire_max; /* bytes */
    size_t head, wire;
};

/* For an answer with a decoded body of up to `body_max` bytes; also begins with the next answer. */
void answer_bound_begin(struct answer_bound *bound, size_t head_max, size_t body_max);

/* `len` more bytes have come. Return whether the answer is still within its bounds. */
bool answer_bound_head(struct answer_bound *bound, size_t len);
bool answer_bound_wire(struct answer_bound *bound, size_t len);

/* The same, without more bytes. */
bool answer_bound_kept(const struct answer_bound *bound);

#endif
