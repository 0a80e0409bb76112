/*
 * Goal: microtrace-cgi reads what a web server sends whatever way it is cut, takes a script's
 * header as RFC 3875 has it and nothing else, and cuts stderr into lines without losing count.
 */
#include "gateways/cgi_front.h"
#include "gateways/cgi_head.h"
#include "gateways/head_line.h"
#include "gateways/stderr_lines.h"
#include "tests/unit/unit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void reads_headers(void **state)
{
    static const struct {
        const char *text;
        int status; /* -1: no header */
        int64_t length;
    } cases[] = {
        {"Content-Type: a/b\n\n", 200, -1},
        {"content-type:a/b\r\nX: y\r\n\r\n", 200, -1},
        {"Status: 404 Not Found\n\n", 404, -1},
        {"Status: 599\nContent-Length: 12\n\n", 599, 12},
        {"Location: http://a/\n\n", 302, -1},
        {"Location: /a\nStatus: 301\n\n", 301, -1},
        {"Status: 201\nLocation: /a\n\n", 201, -1},
        {"HTTP/1.0 200 OK\nX: y\n\n", 200, -1},
        {"Content-Type: a/b\n folded: line\n\n", 200, -1},
        {"Content-Type: a/b\nContent-Length: many\n\n", 200, -1},
        {"Content-Type: a/b\nContent-Length: 99999999999999999999\n\n", 200, -1},
        {"Content-Type: a/b\n: no name\n\n", -1, -1},
        {"Content-Type: a/b\nno colon\n\n", -1, -1},
        {"Content-Type : a/b\n\n", -1, -1},
        {" folded: first\nContent-Type: a/b\n\n", -1, -1},
        {"Status: 199\n\n", -1, -1},
        {"Status: 600\n\n", -1, -1},
        {"Status: 2000\n\n", -1, -1},
        {"Status: -20\n\n", -1, -1},
        {"Status:\n\n", -1, -1},
        {"HTTP/1.1 999 No\nContent-Type: a/b\n\n", -1, -1},
        {"HTTP/1.1\nContent-Type: a/b\n\n", -1, -1},
        {"X-Other: field\n\n", -1, -1},
        {"Content-Type: a/b\nX: y\rSet-Cookie: z\n\n", -1, -1},
        {"Content-Type: a/b\r\r\n\r\n", -1, -1},
        {"Content-Type: a/b\n folded\r: line\n\n", -1, -1},
        {"HTTP/1.1 200 OK\rX: y\nContent-Type: a/b\n\n", -1, -1},
        {"\n", -1, -1},
        {"\r\n", -1, -1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const size_t size = strlen(cases[i].text);
        struct cgi_head head;

        /* However it comes, its end is found once it is there. */
        for (size_t cut = 0; cut < size; cut++) {
            const size_t early = cgi_head_size(cases[i].text, cut, 0);

            assert_true(early == 0);
            assert_int_equal(cgi_head_size(cases[i].text, size, cut), size);
        }
        if (cgi_head_read(&head, cases[i].text, size) != 0)
            head.status = -1;
        if (head.status != cases[i].status)
            fail_msg("%s is %d, not %d", cases[i].text, head.status, cases[i].status);
        if (head.status > 0)
            assert_int_equal(head.length, cases[i].length);
    }
}

#define TRACE "traceresponse: 00-01000000000000000000000000000000-0200000000000000-01\r\n"

static void writes_headers(void **state)
{
    static const struct trace_context trace = {
        .trace_id = {{1}}, .span_id = {{2}}, .flags = TRACE_CONTEXT_SAMPLED};
    static const struct head_line_ours ours = {"r", &trace};
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"Content-Type: a/b\n\n", "Content-Type: a/b\nX-Request-ID: r\r\n" TRACE "\r\n"},
        {"HTTP/1.1 418 Tea\r\nA: b\r\n\r\n",
         "Status: 418 Tea\r\nA: b\r\nX-Request-ID: r\r\n" TRACE "\r\n"},
        {"X-Request-Id: own\n folded\nTraceResponse: 00-own\nA: b\nx-request-id: again\n\n",
         "A: b\nX-Request-ID: r\r\n" TRACE "\r\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char out[256 + HEAD_LINE_ADDED_MAX];
        const size_t size = head_line_write_head(out, cases[i].text, strlen(cases[i].text), &ours);

        out[size] = '\0';
        assert_string_equal(out, cases[i].expected);
    }
}

/* BEGIN_REQUEST, parameters of which one has a NUL and one is long, a body in two records. */
static size_t make_request(uint8_t *out)
{
    static const char pairs[] = "\x01\x01"
                                "ab"
                                "\x01\x03"
                                "cd\0e"
                                "\x02\x80\x00\x00\x80";
    uint8_t *to = out;
    uint8_t long_pair[sizeof(pairs) - 1 + 2 + 128];

    memcpy(long_pair, pairs, sizeof(pairs) - 1);
    memcpy(long_pair + sizeof(pairs) - 1, "LL", 2);
    memset(long_pair + sizeof(pairs) + 1, 'x', 128);
    fastcgi_header_write(to, FASTCGI_BEGIN_REQUEST, 7, 8, 0);
    to = mempcpy(to + FASTCGI_HEADER_SIZE, "\0\1\0\0\0\0\0\0", 8);
    /* Another id's, and a management record, are none of its business. */
    fastcgi_header_write(to, FASTCGI_STDIN, 9, 3, 0);
    to = mempcpy(to + FASTCGI_HEADER_SIZE, "not", 3);
    fastcgi_header_write(to, FASTCGI_PARAMS, 7, sizeof(long_pair), 5);
    to = mempcpy(to + FASTCGI_HEADER_SIZE, long_pair, sizeof(long_pair));
    to += 5;
    fastcgi_header_write(to, FASTCGI_PARAMS, 7, 0, 0);
    to += FASTCGI_HEADER_SIZE;
    fastcgi_header_write(to, FASTCGI_STDIN, 7, 4, 1);
    to = mempcpy(to + FASTCGI_HEADER_SIZE, "body", 5);
    fastcgi_header_write(to, FASTCGI_STDIN, 7, 2, 0);
    to = mempcpy(to + FASTCGI_HEADER_SIZE, "+2", 2);
    fastcgi_header_write(to, FASTCGI_STDIN, 7, 0, 0);
    return (size_t)(to + FASTCGI_HEADER_SIZE - out);
}

static void reads_requests_cut_anywhere(void **state)
{
    struct cgi_front *const front = malloc(sizeof(*front));
    uint8_t request[512];
    const size_t size = make_request(request);
    int ends[2];

    (void)state;
    assert_non_null(front);
    for (size_t cut = 0; cut <= size; cut++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
        cgi_front_begin_fastcgi(front, ends[0]);
        if (cut > 0) {
            assert_int_equal(write(ends[1], request, cut), cut);
            cgi_front_read(front);
            assert_true(front->state == CGI_FRONT_HEAD || front->state == CGI_FRONT_OPEN);
        }
        if (cut < size) {
            assert_int_equal(write(ends[1], request + cut, size - cut), size - cut);
            cgi_front_read(front);
        }
        assert_int_equal(front->state, CGI_FRONT_OPEN);
        assert_string_equal(front->variables[0], "a=b");
        assert_int_equal(strlen(front->variables[1]), 3 + 128);
        assert_null(front->variables[2]);
        assert_true(front->body_ended);
        assert_int_equal(front->body_end, 6);
        assert_memory_equal(front->body, "body+2", 6);
        (void)close(ends[0]);
        (void)close(ends[1]);
    }
    free(front);
}

static void refuses_what_is_no_request(void **state)
{
    struct cgi_front *const front = malloc(sizeof(*front));
    uint8_t request[512], answer[64];
    size_t size;
    int ends[2];

    (void)state;
    assert_non_null(front);
    for (int i = 0; i < 4; i++) {
        size = make_request(request);
        if (i == 0)
            request[0] = 2; /* another version */
        if (i == 1)
            request[FASTCGI_HEADER_SIZE + 1] = 3; /* another role */
        if (i == 2)
            request[5] = 7; /* BEGIN_REQUEST of another length */
        if (i == 3)
            request[2 * FASTCGI_HEADER_SIZE + 8 + 3 + FASTCGI_HEADER_SIZE] = 0x7f; /* a long name */
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
        cgi_front_begin_fastcgi(front, ends[0]);
        assert_int_equal(write(ends[1], request, size), size);
        cgi_front_read(front);
        assert_int_equal(front->state, CGI_FRONT_BROKEN);
        if (i == 1) {
            assert_int_equal(read(ends[1], answer, sizeof(answer)), 16);
            assert_int_equal(answer[1], FASTCGI_END_REQUEST);
            assert_int_equal(answer[12], FASTCGI_UNKNOWN_ROLE);
        }
        (void)close(ends[0]);
        (void)close(ends[1]);
    }
    free(front);
}

static void goes_on_when_all_was_taken(void **state)
{
    static char piece[CGI_FRONT_PIECE_MAX];
    struct cgi_front *const front = malloc(sizeof(*front));
    uint8_t request[512];
    const size_t size = make_request(request);
    int ends[2];

    (void)state;
    assert_non_null(front);
    request[FASTCGI_HEADER_SIZE + 2] = FASTCGI_KEEP_CONN;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    cgi_front_begin_fastcgi(front, ends[0]);
    assert_int_equal(write(ends[1], request, size), size);
    cgi_front_read(front);
    assert_true(cgi_front_can_go_on(front));
    /* Until the connection takes no more. */
    while (!cgi_front_is_pending(front)) {
        cgi_front_put(front, piece, sizeof(piece));
        cgi_front_release(front);
        cgi_front_write(front);
    }
    cgi_front_put_end(front);
    cgi_front_release(front);
    assert_false(cgi_front_can_go_on(front));
    while (cgi_front_is_pending(front)) {
        assert_true(read(ends[1], piece, sizeof(piece)) > 0);
        cgi_front_write(front);
    }
    assert_true(cgi_front_can_go_on(front));
    (void)close(ends[0]);
    (void)close(ends[1]);
    free(front);
}

static void keeps_what_is_not_released(void **state)
{
    struct cgi_front *const front = malloc(sizeof(*front));
    uint8_t answer[64];
    int ends[2];

    (void)state;
    assert_non_null(front);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    cgi_front_begin_fastcgi(front, ends[0]);
    cgi_front_put(front, "one", 3);
    cgi_front_release(front);
    cgi_front_put(front, "two", 3);
    assert_true(cgi_front_is_pending(front));
    cgi_front_write(front);
    assert_false(cgi_front_is_pending(front));
    assert_true(cgi_front_is_kept(front));
    assert_int_equal(read(ends[1], answer, sizeof(answer)), 11);
    assert_memory_equal(answer + 8, "one", 3);
    cgi_front_put_end(front);
    cgi_front_release(front);
    cgi_front_write(front);
    assert_int_equal(read(ends[1], answer, sizeof(answer)), 11 + 8 + 16);
    assert_memory_equal(answer + 8, "two", 3);
    (void)close(ends[1]);
    cgi_front_put(front, "x", 1);
    cgi_front_release(front);
    cgi_front_write(front);
    assert_int_equal(front->state, CGI_FRONT_GONE);
    (void)close(ends[0]);
    free(front);
}

static size_t copied;
static unsigned copies;

static void count_copy(void *to, const char *line, size_t length)
{
    (void)to;
    assert_int_equal(line[length - 1], '\n');
    copied += length;
    copies++;
}

static void cuts_stderr_into_lines(void **state)
{
    static struct telemetry_settings settings;
    static const struct resource_service service = {"cgi-test", "1", NULL};
    static const struct log_context context = {.request_id = NULL};
    static char text[3 * STDERR_LINES_LENGTH_MAX];
    char error[CONFIG_ERROR_MAX];
    struct telemetry *telemetry;
    char line[STDERR_LINES_LENGTH_MAX + 1];
    struct stderr_lines err = {
        .context = &context, .logger = "test", .line = line, .copy = count_copy};

    (void)state;
    assert_int_equal(
        config_load(telemetry_settings_rows, telemetry_settings_count, &settings, NULL, error), 0);
    settings.run_dir = settings.spool_dir = "/nowhere";
    telemetry = telemetry_open(&settings, &service);
    assert_non_null(telemetry);
    err.telemetry = telemetry;
    stderr_lines_take(&err, "one\ntw", 6);
    stderr_lines_take(&err, "o\n\n", 3);
    assert_int_equal(err.lines, 3);
    memset(text, 'x', sizeof(text));
    stderr_lines_take(&err, text, sizeof(text));
    stderr_lines_take(&err, text, 7);
    stderr_lines_end(&err);
    assert_int_equal(err.lines, 4);
    assert_int_equal(err.cut_all, 2 * STDERR_LINES_LENGTH_MAX + 7);
    assert_int_equal(copies, 4);
    assert_int_equal(copied, 4 + 4 + 1 + STDERR_LINES_LENGTH_MAX + 1);
    stderr_lines_end(&err);
    assert_int_equal(err.lines, 4);
    for (int i = 0; i < STDERR_LINES_MAX; i++)
        stderr_lines_take(&err, "\n", 1);
    assert_int_equal(stderr_lines_dropped(&err), 4);
    /* Who has no use for a copy has none for empty lines. */
    err = (struct stderr_lines){
        .telemetry = telemetry, .context = &context, .logger = "test", .line = line};
    stderr_lines_take(&err, "\n\none\n\ntw", 9);
    stderr_lines_end(&err);
    stderr_lines_end(&err);
    assert_int_equal(err.lines, 2);
    telemetry_close(telemetry);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_headers),
        cmocka_unit_test(writes_headers),
        cmocka_unit_test(reads_requests_cut_anywhere),
        cmocka_unit_test(refuses_what_is_no_request),
        cmocka_unit_test(goes_on_when_all_was_taken),
        cmocka_unit_test(keeps_what_is_not_released),
        cmocka_unit_test(cuts_stderr_into_lines),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
