#include "gateways/cgi_front.h"

#include "gateways/fastcgi_params.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum {
    KEEP_FLAGS = 2, /* where its flags are */
    END_SIZE = 2 * FASTCGI_HEADER_SIZE + FASTCGI_BODY_SIZE,
    VALUES_MAX = 128, /* bytes of an answer to GET_VALUES */
};

static void begin(struct cgi_front *front, bool is_fastcgi, int in, int out)
{
    front->is_fastcgi = is_fastcgi;
    front->in = in;
    front->out = out;
    front->state = is_fastcgi ? CGI_FRONT_HEAD : CGI_FRONT_OPEN;
    front->body_ended = !is_fastcgi;
    front->list[0] = NULL;
    front->variables = is_fastcgi ? front->list : (const char *const *)environ;
    front->body_at = front->body_end = 0;
    front->begun = front->too_large = false;
    front->begin_size = 0;
    front->params_size = front->out_at = front->out_free = front->out_end = 0;
}

void cgi_front_begin_fastcgi(struct cgi_front *front, int connection)
{
    begin(front, true, connection, connection);
    front->cursor = (struct fastcgi_cursor){.inside = false};
    front->raw_size = 0;
}

bool cgi_front_can_go_on(const struct cgi_front *front)
{
    /* What a client has not taken of this answer must not meet the next one. */
    return front->state == CGI_FRONT_OPEN && front->in >= 0 && front->body_ended &&
           front->out_at == front->out_end &&
           (front->begin_body[KEEP_FLAGS] & FASTCGI_KEEP_CONN) != 0;
}

void cgi_front_next(struct cgi_front *front)
{
    begin(front, true, front->in, front->in);
}

void cgi_front_begin_cgi(struct cgi_front *front)
{
    const int flags = fcntl(STDOUT_FILENO, F_GETFL);

    begin(front, false, -1, STDOUT_FILENO);
    if (flags >= 0)
        (void)fcntl(STDOUT_FILENO, F_SETFL, flags | O_NONBLOCK);
}

/* --- Out --- */

static void put_bytes(struct cgi_front *front, const void *bytes, size_t size)
{
    assert(size <= sizeof(front->out_bytes) - front->out_end);
    memcpy(front->out_bytes + front->out_end, bytes, size);
    front->out_end += size;
}

static void put_record(struct cgi_front *front, enum fastcgi_type type, uint16_t id,
                       const void *bytes, size_t size)
{
    uint8_t header[FASTCGI_HEADER_SIZE];

    fastcgi_header_write(header, type, id, (uint16_t)size, 0);
    put_bytes(front, header, sizeof(header));
    if (size > 0)
        put_bytes(front, bytes, size);
}

size_t cgi_front_capacity(const struct cgi_front *front)
{
    const size_t left = sizeof(front->out_bytes) - front->out_end;
    const size_t kept = FASTCGI_HEADER_SIZE + END_SIZE + VALUES_MAX;
    const size_t free = left > kept ? left - kept : 0;

    return free < CGI_FRONT_PIECE_MAX ? free : CGI_FRONT_PIECE_MAX;
}

void cgi_front_put(struct cgi_front *front, const void *bytes, size_t size)
{
    if (size == 0)
        return;
    if (front->is_fastcgi)
        put_record(front, FASTCGI_STDOUT, front->id, bytes, size);
    else
        put_bytes(front, bytes, size);
}

void cgi_front_put_error(struct cgi_front *front, const void *bytes, size_t size)
{
    if (front->is_fastcgi && size > 0 && front->out_end + size <= CGI_FRONT_ERROR_MAX)
        put_record(front, FASTCGI_STDERR, front->id, bytes, size);
}

void cgi_front_put_end(struct cgi_front *front)
{
    uint8_t end[FASTCGI_HEADER_SIZE + FASTCGI_BODY_SIZE];

    if (!front->is_fastcgi)
        return;
    put_record(front, FASTCGI_STDOUT, front->id, NULL, 0);
    fastcgi_end_write(end, front->id, 0, FASTCGI_REQUEST_COMPLETE);
    put_bytes(front, end, sizeof(end));
}

void cgi_front_release(struct cgi_front *front)
{
    front->out_free = front->out_end;
}

bool cgi_front_is_kept(const struct cgi_front *front)
{
    return front->out_free < front->out_end;
}

bool cgi_front_is_pending(const struct cgi_front *front)
{
    return front->out_at < front->out_free && front->state != CGI_FRONT_GONE &&
           front->state != CGI_FRONT_BROKEN;
}

void cgi_front_write(struct cgi_front *front)
{
    while (cgi_front_is_pending(front)) {
        const ssize_t n =
            write(front->out, front->out_bytes + front->out_at, front->out_free - front->out_at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n <= 0) {
            front->state = CGI_FRONT_GONE;
            return;
        }
        front->out_at += (size_t)n;
    }
    if (front->out_at == front->out_end) {
        front->out_at = front->out_free = front->out_end = 0;
    } else if (front->out_at > sizeof(front->out_bytes) / 2) {
        memmove(front->out_bytes, front->out_bytes + front->out_at, front->out_end - front->out_at);
        front->out_end -= front->out_at;
        front->out_free -= front->out_at;
        front->out_at = 0;
    }
}

/* --- In --- */

size_t cgi_front_room(const struct cgi_front *front)
{
    return sizeof(front->body) - (front->body_end - front->body_at);
}

/* Turns the pairs into variables. Returns 0, or -1 if they are malformed. */
static int decode_params(struct cgi_front *front)
{
    const uint8_t *at = front->params;
    size_t left = front->params_size, used = 0, count = 0;
    struct fastcgi_pair pair;

    while (left > 0) {
        char *const start = front->text + used;

        if (count == CGI_FRONT_VARIABLES_MAX) {
            front->too_large = true;
            break;
        }
        if (fastcgi_pair_read(&pair, at, left) != 0) {
            /* Where not all of them fit, the last one may be cut. */
            if (front->too_large)
                break;
            return -1;
        }
        assert(pair.name_size + pair.value_size + 2 <= sizeof(front->text) - used);
        /* A NUL would hide the rest of it from everybody else. */
        if (memchr(pair.name, '\0', pair.name_size) == NULL &&
            memchr(pair.value, '\0', pair.value_size) == NULL) {
            char *const equals = mempcpy(start, pair.name, pair.name_size);

            *equals = '=';
            *(char *)mempcpy(equals + 1, pair.value, pair.value_size) = '\0';
            front->list[count++] = start;
            used += pair.name_size + pair.value_size + 2;
        }
        at += pair.size;
        left -= pair.size;
    }
    front->list[count] = NULL;
    return 0;
}

static int take_begin(struct cgi_front *front, const struct fastcgi_piece *piece)
{
    uint8_t end[FASTCGI_HEADER_SIZE + FASTCGI_BODY_SIZE];

    if (piece->length != FASTCGI_BODY_SIZE)
        return -1;
    if (piece->first)
        front->begin_size = 0;
    memcpy(front->begin_body + front->begin_size, piece->content, piece->content_size);
    front->begin_size += piece->content_size;
    if (front->begin_size < FASTCGI_BODY_SIZE || piece->content_size == 0)
        return 0;
    if (front->begun) {
        /* A second request at once, which a process for one at a time can't serve. */
        if (piece->id == front->id)
            return -1;
        fastcgi_end_write(end, piece->id, 0, FASTCGI_CANT_MPX_CONN);
        if (sizeof(end) <= cgi_front_capacity(front))
            put_bytes(front, end, sizeof(end));
        return 0;
    }
    if (front->begin_body[0] != 0 || front->begin_body[1] != FASTCGI_RESPONDER) {
        fastcgi_end_write(end, piece->id, 0, FASTCGI_UNKNOWN_ROLE);
        put_bytes(front, end, sizeof(end));
        cgi_front_release(front);
        cgi_front_write(front);
        return -1;
    }
    front->begun = true;
    front->id = piece->id;
    return 0;
}

static int take_params(struct cgi_front *front, const struct fastcgi_piece *piece)
{
    if (front->state != CGI_FRONT_HEAD)
        return -1;
    if (piece->length == 0) {
        front->state = CGI_FRONT_OPEN;
        return decode_params(front);
    }
    if (piece->content_size > sizeof(front->params) - front->params_size)
        front->too_large = true;
    if (front->too_large)
        return 0;
    memcpy(front->params + front->params_size, piece->content, piece->content_size);
    front->params_size += piece->content_size;
    return 0;
}

static int take_body(struct cgi_front *front, const struct fastcgi_piece *piece)
{
    if (front->body_ended)
        return 0;
    if (piece->length == 0) {
        front->body_ended = true;
        return 0;
    }
    if (front->body_at > 0 && piece->content_size > sizeof(front->body) - front->body_end) {
        memmove(front->body, front->body + front->body_at, front->body_end - front->body_at);
        front->body_end -= front->body_at;
        front->body_at = 0;
    }
    assert(piece->content_size <= sizeof(front->body) - front->body_end);
    memcpy(front->body + front->body_end, piece->content, piece->content_size);
    front->body_end += piece->content_size;
    return 0;
}

/* Section 4.1: what it asks for is as many requests as this connection has. */
static void answer_values(struct cgi_front *front)
{
    static const char *const values[][2] = {
        {"FCGI_MAX_CONNS", "1"}, {"FCGI_MAX_REQS", "1"}, {"FCGI_MPXS_CONNS", "0"}};
    uint8_t content[VALUES_MAX];
    size_t size = 0;

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        const size_t length = strlen(values[i][0]);

        size += fastcgi_pair_write_lengths(content + size, length, 1);
        memcpy(content + size, values[i][0], length);
        content[size + length] = (uint8_t)values[i][1][0];
        size += length + 1;
    }
    if (size > cgi_front_capacity(front))
        return;
    put_record(front, FASTCGI_GET_VALUES_RESULT, 0, content, size);
    if (front->state == CGI_FRONT_HEAD)
        cgi_front_release(front);
}

static int take(struct cgi_front *front, const struct fastcgi_piece *piece)
{
    if (piece->id == 0) {
        if (piece->type == FASTCGI_GET_VALUES && piece->last)
            answer_values(front);
        return 0;
    }
    if (piece->type == FASTCGI_BEGIN_REQUEST)
        return take_begin(front, piece);
    if (!front->begun || piece->id != front->id)
        return 0;
    switch (piece->type) {
    case FASTCGI_PARAMS:
        return take_params(front, piece);
    case FASTCGI_STDIN:
        return take_body(front, piece);
    case FASTCGI_ABORT_REQUEST:
        front->state = CGI_FRONT_GONE;
        return 0;
    default:
        return 0;
    }
}

static void take_all(struct cgi_front *front)
{
    size_t at = 0;
    struct fastcgi_piece piece;
    enum fastcgi_result result;

    while ((result = fastcgi_cursor_next(&front->cursor, front->raw + at, front->raw_size - at,
                                         &piece)) == FASTCGI_PIECE) {
        at += piece.size;
        if (take(front, &piece) != 0)
            result = FASTCGI_BAD;
        if (result == FASTCGI_BAD || front->state == CGI_FRONT_GONE)
            break;
    }
    if (result == FASTCGI_BAD)
        front->state = CGI_FRONT_BROKEN;
    memmove(front->raw, front->raw + at, front->raw_size - at);
    front->raw_size -= at;
}

void cgi_front_read(struct cgi_front *front)
{
    size_t room = cgi_front_room(front);
    ssize_t n;

    if (room > sizeof(front->raw) - front->raw_size)
        room = sizeof(front->raw) - front->raw_size;
    do
        n = read(front->in, front->raw + front->raw_size, room);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        /* After the body a server may close its half of a connection. */
        if (n < 0 || !front->body_ended)
            front->state = CGI_FRONT_GONE;
        front->in = -1;
        return;
    }
    front->raw_size += (size_t)n;
    take_all(front);
}
