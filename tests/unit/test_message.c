/*
 * Goal: no line on stderr waits for whoever reads it, by whichever way the kernel offers; what
 * can't be written is counted; nobody else's descriptor changes.
 */
#include "lib/base/message.c"

#include "tests/unit/unit.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>

static const char line[] =
    "0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 012\n";

enum {
    LINE = sizeof(line) - 1,
    LINES = 3000, /* more than any pipe takes */
};

/* A way to write: the public one, or one of those it chooses from. */
typedef ssize_t way(int fd, const char *bytes, size_t length);

static ssize_t by_message_write(int fd, const char *bytes, size_t length)
{
    return message_write(fd, bytes, length) == 0 ? (ssize_t)length : -1;
}

static ssize_t by_opening_again(int fd, const char *bytes, size_t length)
{
    const int again = open_again(fd);
    ssize_t wrote;

    assert_true(again >= 0);
    wrote = write(again, bytes, length);
    (void)close(again);
    return wrote;
}

static way *const ways[] = {by_message_write, by_opening_again, splice_into};

static void make_pipe(int ends[2])
{
    assert_int_equal(pipe(ends), 0);
}

/* Reads all that lies in the pipe; returns how many lines, of which each has to be whole. */
static unsigned empty(int fd)
{
    char text[LINE];
    unsigned count = 0;

    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    while (read(fd, text, LINE) == LINE) {
        assert_memory_equal(text, line, LINE);
        count++;
    }
    return count;
}

static void test_a_full_pipe_takes_nothing_and_nobody_waits(void **state)
{
    (void)state;
    for (size_t w = 0; w < sizeof(ways) / sizeof(ways[0]); w++) {
        unsigned good = 0;
        int ends[2];

        make_pipe(ends);
        for (unsigned i = 0; i < LINES; i++)
            good += ways[w](ends[1], line, LINE) == LINE;
        assert_true(good > 0 && good < LINES);
        assert_int_equal(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0);
        assert_int_equal(empty(ends[0]), good);
        (void)close(ends[0]);
        (void)close(ends[1]);
    }
}

struct crowd {
    way *by;
    int fd;
    unsigned good;
};

static void *write_many(void *context)
{
    struct crowd *const crowd = context;

    for (unsigned i = 0; i < LINES; i++)
        crowd->good += crowd->by(crowd->fd, line, LINE) == LINE;
    return NULL;
}

/* poll(2) would tell all of them of the same room. */
static void test_writers_that_fill_the_pipe_together_do_not_wait(void **state)
{
    (void)state;
    for (size_t w = 0; w < sizeof(ways) / sizeof(ways[0]); w++) {
        enum { THREADS = 4 };
        struct crowd crowds[THREADS];
        pthread_t threads[THREADS];
        unsigned good = 0;
        int ends[2];

        make_pipe(ends);
        for (unsigned t = 0; t < THREADS; t++) {
            crowds[t] = (struct crowd){.by = ways[w], .fd = ends[1]};
            assert_int_equal(pthread_create(&threads[t], NULL, write_many, &crowds[t]), 0);
        }
        for (unsigned t = 0; t < THREADS; t++) {
            assert_int_equal(pthread_join(threads[t], NULL), 0);
            good += crowds[t].good;
        }
        assert_int_equal(empty(ends[0]), good);
        (void)close(ends[0]);
        (void)close(ends[1]);
    }
}

static void test_dropped_lines_are_counted(void **state)
{
    unsigned lost = 0;
    int ends[2];

    (void)state;
    (void)message_take_dropped();
    make_pipe(ends);
    errno = ENOTTY;
    for (unsigned i = 0; i < LINES; i++)
        lost += message_write(ends[1], line, LINE);
    assert_int_equal(errno, ENOTTY);
    assert_int_equal(lost, LINES - empty(ends[0]));
    assert_int_equal(message_take_dropped(), lost);
    assert_int_equal(message_take_dropped(), 0);
    (void)close(ends[0]);
    (void)close(ends[1]);
    assert_int_equal(message_write(ends[1], line, LINE), 1); /* a closed descriptor */
}

static void test_many_lines_go_in_whole_ones(void **state)
{
    enum { MANY = 200 }; /* 14 KB */
    static char text[MANY * LINE];
    int ends[2];

    (void)state;
    for (unsigned i = 0; i < MANY; i++)
        memcpy(text + i * LINE, line, LINE);
    make_pipe(ends);
    for (unsigned i = 0; i < 10; i++)
        (void)message_write(ends[1], text, sizeof(text));
    assert_true(empty(ends[0]) >= MANY);
    assert_int_equal(message_write(ends[1], text, sizeof(text)), 0);
    assert_int_equal(empty(ends[0]), MANY);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void test_a_long_line_takes_several_writes(void **state)
{
    static char text[3 * PIPE_BUF], back[sizeof(text)];
    int ends[2];

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\n';
    make_pipe(ends);
    assert_int_equal(message_write(ends[1], text, sizeof(text)), 0);
    assert_int_equal(read(ends[0], back, sizeof(back)), sizeof(back));
    assert_memory_equal(text, back, sizeof(text));
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void test_sockets_and_files(void **state)
{
    char path[] = "/tmp/test_message.XXXXXX", text[2 * LINE];
    unsigned good = 0;
    int ends[2], fd;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    for (unsigned i = 0; i < LINES; i++)
        good += message_write(ends[1], line, LINE) == 0;
    assert_true(good > 0 && good < LINES);
    (void)close(ends[0]);
    assert_int_equal(message_write(ends[1], line, LINE), 1); /* and no SIGPIPE */
    (void)close(ends[1]);

    fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, line, LINE), LINE);
    assert_int_equal(message_write(fd, line, LINE), 0); /* goes on where it stands */
    assert_int_equal(pread(fd, text, sizeof(text), 0), sizeof(text));
    assert_memory_equal(text + LINE, line, LINE);
    (void)close(fd);
    (void)unlink(path);
}

static void test_a_stopped_terminal_does_not_stop_us(void **state)
{
    const int master = posix_openpt(O_RDWR | O_NOCTTY);
    unsigned lost = 0;
    int slave = -1;

    (void)state;
    if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0 ||
        (slave = open(ptsname(master), O_RDWR | O_NOCTTY)) < 0) {
        (void)close(master);
        skip();
    }
    for (unsigned i = 0; i < LINES; i++)
        lost += message_write(slave, line, LINE);
    assert_true(lost > 0 && lost < LINES);
    (void)close(slave);
    (void)close(master);
}

static void test_message_print(void **state)
{
    char text[2 * MESSAGE_MAX];
    int ends[2], saved = dup(STDERR_FILENO);
    ssize_t got;

    (void)state;
    make_pipe(ends);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    message_print("%s is %d", "the answer", 42);
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    got = read(ends[0], text, sizeof(text) - 1);
    assert_true(got > 0);
    text[got] = '\0';
    assert_string_equal(text, "test_message: the answer is 42\n");

    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    message_print("%9000d", 1);
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    assert_int_equal(read(ends[0], text, sizeof(text)), MESSAGE_MAX);
    assert_int_equal(text[MESSAGE_MAX - 1], '\n');
    (void)close(saved);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_full_pipe_takes_nothing_and_nobody_waits),
        cmocka_unit_test(test_writers_that_fill_the_pipe_together_do_not_wait),
        cmocka_unit_test(test_dropped_lines_are_counted),
        cmocka_unit_test(test_many_lines_go_in_whole_ones),
        cmocka_unit_test(test_a_long_line_takes_several_writes),
        cmocka_unit_test(test_sockets_and_files),
        cmocka_unit_test(test_a_stopped_terminal_does_not_stop_us),
        cmocka_unit_test(test_message_print),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
