/*
 * Any bytes as what a script answers and as what a web server sends to microtrace-cgi. A header
 * that is taken is written so that it reads the same again; whatever comes on a connection, it is a
 * request within its bounds or refused.
 */
#include "gateways/cgi_front.h"
#include "gateways/cgi_head.h"
#include "gateways/head_line.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

const struct fuzz_seed fuzz_seeds[] = {
    FUZZ_SEED("Content-Type: text/plain\r\nStatus: 404 Not Found\r\nContent-Length: 3\r\n\r\nabc"),
    FUZZ_SEED("HTTP/1.1 200 OK\nLocation: /x\nX-Request-ID: own\n folded\n\n"),
    FUZZ_SEED("\1\1\0\1\0\10\0\0\0\1\0\0\0\0\0\0\1\4\0\1\0\6\2\0\2\2abcd\0\0\1\4\0\1\0\0\0\0"
              "\1\5\0\1\0\2\0\0ab\1\5\0\1\0\0\0\0"),
    FUZZ_SEED("\1\11\0\0\0\0\0\0\1\1\0\1\0\10\0\0\0\1\1\0\0\0\0\0\1\2\0\1\0\0\0\0"),
    {NULL, 0},
};

static void try_head(const char *bytes, size_t size)
{
    const size_t head_size = cgi_head_size(bytes, size, 0);
    static const struct trace_context trace = {.flags = TRACE_CONTEXT_SAMPLED};
    static const struct head_line_ours ours = {"the-id", &trace};
    struct cgi_head head, again;
    char *out;
    size_t length;

    assert(head_size <= size);
    if (head_size == 0 || cgi_head_read(&head, bytes, head_size) != 0)
        return;
    assert(head.status >= 200 && head.status <= 599);
    out = malloc(head_size + HEAD_LINE_ADDED_MAX);
    assert(out != NULL);
    length = head_line_write_head(out, bytes, head_size, &ours);
    assert(length <= head_size + HEAD_LINE_ADDED_MAX);
    assert(cgi_head_size(out, length, 0) == length);
    assert(cgi_head_read(&again, out, length) == 0);
    assert(again.status == head.status && again.length == head.length);
    free(out);
}

static void try_front(const uint8_t *data, size_t size)
{
    static struct cgi_front front;
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0)
        abort();
    cgi_front_begin_fastcgi(&front, ends[0]);
    if (write(ends[1], data, size) == (ssize_t)size) {
        (void)shutdown(ends[1], SHUT_WR);
        while (front.in >= 0 && cgi_front_room(&front) > 0 &&
               (front.state == CGI_FRONT_HEAD || front.state == CGI_FRONT_OPEN))
            cgi_front_read(&front);
    }
    assert(front.body_at <= front.body_end && front.body_end <= sizeof(front.body));
    if (front.state == CGI_FRONT_OPEN) {
        for (size_t i = 0; front.variables[i] != NULL; i++)
            assert(strchr(front.variables[i], '=') != NULL);
        cgi_front_put_end(&front);
        cgi_front_release(&front);
        cgi_front_write(&front);
    }
    (void)close(ends[0]);
    (void)close(ends[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_head((const char *)data, size);
    try_front(data, size);
    return 0;
}
