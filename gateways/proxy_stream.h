/*
 * One connection of the proxy, to the web server or to the upstream: bytes in, cut into pieces of
 * records, and bytes out. What goes out is borrowed until the end of the turn, and written then
 * with one call; only what the peer does not take is copied, and waits in memory of the stream's.
 * Whoever puts bytes reads no more from where they come while anything waits: that is what bounds
 * the memory.
 */
#ifndef GATEWAYS_PROXY_STREAM_H
#define GATEWAYS_PROXY_STREAM_H

#include "gateways/fastcgi_record.h"
#include "gateways/proxy_loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum {
    PROXY_STREAM_PARTS = 16,  /* stretches that are written at once */
    PROXY_STREAM_SMALL = 128, /* bytes of records of our own among them */
};

struct proxy_stream {
    struct proxy_source source; /* first: a source's address is its stream's */
    struct proxy_loop *loop;
    struct fastcgi_cursor cursor; /* of what comes in */
    uint8_t tail[FASTCGI_HEADER_SIZE];
    size_t tail_size; /* bytes of a header that is not all there yet */
    struct iovec parts[PROXY_STREAM_PARTS];
    unsigned part_count;
    uint8_t small[PROXY_STREAM_SMALL];
    size_t small_size;
    uint8_t *waiting; /* what the peer has not taken: waiting_at to waiting_end */
    size_t waiting_at, waiting_end, waiting_room;
    uint64_t written; /* bytes that the peer has taken; the owner may set it back */
    bool broken;      /* it can't be written to any more */
};

/* What is read at once, by all streams, one after another: `size` bytes behind the tail's place. */
struct proxy_chunk {
    uint8_t *memory;
    size_t size;
    const uint8_t *at; /* what is to be cut next */
    size_t left;
};

/* Returns 0, or -1 if memory runs out. */
int proxy_chunk_init(struct proxy_chunk *chunk, size_t size);

/* Takes over the descriptor. */
void proxy_stream_init(struct proxy_stream *stream, struct proxy_loop *loop, int fd,
                       void (*ready)(struct proxy_source *source, uint32_t events));

/* Closes the connection and drops what waits. */
void proxy_stream_close(struct proxy_stream *stream);

enum proxy_stream_read {
    PROXY_STREAM_DATA,
    PROXY_STREAM_NOTHING, /* for now */
    PROXY_STREAM_END,     /* the peer sends no more, by its own will */
    PROXY_STREAM_LOST,    /* the connection is gone */
};

/* Reads once. With PROXY_STREAM_DATA the caller takes all pieces before anybody else reads. */
enum proxy_stream_read proxy_stream_read(struct proxy_stream *stream, struct proxy_chunk *chunk);

/* The next piece of what was read; FASTCGI_PARTIAL once there is none. */
enum fastcgi_result proxy_stream_next(struct proxy_stream *stream, struct proxy_chunk *chunk,
                                      struct fastcgi_piece *piece);

/* Puts bytes that stay where they are until proxy_stream_flush; nothing is written before. */
void proxy_stream_put(struct proxy_stream *stream, const void *bytes, size_t size);

/* Puts up to PROXY_STREAM_SMALL bytes, copied at once. */
void proxy_stream_put_small(struct proxy_stream *stream, const void *bytes, size_t size);

/* A record of our own: a header for `size` bytes, which are put as by proxy_stream_put. */
void proxy_stream_put_record(struct proxy_stream *stream, enum fastcgi_type type, uint16_t id,
                             const void *content, uint16_t size);

/*
 * Passes a piece on. A record that came whole goes as it is; one that is cut becomes a record for
 * each piece, so that whatever happens next, the stream never ends within one.
 */
void proxy_stream_forward(struct proxy_stream *stream, const struct fastcgi_piece *piece);

/* Copies what was put, for a connection that can't be written to yet. */
void proxy_stream_hold(struct proxy_stream *stream);

/* Writes what was put, as far as the peer takes it. Sets `broken` where it can't. */
void proxy_stream_flush(struct proxy_stream *stream);

static inline bool proxy_stream_waits(const struct proxy_stream *stream)
{
    return stream->waiting_end > stream->waiting_at;
}

#endif
