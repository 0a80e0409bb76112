/*
 * Goal: a kept connection that dies without an answer costs the attempt that was under way, once
 * on the wire, and no later one.
 */
#include "fcgi-app/downstream_client.h"

#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { REQUEST_MAX = 4096, TIMEOUT_MS = 10000 };

static const char body[] = "{\"a\": 1}";

/* Reads one request; returns whether there was one. */
static int read_request(int fd)
{
    char text[REQUEST_MAX];
    size_t length = 0;
    ssize_t n;

    while (length < sizeof text - 1 &&
           (n = read(fd, text + length, sizeof text - 1 - length)) > 0) {
        length += (size_t)n;
        text[length] = '\0';
        if (strstr(text, body) != NULL)
            return 1;
    }
    return 0;
}

/*
 * Answers each connection's first request, and ends it at the second without a word. Ends itself at
 * the last request, with how many there were as exit status.
 */
static void serve(int listener, int last)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
    int seen = 0;

    (void)alarm(60);
    while (seen < last) {
        int fd = accept(listener, NULL, NULL);

        if (fd >= 0 && read_request(fd)) {
            seen++;
            if (write(fd, answer, sizeof answer - 1) != (ssize_t)sizeof answer - 1)
                break;
            seen += read_request(fd);
        }
        (void)close(fd);
    }
    _exit(seen);
}

static void a_dead_connection_costs_one_attempt(void **state)
{
    static const enum downstream_outcome expected[] = {
        DOWNSTREAM_SUCCESS,           DOWNSTREAM_CONNECTION_FAILED, DOWNSTREAM_SUCCESS,
        DOWNSTREAM_CONNECTION_FAILED, DOWNSTREAM_SUCCESS,           DOWNSTREAM_CONNECTION_FAILED};
    enum { ATTEMPTS = sizeof expected / sizeof expected[0] };
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    struct downstream_settings settings = {.enabled = true};
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct downstream_client *client;
    char url[64], error[CONFIG_ERROR_MAX];
    int status;
    pid_t peer;

    (void)state;
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 16), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%d/", ntohs(address.sin_port));
    settings.url = url;
    peer = fork();
    assert_true(peer >= 0);
    if (peer == 0)
        serve(listener, ATTEMPTS);
    client = downstream_client_open(&settings, error);
    if (client == NULL)
        fail_msg("%s", error);
    for (size_t i = 0; i < ATTEMPTS; i++) {
        struct downstream_response response;

        downstream_client_post(client, body, sizeof body - 1, TIMEOUT_MS, &response);
        if (response.outcome != expected[i])
            fail_msg("attempt %zu: outcome %d, %s", i, (int)response.outcome,
                     response.problem != NULL ? response.problem : "no problem");
    }
    downstream_client_close(client);
    assert_int_equal(waitpid(peer, &status, 0), peer);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), ATTEMPTS);
    (void)close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dead_connection_costs_one_attempt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
