#include "gateways/proxy_stream.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int proxy_chunk_init(struct proxy_chunk *chunk, size_t size)
{
    chunk->size = size;
    chunk->memory = malloc(FASTCGI_HEADER_SIZE + size);
    return chunk->memory != NULL ? 0 : -1;
}

void proxy_stream_init(struct proxy_stream *stream, struct proxy_loop *loop, int fd,
                       void (*ready)(struct proxy_source *source, uint32_t events))
{
    *stream = (struct proxy_stream){.source = {.fd = fd, .ready = ready}, .loop = loop};
}

static void forget_waiting(struct proxy_stream *stream)
{
    free(stream->waiting);
    stream->waiting = NULL;
    stream->waiting_at = stream->waiting_end = stream->waiting_room = 0;
}

void proxy_stream_close(struct proxy_stream *stream)
{
    /* A closed descriptor leaves epoll by itself, but for one that a fork shares: there is none. */
    if (stream->source.fd >= 0)
        (void)close(stream->source.fd);
    stream->source.fd = -1;
    stream->source.watched = 0;
    forget_waiting(stream);
}

enum proxy_stream_read proxy_stream_read(struct proxy_stream *stream, struct proxy_chunk *chunk)
{
    uint8_t *const to = chunk->memory + FASTCGI_HEADER_SIZE;
    const ssize_t n = recv(stream->source.fd, to, chunk->size, MSG_DONTWAIT);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? PROXY_STREAM_NOTHING : PROXY_STREAM_LOST;
    if (n == 0)
        return PROXY_STREAM_END;
    memcpy(to - stream->tail_size, stream->tail, stream->tail_size);
    chunk->at = to - stream->tail_size;
    chunk->left = (size_t)n + stream->tail_size;
    stream->tail_size = 0;
    return PROXY_STREAM_DATA;
}

enum fastcgi_result proxy_stream_next(struct proxy_stream *stream, struct proxy_chunk *chunk,
                                      struct fastcgi_piece *piece)
{
    const enum fastcgi_result result =
        fastcgi_cursor_next(&stream->cursor, chunk->at, chunk->left, piece);

    if (result == FASTCGI_PIECE) {
        chunk->at += piece->size;
        chunk->left -= piece->size;
    } else if (result == FASTCGI_PARTIAL) {
        assert(chunk->left < sizeof(stream->tail));
        memcpy(stream->tail, chunk->at, chunk->left);
        stream->tail_size = chunk->left;
    }
    return result;
}

/* For `size` bytes behind what waits already. Returns false without memory: the stream is broken.
 */
static bool make_room(struct proxy_stream *stream, size_t size)
{
    uint8_t *larger;

    if (stream->waiting_room - stream->waiting_end >= size)
        return true;
    larger = realloc(stream->waiting, stream->waiting_end + size);
    if (larger == NULL) {
        stream->broken = true;
        return false;
    }
    stream->waiting = larger;
    stream->waiting_room = stream->waiting_end + size;
    return true;
}

/* Copies behind what waits already. */
static void wait_with(struct proxy_stream *stream, const void *bytes, size_t size)
{
    if (size == 0 || stream->broken || !make_room(stream, size))
        return;
    memcpy(stream->waiting + stream->waiting_end, bytes, size);
    stream->waiting_end += size;
}

/* Returns the bytes that the peer took; 0 also where it took none. */
static size_t write_parts(struct proxy_stream *stream, struct iovec *parts, size_t count)
{
    const struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
    const ssize_t n = sendmsg(stream->source.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (n >= 0) {
        stream->written += (uint64_t)n;
        return (size_t)n;
    }
    if (errno != EAGAIN && errno != EINTR)
        stream->broken = true;
    return 0;
}

/* Of what was put, copies what lies behind the first `taken` bytes, so that nothing is borrowed. */
static void keep_parts(struct proxy_stream *stream, size_t taken)
{
    size_t left = 0;

    for (unsigned i = 0; i < stream->part_count; i++)
        left += stream->parts[i].iov_len;
    if (left > taken && !stream->broken)
        (void)make_room(stream, left - taken);
    for (unsigned i = 0; i < stream->part_count; i++) {
        const struct iovec *const part = &stream->parts[i];

        if (taken >= part->iov_len) {
            taken -= part->iov_len;
            continue;
        }
        wait_with(stream, (const uint8_t *)part->iov_base + taken, part->iov_len - taken);
        taken = 0;
    }
    stream->part_count = 0;
    stream->small_size = 0;
}

void proxy_stream_hold(struct proxy_stream *stream)
{
    keep_parts(stream, 0);
}

void proxy_stream_put(struct proxy_stream *stream, const void *bytes, size_t size)
{
    struct iovec *last;

    if (size == 0 || stream->broken)
        return;
    if (proxy_stream_waits(stream)) {
        wait_with(stream, bytes, size);
        return;
    }
    if (stream->part_count > 0) {
        last = &stream->parts[stream->part_count - 1];
        if ((const uint8_t *)last->iov_base + last->iov_len == bytes) {
            last->iov_len += size;
            return;
        }
    }
    /* Not written yet: the caller may have something to do before. */
    if (stream->part_count == PROXY_STREAM_PARTS) {
        keep_parts(stream, 0);
        wait_with(stream, bytes, size);
        return;
    }
    stream->parts[stream->part_count++] =
        (struct iovec){.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
}

void proxy_stream_put_small(struct proxy_stream *stream, const void *bytes, size_t size)
{
    assert(size <= sizeof(stream->small));
    if (size > sizeof(stream->small) - stream->small_size ||
        stream->part_count == PROXY_STREAM_PARTS)
        keep_parts(stream, 0);
    if (proxy_stream_waits(stream)) {
        wait_with(stream, bytes, size);
        return;
    }
    memcpy(stream->small + stream->small_size, bytes, size);
    proxy_stream_put(stream, stream->small + stream->small_size, size);
    stream->small_size += size;
}

void proxy_stream_put_record(struct proxy_stream *stream, enum fastcgi_type type, uint16_t id,
                             const void *content, uint16_t size)
{
    uint8_t header[FASTCGI_HEADER_SIZE];

    fastcgi_header_write(header, type, id, size, 0);
    proxy_stream_put_small(stream, header, sizeof(header));
    proxy_stream_put(stream, content, size);
}

void proxy_stream_forward(struct proxy_stream *stream, const struct fastcgi_piece *piece)
{
    if (piece->first && piece->last)
        proxy_stream_put(stream, piece->bytes, piece->size);
    else if (piece->content_size > 0 || (piece->first && piece->length == 0))
        proxy_stream_put_record(stream, (enum fastcgi_type)piece->type, piece->id, piece->content,
                                (uint16_t)piece->content_size);
}

void proxy_stream_flush(struct proxy_stream *stream)
{
    struct iovec part;

    if (proxy_stream_waits(stream)) {
        part = (struct iovec){.iov_base = stream->waiting + stream->waiting_at,
                              .iov_len = stream->waiting_end - stream->waiting_at};
        if (!stream->broken)
            stream->waiting_at += write_parts(stream, &part, 1);
        if (stream->broken || !proxy_stream_waits(stream))
            forget_waiting(stream);
        return;
    }
    if (stream->part_count > 0)
        keep_parts(stream,
                   stream->broken ? 0 : write_parts(stream, stream->parts, stream->part_count));
    if (stream->broken)
        forget_waiting(stream);
}
