#include "gateways/cgi_relay.h"

#include "gateways/cgi_request.h"
#include "gateways/cgi_wait.h"
#include "lib/base/clock.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    /* For the exit status of a script whose answer is complete: it is about to end. */
    EXIT_MS = 100,
    /* For the output of processes that have kept the stdout of a script that has ended. */
    LEFT_OPEN_MS = 2000,
    WAIT_MAX_MS = 1000,
    /*
     * The newest piece of an answer is kept so long for the script's end: a web server whose
     * program dies ends the answer as if it were whole. The first one goes with the header.
     */
    KEPT_FIRST_MS = 100,
    KEPT_MS = 20,
    STDERR_ROUNDS_MAX = 64, /* reads of stderr when the script has ended */
};

/* What is waited for; the places in the list for poll. */
enum { FRONT, SCRIPT_IN, SCRIPT_OUT, SCRIPT_ERR, SCRIPT_EXIT, WAITS };

static void close_end(int *end)
{
    if (*end >= 0)
        (void)close(*end);
    *end = -1;
}

static void moved(struct cgi_request *r)
{
    r->progress_ms = clock_monotonic_ms();
}

static uint64_t timeout_ms(const struct cgi_request *r)
{
    return (uint64_t)(r->settings->timeout_s * 1000);
}

/* --- The request's body --- */

static void pass_body(struct cgi_request *r)
{
    struct cgi_front *const front = &r->front;

    while (front->body_at < front->body_end && r->process.in >= 0) {
        const ssize_t n =
            write(r->process.in, front->body + front->body_at, front->body_end - front->body_at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0) {
            /* The script wants no more of it; that is no failure. */
            close_end(&r->process.in);
            break;
        }
        front->body_at += (size_t)n;
        moved(r);
    }
    if (r->process.in < 0)
        front->body_at = front->body_end;
    if (front->body_at == front->body_end) {
        front->body_at = front->body_end = 0;
        if (front->body_ended)
            close_end(&r->process.in);
    }
}

/* --- The answer --- */

static void complete(struct cgi_request *r)
{
    if (!r->is_complete)
        r->complete_ms = clock_monotonic_ms();
    r->is_complete = true;
}

/* A piece that ends the answer for the client goes when what happened is written. */
static void put_last(struct cgi_request *r, const char *bytes, size_t size)
{
    cgi_front_put(&r->front, bytes, size);
    r->is_whole = true;
    complete(r);
}

static void put_body(struct cgi_request *r, const char *bytes, size_t size)
{
    const uint64_t most = r->settings->output_max;

    r->body_bytes += size;
    if (most > 0 && r->body_bytes > most) {
        cgi_request_fail(r, CGI_ERROR_OUTPUT_TOO_LARGE);
        return;
    }
    /* More than its Content-Length is nothing that a client could read. */
    if (r->is_complete || size == 0)
        return;
    if (r->left == CGI_REQUEST_LEFT_UNKNOWN) {
        cgi_front_put(&r->front, bytes, size);
    } else if (size < r->left) {
        r->left -= size;
        cgi_front_put(&r->front, bytes, size);
    } else {
        put_last(r, bytes, (size_t)r->left);
    }
}

/* The header is whole: it is checked and sent, and the rest is body. */
static void end_head(struct cgi_request *r, size_t size)
{
    const size_t rest = r->head_size - size;
    const struct head_line_ours ours = {r->observed.server.request_id,
                                        &r->observed.server.span.context};
    struct cgi_head head;
    size_t length;

    if (cgi_head_read(&head, r->head, size) != 0) {
        cgi_request_fail(r, CGI_ERROR_BAD_HEADER);
        return;
    }
    r->status = head.status;
    r->first_byte_ns = (int64_t)server_span_elapsed_ns(&r->observed.server);
    length = head_line_write_head(r->answer, r->head, size, &ours);
    if (r->request.method == METHOD_HEAD || head.status == 204 || head.status == 304)
        r->left = 0;
    else if (head.length != CGI_HEAD_LENGTH_UNKNOWN)
        r->left = (uint64_t)head.length;
    for (size_t at = 0, n; at < length; at += n) {
        n = length - at < CGI_FRONT_PIECE_MAX ? length - at : CGI_FRONT_PIECE_MAX;
        if (r->left == 0 && at + n == length)
            put_last(r, r->answer + at, n);
        else
            cgi_front_put(&r->front, r->answer + at, n);
    }
    put_body(r, r->head + size, rest);
}

static void take_head(struct cgi_request *r, size_t size)
{
    const size_t before = r->head_size;
    size_t end;

    r->head_size += size;
    end = cgi_head_size(r->head, r->head_size, before);
    if (end > 0)
        end_head(r, end);
    else if (r->head_size == sizeof(r->head))
        cgi_request_fail(r, CGI_ERROR_HEADER_TOO_LARGE);
}

static void read_out(struct cgi_request *r)
{
    const bool in_head = r->status == 0;
    char *const into = in_head ? r->head + r->head_size : r->piece;
    const size_t room = in_head ? sizeof(r->head) - r->head_size : cgi_front_capacity(&r->front);
    const ssize_t n = room > 0 ? read(r->process.out, into, room) : -1;

    if (room == 0 || (n < 0 && (errno == EINTR || errno == EAGAIN)))
        return;
    if (n <= 0) {
        close_end(&r->process.out);
        complete(r);
        return;
    }
    moved(r);
    cgi_front_release(&r->front);
    r->release_ms = r->progress_ms + (in_head ? KEPT_FIRST_MS : KEPT_MS);
    if (in_head)
        take_head(r, (size_t)n);
    else
        put_body(r, r->piece, (size_t)n);
}

/* --- stderr --- */

/* Returns whether there was something. */
static bool read_err(struct cgi_request *r)
{
    char bytes[16384];
    const ssize_t n = read(r->process.err, bytes, sizeof(bytes));

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return false;
    if (n <= 0) {
        close_end(&r->process.err);
        return false;
    }
    stderr_lines_take(&r->err, bytes, (size_t)n);
    return true;
}

/* Who has the script's stderr besides it is not waited for. */
static void drain_err(struct cgi_request *r)
{
    for (int i = 0; i < STDERR_ROUNDS_MAX && r->process.err >= 0 && read_err(r); i++)
        continue;
}

/* --- Waiting --- */

static bool is_gone(const struct cgi_request *r)
{
    return r->front.state == CGI_FRONT_GONE || r->front.state == CGI_FRONT_BROKEN ||
           (r->stop != NULL && *r->stop != 0);
}

/* Whether the script alone is waited for: not a slow client, neither up nor down. */
static bool is_scripts_turn(const struct cgi_request *r)
{
    return !cgi_front_is_pending(&r->front) &&
           (r->process.in < 0 || r->front.body_ended || r->front.body_at < r->front.body_end);
}

/* When something has to be done although nothing moves, monotonic milliseconds. */
static uint64_t deadline(const struct cgi_request *r)
{
    if (r->is_complete)
        return r->complete_ms + EXIT_MS;
    if (r->process.exited)
        return (r->progress_ms > r->exit_ms ? r->progress_ms : r->exit_ms) + LEFT_OPEN_MS;
    return r->progress_ms + timeout_ms(r);
}

static void wait_for(struct cgi_request *r)
{
    const uint64_t now = clock_monotonic_ms(), end = deadline(r);
    const bool is_kept = cgi_front_is_kept(&r->front) && !r->is_complete;
    const uint64_t next = is_kept && r->release_ms < end ? r->release_ms : end;
    const uint64_t most = next > now ? next - now : 0;
    struct cgi_front *const front = &r->front;
    const bool reads = front->in >= 0 && !front->body_ended && cgi_front_room(front) > 0;
    const bool out_has_room = r->status == 0 || cgi_front_capacity(front) == CGI_FRONT_PIECE_MAX;
    struct pollfd waits[WAITS] = {
        [FRONT] = {.fd = front->out,
                   .events =
                       (short)((reads ? POLLIN : 0) | (cgi_front_is_pending(front) ? POLLOUT : 0))},
        [SCRIPT_IN] = {.fd = front->body_at < front->body_end ? r->process.in : -1,
                       .events = POLLOUT},
        [SCRIPT_OUT] = {.fd = out_has_room && !r->is_complete ? r->process.out : -1,
                        .events = POLLIN},
        [SCRIPT_ERR] = {.fd = r->process.err, .events = POLLIN},
        [SCRIPT_EXIT] = {.fd = r->process.exited ? -1 : r->process.pidfd, .events = POLLIN},
    };

    (void)cgi_wait(waits, WAITS, most < WAIT_MAX_MS ? most : WAIT_MAX_MS);
    if ((waits[FRONT].revents & POLLIN) != 0)
        cgi_front_read(front);
    else if ((waits[FRONT].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0)
        front->state = CGI_FRONT_GONE;
    pass_body(r);
    if (waits[SCRIPT_ERR].revents != 0 && read_err(r))
        (void)telemetry_flush(r->telemetry);
    if (waits[SCRIPT_OUT].revents != 0)
        read_out(r);
    if (waits[SCRIPT_EXIT].revents != 0 || r->process.pidfd < 0)
        cgi_process_look(&r->process);
    if (r->process.exited && r->exit_ms == 0)
        r->exit_ms = clock_monotonic_ms();
    if (is_kept && !r->is_complete && clock_monotonic_ms() >= r->release_ms)
        cgi_front_release(front);
    if (cgi_front_is_pending(front)) {
        cgi_front_write(front);
        moved(r);
    }
}

/* --- The course of it --- */

static void give_up(struct cgi_request *r, enum cgi_error_kind error)
{
    cgi_process_end(&r->process);
    drain_err(r);
    cgi_request_fail(r, error);
    close_end(&r->process.out);
}

/*
 * The script has answered all that it will; why not, if that is nothing. One that goes on without
 * an answer to give, in the background, is left to it.
 */
static void conclude(struct cgi_request *r)
{
    const bool killed = r->process.exited && WIFSIGNALED(r->process.status);

    drain_err(r);
    if (killed && !r->is_whole)
        cgi_request_fail(r, CGI_ERROR_KILLED);
    else if (r->status == 0)
        cgi_request_fail(r, r->head_size == 0 ? CGI_ERROR_NO_OUTPUT : CGI_ERROR_BAD_HEADER);
    cgi_request_tell(r);
}

/* Does what is due although nothing moved. */
static void check_time(struct cgi_request *r)
{
    if (clock_monotonic_ms() < deadline(r))
        return;
    if (r->is_complete) {
        conclude(r);
    } else if (!is_scripts_turn(r)) {
        moved(r);
    } else if (r->process.exited) {
        r->left_open = true;
        close_end(&r->process.out);
        complete(r);
    } else {
        give_up(r, CGI_ERROR_TIMEOUT);
    }
}

void cgi_relay_run(struct cgi_request *r)
{
    r->exit_ms = 0;
    moved(r);
    pass_body(r);
    while (!r->told && r->error == CGI_ERROR_NONE) {
        wait_for(r);
        if (is_gone(r))
            give_up(r, CGI_ERROR_CLIENT_GONE);
        else if (r->error != CGI_ERROR_NONE)
            give_up(r, r->error);
        else if (r->is_complete && r->process.exited)
            conclude(r);
        else
            check_time(r);
    }
}

void cgi_relay_finish(struct cgi_request *r)
{
    struct cgi_front *const front = &r->front;
    struct pollfd out = {.fd = front->out, .events = POLLOUT};
    const uint64_t patience = timeout_ms(r);
    uint64_t waited;

    /* Of an answer that was cut the web server is not told that it is whole. */
    if (cgi_request_is_ended(r))
        cgi_front_put_end(front);
    cgi_front_release(front);
    cgi_front_write(front);
    moved(r);
    while (cgi_front_is_pending(front) && !is_gone(r) &&
           (waited = clock_monotonic_ms() - r->progress_ms) < patience) {
        if (cgi_wait(&out, 1, patience - waited) > 0) {
            const size_t before = front->out_at;

            cgi_front_write(front);
            if (front->out_at != before)
                moved(r);
        }
    }
}
