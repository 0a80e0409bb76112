/*
 * Goal: the head of a program's answer is found wherever it ends, means what the CGI specification
 * says, and goes out as it was but for the request id.
 */
#include "gateways/proxy_head.h"

#include "gateways/head_line.h"
#include "tests/unit/unit.h"

#include <string.h>

static void assert_head(const char *text, int status, int64_t length)
{
    struct proxy_head head;
    const char *const end = strstr(text, "BODY");
    const size_t size = (size_t)(end - text);

    assert_non_null(end);
    for (size_t cut = 0; cut < size; cut++)
        assert_int_equal(proxy_head_read(&head, text, cut), PROXY_HEAD_PARTIAL);
    assert_int_equal(proxy_head_read(&head, text, strlen(text)), PROXY_HEAD_DONE);
    assert_int_equal(head.size, size);
    assert_int_equal(head.status, status);
    assert_int_equal(head.length, length);
}

static void reads_status_and_length(void **state)
{
    (void)state;
    assert_head("Content-Type: text/plain\r\n\r\nBODY", 200, PROXY_HEAD_LENGTH_UNKNOWN);
    assert_head("Content-Type: text/plain\n\nBODY", 200, PROXY_HEAD_LENGTH_UNKNOWN);
    assert_head("Status: 404 Not Found\r\nContent-length: 12\r\n\r\nBODY", 404, 12);
    assert_head("status:503\nX: y\n\nBODY", 503, PROXY_HEAD_LENGTH_UNKNOWN);
    assert_head("Location: /there\r\n\r\nBODY", 302, PROXY_HEAD_LENGTH_UNKNOWN);
    assert_head("Status: 201\r\nLocation: /there\r\n\r\nBODY", 201, PROXY_HEAD_LENGTH_UNKNOWN);
    assert_head("HTTP/1.1 418 Teapot\r\nX: y\r\n\r\nBODY", 418, PROXY_HEAD_LENGTH_UNKNOWN);
    assert_head("X: y\r\n folded: Status: 500\r\n\r\nBODY", 200, PROXY_HEAD_LENGTH_UNKNOWN);
    assert_head("Content-Length: twelve\r\n\r\nBODY", 200, PROXY_HEAD_LENGTH_UNKNOWN);
    assert_head("Content-Length: 9223372036854775808\r\n\r\nBODY", 200, PROXY_HEAD_LENGTH_UNKNOWN);
}

static void what_is_no_head_is_bad_as_soon_as_its_line_ends(void **state)
{
    static const char *const bad[] = {"Fatal error\n",
                                      "\n",
                                      "\r\nX: y\r\n\r\n",
                                      ": nameless\n",
                                      "two words: x\n",
                                      "Status: 99\n",
                                      "Status: 600\n",
                                      "Status: 2000 OK\n",
                                      "Status: abc\n",
                                      "Status:\n",
                                      "Status: 200OK\n",
                                      "X: y\nno\n",
                                      "\001: x\n",
                                      "X: y\rz: 1\n",
                                      "X: y\r\r\n",
                                      "X: y\n folded\r\rz\n",
                                      "HTTP/1.1 200 OK\rX: y\n"};
    static const char nul[] = "X: y\0z\n";
    struct proxy_head head;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(proxy_head_read(&head, bad[i], strlen(bad[i])), PROXY_HEAD_BAD);
    assert_int_equal(proxy_head_read(&head, nul, sizeof(nul) - 1), PROXY_HEAD_BAD);
}

#define TRACE "traceresponse: 00-01000000000000000000000000000000-0200000000000000-01\r\n"

static void assert_written(const char *in, const char *out)
{
    static const struct trace_context trace = {
        .trace_id = {{1}}, .span_id = {{2}}, .flags = TRACE_CONTEXT_SAMPLED};
    static const struct head_line_ours ours = {"id-1", &trace};
    char buffer[1024];
    const size_t size = head_line_write_head(buffer, in, strlen(in), &ours);

    assert_true(size <= strlen(in) + HEAD_LINE_ADDED_MAX);
    buffer[size] = '\0';
    assert_string_equal(buffer, out);
}

static void writes_our_request_id_in_place_of_theirs(void **state)
{
    (void)state;
    assert_written("A: b\r\n\r\n", "A: b\r\nX-Request-ID: id-1\r\n" TRACE "\r\n");
    assert_written("A: b\n\n", "A: b\nX-Request-ID: id-1\r\n" TRACE "\r\n");
    assert_written("x-request-id: theirs\r\n\tfolded\r\nTraceresponse:00-x\r\nA: b\r\n\r\n",
                   "A: b\r\nX-Request-ID: id-1\r\n" TRACE "\r\n");
    assert_written("A: b\r\nX-REQUEST-ID : x\r\nB: c\r\n d\r\nX-Request-ID: y\r\n\r\n",
                   "A: b\r\nB: c\r\n d\r\nX-Request-ID: id-1\r\n" TRACE "\r\n");
    assert_written("HTTP/1.1 200 OK\r\nX-Request-IDs: kept\r\n\r\n",
                   "Status: 200 OK\r\nX-Request-IDs: kept\r\nX-Request-ID: id-1\r\n" TRACE "\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_status_and_length),
        cmocka_unit_test(what_is_no_head_is_bad_as_soon_as_its_line_ends),
        cmocka_unit_test(writes_our_request_id_in_place_of_theirs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
