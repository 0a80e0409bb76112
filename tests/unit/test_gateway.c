/*
 * Goal: behind a web server's socket every request that a process has begun to read is answered
 * whole, whatever moment a stop request comes at, whatever rubbish other connections bring; and a
 * stopped process ends by itself, with 0. The test speaks the FastCGI protocol itself.
 */
#include "fcgi-app/gateway.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    BEGIN = 1, /* FastCGI 1.0 specification, section 8 */
    END = 3,
    PARAMS = 4,
    STDIN = 5,
    STDOUT = 6,
    MESSAGE_MAX = 4096,
    DEADLINE_MS = 10000, /* only a hanging program ever waits for it */
    STOPS = 100,
};

static const char body[] = "the body of a request";

struct message {
    char bytes[MESSAGE_MAX];
    size_t length;
};

struct server {
    char folder[64];
    struct sockaddr_un address;
    pid_t pid;
};

static int accept_error; /* what accept fails with; 0: it does not */
static bool accept_fails_once;

/* In place of libc's, for the gateway. */
int accept(int fd, __SOCKADDR_ARG address, socklen_t *restrict length)
{
    if (accept_error == 0)
        return accept4(fd, address, length, 0);
    errno = accept_error;
    if (accept_fails_once)
        accept_error = 0;
    return -1;
}

/* Answers each request with its method, path and body. */
static void child_main(void)
{
    struct gateway *gateway = gateway_fcgi();
    struct request request;
    int more = gateway != NULL ? 1 : -1;

    while (more > 0 && (more = gateway->next(gateway, &request)) > 0) {
        char input[256], output[1024];
        size_t length = request.content_length > 0 && request.content_length < 256
                            ? (size_t)request.content_length
                            : 0;
        struct reply reply;

        reply_init(&reply, output, sizeof(output));
        reply.request_id = "id";
        json_writer_bytes(&reply.body, request.path, strlen(request.path));
        json_writer_bytes(&reply.body, " ", 1);
        length = gateway->read_body(gateway, input, length);
        json_writer_bytes(&reply.body, input, length);
        gateway->reply(gateway, &reply);
    }
    _exit(more == 0 ? 0 : 1);
}

static void start(struct server *server)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    (void)snprintf(server->folder, sizeof(server->folder), "/tmp/microtrace-gateway-XXXXXX");
    assert_non_null(mkdtemp(server->folder));
    memset(&server->address, 0, sizeof(server->address));
    server->address.sun_family = AF_UNIX;
    (void)snprintf(server->address.sun_path, sizeof(server->address.sun_path), "%s/s",
                   server->folder);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&server->address, sizeof(server->address)), 0);
    assert_int_equal(listen(fd, 64), 0);
    server->pid = fork();
    assert_true(server->pid >= 0);
    if (server->pid == 0) {
        (void)dup2(fd, 0);
        (void)close(fd);
        child_main();
    }
    (void)close(fd);
}

/* The process ends by itself, with that status. */
static void await_end(struct server *server, int expected)
{
    int status = -1;

    for (int waited = 0; waitpid(server->pid, &status, WNOHANG) == 0; waited++) {
        if (waited == DEADLINE_MS)
            (void)kill(server->pid, SIGKILL);
        (void)poll(NULL, 0, 1);
    }
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), expected);
    (void)unlink(server->address.sun_path);
    (void)rmdir(server->folder);
}

static void stop(struct server *server, int signal_number)
{
    assert_int_equal(kill(server->pid, signal_number), 0);
    await_end(server, 0);
}

static void add_record(struct message *message, int type, const char *content, size_t length)
{
    const char header[8] = {1, (char)type, 0, 1, (char)(length >> 8), (char)length, 0, 0};

    assert_true(message->length + sizeof(header) + length <= sizeof(message->bytes));
    memcpy(message->bytes + message->length, header, sizeof(header));
    memcpy(message->bytes + message->length + sizeof(header), content, length);
    message->length += sizeof(header) + length;
}

static void add_request(struct message *message, bool keep)
{
    static const char *const variables[][2] = {
        {"REQUEST_METHOD", "POST"},
        {"SCRIPT_NAME", "/analyze"},
        {"CONTENT_LENGTH", "21"},
    };
    const char begin[8] = {0, 1, (char)keep};
    char params[256];
    size_t length = 0;

    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
        params[length++] = (char)strlen(variables[i][0]);
        params[length++] = (char)strlen(variables[i][1]);
        for (int j = 0; j < 2; j++) {
            memcpy(params + length, variables[i][j], strlen(variables[i][j]));
            length += strlen(variables[i][j]);
        }
    }
    add_record(message, BEGIN, begin, sizeof(begin));
    add_record(message, PARAMS, params, length);
    add_record(message, PARAMS, "", 0);
    add_record(message, STDIN, body, sizeof(body) - 1);
    add_record(message, STDIN, "", 0);
}

/* A connection on which all of `message` was sent, or -1 if nobody listens any more. */
static int send_message(const struct server *server, const struct message *message)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    if (connect(fd, (const struct sockaddr *)&server->address, sizeof(server->address)) != 0 ||
        send(fd, message->bytes, message->length, MSG_NOSIGNAL) != (ssize_t)message->length) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

/* Reads records until the end of a request. Returns 0, or -1 where the connection ended before. */
static int receive(int fd, struct message *answer)
{
    static const char end[] = {1, END};

    answer->length = 0;
    for (;;) {
        struct pollfd readable = {.fd = fd, .events = POLLIN};
        ssize_t n;

        assert_int_equal(poll(&readable, 1, DEADLINE_MS), 1);
        n = recv(fd, answer->bytes + answer->length, sizeof(answer->bytes) - answer->length, 0);
        if (n <= 0)
            return -1;
        answer->length += (size_t)n;
        if (answer->length > 16 && memcmp(answer->bytes + answer->length - 16, end, 2) == 0)
            return 0;
    }
}

static void assert_whole(const struct message *answer)
{
    static const char status[] = "Status: 200 OK\r\n";
    static const char content[] = "Content-Length: 30\r\n\r\n/analyze the body of a request";

    assert_int_equal(answer->bytes[1], STDOUT);
    assert_memory_equal(answer->bytes + 8, status, sizeof(status) - 1);
    assert_non_null(memmem(answer->bytes, answer->length, content, sizeof(content) - 1));
}

static void answers_requests(void **state)
{
    struct server server;
    struct message request = {.length = 0}, answer;

    (void)state;
    add_request(&request, false);
    start(&server);
    for (int i = 0; i < 100; i++) {
        int fd = send_message(&server, &request);
        char byte;

        assert_true(fd >= 0);
        assert_int_equal(receive(fd, &answer), 0);
        assert_whole(&answer);
        assert_int_equal(recv(fd, &byte, 1, 0), 0);
        (void)close(fd);
    }
    stop(&server, SIGTERM);
}

static void keeps_a_connection_and_stops(void **state)
{
    struct server server;
    struct message request = {.length = 0}, answer;
    int fd;

    (void)state;
    add_request(&request, true);
    start(&server);
    fd = send_message(&server, &request);
    assert_true(fd >= 0);
    assert_int_equal(receive(fd, &answer), 0);
    assert_whole(&answer);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(send(fd, request.bytes, request.length, 0), request.length);
        assert_int_equal(receive(fd, &answer), 0);
        assert_whole(&answer);
    }
    stop(&server, SIGTERM);
    (void)close(fd);
}

/* A stop request at a random moment: what was begun is answered whole, the rest never begun. */
static void stops_between_requests_only(void **state)
{
    static const int signals[] = {SIGTERM, SIGUSR1, SIGINT};
    struct message request = {.length = 0}, answer;
    unsigned seed = 1, answered = 0;

    (void)state;
    add_request(&request, false);
    for (int round = 0; round < STOPS; round++) {
        struct server server;
        int stop_after = 1 + rand_r(&seed) % 20; /* by then the handlers are there */

        start(&server);
        for (int i = 0;; i++) {
            int fd = send_message(&server, &request);

            if (fd < 0)
                break;
            if (i == stop_after)
                assert_int_equal(kill(server.pid, signals[round % 3]), 0);
            if (receive(fd, &answer) == 0) {
                assert_whole(&answer);
                answered++;
            } else {
                /* In the queue of a socket that is gone: not a byte of an answer. */
                assert_true(i >= stop_after);
                assert_int_equal(answer.length, 0);
            }
            (void)close(fd);
        }
        await_end(&server, 0);
    }
    assert_true(answered > STOPS);
}

static void survives_rubbish(void **state)
{
    struct server server;
    struct message request = {.length = 0}, answer;
    unsigned seed = 2;
    int fd;

    (void)state;
    add_request(&request, false);
    start(&server);
    for (int i = 0; i < 200; i++) {
        struct message rubbish = request;

        rubbish.length = 1 + (size_t)rand_r(&seed) % request.length;
        for (int j = 0; j < i % 8; j++)
            rubbish.bytes[(size_t)rand_r(&seed) % rubbish.length] = (char)rand_r(&seed);
        fd = send_message(&server, &rubbish);
        assert_true(fd >= 0);
        (void)close(fd);
    }
    fd = send_message(&server, &request);
    assert_true(fd >= 0);
    assert_int_equal(receive(fd, &answer), 0);
    assert_whole(&answer);
    (void)close(fd);
    stop(&server, SIGUSR1);
}

/* An error that stays would keep a core busy; one of a single connection ends nothing. */
static void errors_of_accept(void **state)
{
    static const int fatal[] = {EMFILE, ENFILE, ENOMEM, EINVAL},
                     passing[] = {ECONNABORTED, EPROTO, EPERM, EINTR};
    struct message request = {.length = 0}, answer;
    struct server server;

    (void)state;
    for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++) {
        accept_error = fatal[i];
        start(&server);
        await_end(&server, 1);
    }
    add_request(&request, false);
    accept_fails_once = true;
    for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++) {
        int fd;

        accept_error = passing[i];
        start(&server);
        fd = send_message(&server, &request);
        assert_true(fd >= 0);
        assert_int_equal(receive(fd, &answer), 0);
        assert_whole(&answer);
        (void)close(fd);
        stop(&server, SIGUSR1);
    }
    accept_error = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_requests),
        cmocka_unit_test(keeps_a_connection_and_stops),
        cmocka_unit_test(stops_between_requests_only),
        cmocka_unit_test(survives_rubbish),
        cmocka_unit_test(errors_of_accept),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
