/*
 * Goal: an append is whole or counted, whatever happens to the file: sealed in between, deleted,
 * replaced, torn by a predecessor, at its limit, without a directory; and the lock that the agent
 * relies on is there for as long as a writer may still write.
 */
#include "lib/spool/writer.h"
#include "tests/unit/unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[64], active[128], sealed[128], elsewhere[128];

static int make_dir(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof(dir), "/tmp/test_spool.XXXXXX");
    if (mkdtemp(dir) == NULL)
        return -1;
    (void)snprintf(active, sizeof(active), "%s/traces.jsonl", dir);
    (void)snprintf(sealed, sizeof(sealed), "%s/traces.0000000001.jsonl", dir);
    (void)snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    (void)unlink(active);
    (void)unlink(sealed);
    (void)unlink(elsewhere);
    return rmdir(dir);
}

static size_t read_file(const char *path, char *out, size_t size)
{
    FILE *const file = fopen(path, "r");
    size_t len;

    assert_non_null(file);
    len = fread(out, 1, size - 1, file);
    out[len] = '\0';
    assert_int_equal(fclose(file), 0);
    return len;
}

static void write_file(const char *path, const char *text)
{
    FILE *const file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

static void append(struct spool_writer *spool, const char *lines)
{
    unsigned lost;

    assert_int_equal(spool_writer_append(spool, lines, strlen(lines), &lost), SPOOL_OK);
    assert_int_equal(lost, 0);
}

static struct spool_writer open_spool(void)
{
    struct spool_writer spool;

    assert_int_equal(spool_writer_init(&spool, dir, "traces", 1 << 20), 0);
    /* Each append compares, so that the tests need not wait. */
    spool.check_ns = 0;
    return spool;
}

/* Whether some writer may still append to the file: the agent's own question. */
static int is_held(const char *path)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    const int fd = open(path, O_RDONLY);

    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_OFD_GETLK, &lock), 0);
    assert_int_equal(close(fd), 0);
    return lock.l_type != F_UNLCK;
}

static void lines_arrive_in_order(void **state)
{
    struct spool_writer spool = open_spool();
    char text[64];
    struct stat status;

    (void)state;
    append(&spool, "{1}\n");
    append(&spool, "{2}\n{3}\n");
    (void)read_file(active, text, sizeof(text));
    assert_string_equal(text, "{1}\n{2}\n{3}\n");
    assert_int_equal(stat(active, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0660);
    spool_writer_close(&spool);
}

static void a_sealed_segment_is_held_until_its_writers_left(void **state)
{
    struct spool_writer one = open_spool(), two = open_spool();
    char text[64];

    (void)state;
    append(&one, "{1}\n");
    append(&two, "{2}\n");
    assert_int_equal(rename(active, sealed), 0);
    assert_true(is_held(sealed));
    append(&one, "{3}\n");
    assert_true(is_held(sealed));
    append(&two, "{4}\n");
    assert_false(is_held(sealed));
    assert_true(is_held(active));
    (void)read_file(sealed, text, sizeof(text));
    assert_string_equal(text, "{1}\n{2}\n");
    (void)read_file(active, text, sizeof(text));
    assert_string_equal(text, "{3}\n{4}\n");
    spool_writer_close(&one);
    spool_writer_close(&two);
    assert_false(is_held(active));
}

/* The lock is what makes it safe that a busy writer looks at the path only now and then. */
static void a_writer_that_has_not_looked_yet_holds_what_it_writes(void **state)
{
    struct spool_writer spool = open_spool();
    char text[64];

    (void)state;
    append(&spool, "{1}\n");
    spool.check_ns = UINT64_MAX;
    assert_int_equal(rename(active, sealed), 0);
    append(&spool, "{2}\n");
    assert_true(is_held(sealed));
    (void)read_file(sealed, text, sizeof(text));
    assert_string_equal(text, "{1}\n{2}\n");
    spool.check_ns = 0;
    append(&spool, "{3}\n");
    assert_false(is_held(sealed));
    (void)read_file(active, text, sizeof(text));
    assert_string_equal(text, "{3}\n");
    spool_writer_close(&spool);
}

static void a_killed_writer_holds_nothing(void **state)
{
    pid_t child;
    int status;

    (void)state;
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct spool_writer spool = open_spool();
        unsigned lost;

        (void)spool_writer_append(&spool, "{1}\n", 4, &lost);
        (void)raise(SIGKILL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_false(is_held(active));
}

static void a_deleted_file_is_made_again(void **state)
{
    struct spool_writer spool = open_spool();
    char text[64];

    (void)state;
    append(&spool, "{1}\n");
    assert_int_equal(unlink(active), 0);
    append(&spool, "{2}\n");
    (void)read_file(active, text, sizeof(text));
    assert_string_equal(text, "{2}\n");
    spool_writer_close(&spool);
}

static void a_predecessors_torn_line_is_ended(void **state)
{
    struct spool_writer spool = open_spool();
    char text[64];

    (void)state;
    write_file(active, "{1}\n{tor");
    append(&spool, "{2}\n");
    (void)read_file(active, text, sizeof(text));
    assert_string_equal(text, "{1}\n{tor\n{2}\n");
    spool_writer_close(&spool);
}

/* A size limit cuts write(2) short just as a full disk does. */
static void a_short_write_is_counted_and_its_line_ended(void **state)
{
    const struct rlimit tight = {10, RLIM_INFINITY};
    const struct rlimit wide = {RLIM_INFINITY, RLIM_INFINITY};
    struct spool_writer spool = open_spool();
    char text[64];
    unsigned lost;

    (void)state;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    /* {1} fits, {22222} breaks: it is the agent's to count; {3} and {4} are the caller's. */
    assert_int_equal(spool_writer_append(&spool, "{1}\n{22222}\n{3}\n{4}\n", 20, &lost),
                     SPOOL_NO_SPACE);
    assert_int_equal(lost, 2);
    assert_int_equal(spool_writer_append(&spool, "{5}\n", 4, &lost), SPOOL_NO_SPACE);
    assert_int_equal(lost, 1);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &wide), 0);
    append(&spool, "{6}\n");
    append(&spool, "{7}\n");
    (void)read_file(active, text, sizeof(text));
    assert_string_equal(text, "{1}\n{22222\n{6}\n{7}\n");
    spool_writer_close(&spool);
}

static atomic_int signals;

static void count_signal(int number)
{
    (void)number;
    atomic_fetch_add(&signals, 1);
}

/* SIGXFSZ would end a program that knows nothing of it; one that handles it keeps its handler. */
static void a_limit_on_file_sizes_ends_nobody(void **state)
{
    const struct rlimit tight = {10, 10};

    (void)state;
    for (int handled = 0; handled < 2; handled++) {
        const pid_t pid = fork();
        int status;

        assert_true(pid >= 0);
        if (pid == 0) {
            static struct spool_writer spool;
            struct sigaction now;
            unsigned lost;

            (void)signal(SIGXFSZ, handled ? count_signal : SIG_DFL);
            if (setrlimit(RLIMIT_FSIZE, &tight) != 0 ||
                spool_writer_init(&spool, dir, "traces", 1000) != 0)
                _exit(2);
            (void)spool_writer_append(&spool, "123456789\n", 10, &lost);
            for (int i = 0; i < 3; i++) {
                if (spool_writer_append(&spool, "one\n", 4, &lost) != SPOOL_NO_SPACE || lost != 1)
                    _exit(3);
            }
            if (spool_writer_probe(&spool) != SPOOL_NO_SPACE || spool.last_errno != ENOSPC)
                _exit(4);
            (void)sigaction(SIGXFSZ, NULL, &now);
            _exit(atomic_load(&signals) == 0 && now.sa_handler == (handled ? count_signal : SIG_DFL)
                      ? 0
                      : 5);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
    }
}

static void nothing_grows_beyond_the_limit(void **state)
{
    struct spool_writer spool;
    struct stat status;
    unsigned lost;

    (void)state;
    assert_int_equal(spool_writer_init(&spool, dir, "traces", 12), 0);
    append(&spool, "{1}\n{2}\n");
    append(&spool, "{3}\n"); /* up to the limit, not beyond */
    assert_int_equal(spool_writer_append(&spool, "{4}\n", 4, &lost), SPOOL_FULL);
    assert_int_equal(lost, 1);
    assert_int_equal(stat(active, &status), 0);
    assert_int_equal(status.st_size, 12);
    spool_writer_close(&spool);
}

static void a_missing_directory_is_a_loss_until_it_is_back(void **state)
{
    struct spool_writer spool = open_spool();
    unsigned lost;

    (void)state;
    assert_int_equal(rmdir(dir), 0);
    assert_int_equal(spool_writer_append(&spool, "{1}\n{2}\n", 8, &lost), SPOOL_UNWRITABLE);
    assert_int_equal(lost, 2);
    assert_int_equal(spool.last_errno, ENOENT);
    assert_int_equal(spool_writer_probe(&spool), SPOOL_UNWRITABLE);
    assert_int_equal(mkdir(dir, 0770), 0);
    append(&spool, "{3}\n");
    assert_int_equal(spool_writer_probe(&spool), SPOOL_OK);
    spool_writer_close(&spool);
}

static void what_is_no_regular_file_is_refused(void **state)
{
    struct spool_writer spool = open_spool();
    unsigned lost;

    (void)state;
    assert_int_equal(mkfifo(active, 0660), 0);
    assert_int_equal(spool_writer_append(&spool, "{1}\n", 4, &lost), SPOOL_UNWRITABLE);
    assert_int_equal(lost, 1);
    assert_int_equal(spool.disk.fd, -1);
}

/* How many files there are in the folder of the test. */
static unsigned files(void)
{
    DIR *const folder = opendir(dir);
    unsigned count = 0;

    assert_non_null(folder);
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;)
        count += entry->d_name[0] != '.';
    assert_int_equal(closedir(folder), 0);
    return count;
}

static void a_probe_harms_nobody_whatever_has_its_name(void **state)
{
    struct spool_writer spool = open_spool();
    char probe[SPOOL_PATH_MAX + 32], text[64];

    (void)state;
    (void)snprintf(probe, sizeof(probe), "%s.probe.%ld", active, (long)getpid());
    write_file(elsewhere, "secret");
    assert_int_equal(symlink(elsewhere, probe), 0);
    assert_int_equal(spool_writer_probe(&spool), SPOOL_OK);
    assert_int_equal(link(elsewhere, probe), 0);
    assert_int_equal(spool_writer_probe(&spool), SPOOL_OK);
    assert_int_equal(mkfifo(probe, 0660), 0);
    assert_int_equal(spool_writer_probe(&spool), SPOOL_OK);
    assert_int_equal(files(), 2);
    (void)read_file(elsewhere, text, sizeof(text));
    assert_string_equal(text, "secret");
    /* One that can't be removed does not make the spool look unwritable. */
    assert_int_equal(mkdir(probe, 0770), 0);
    assert_int_equal(spool_writer_probe(&spool), SPOOL_OK);
    assert_int_equal(files(), 3);
    assert_int_equal(rmdir(probe), 0);
    spool_writer_close(&spool);
}

static void a_link_in_the_active_files_place_is_left_for_the_next_file(void **state)
{
    struct spool_writer spool = open_spool();
    char text[64];
    unsigned lost;

    (void)state;
    append(&spool, "{1}\n");
    /* The same file by a link: the writer has it open, and stops all the same. */
    assert_int_equal(rename(active, elsewhere), 0);
    assert_int_equal(symlink(elsewhere, active), 0);
    assert_int_equal(spool_writer_append(&spool, "{2}\n", 4, &lost), SPOOL_UNWRITABLE);
    assert_int_equal(lost, 1);
    assert_int_equal(spool.last_errno, ELOOP);
    assert_int_equal(unlink(active), 0);
    assert_int_equal(link(elsewhere, active), 0);
    assert_int_equal(spool_writer_append(&spool, "{3}\n", 4, &lost), SPOOL_UNWRITABLE);
    assert_int_equal(spool.last_errno, EMLINK);
    assert_int_equal(unlink(active), 0);
    append(&spool, "{4}\n");
    (void)read_file(elsewhere, text, sizeof(text));
    assert_string_equal(text, "{1}\n");
    spool_writer_close(&spool);
}

/* Writers and a rotator in earnest: every line is in exactly one segment, whole. */
static void no_line_is_lost_while_segments_are_sealed(void **state)
{
    enum { WRITERS = 4, LINES = 4000 };
    static unsigned char seen[WRITERS][LINES];
    static char text[1 << 20];
    pid_t children[WRITERS];
    unsigned segments = 0, running = WRITERS;

    (void)state;
    memset(seen, 0, sizeof(seen));
    for (int w = 0; w < WRITERS; w++) {
        children[w] = fork();
        assert_true(children[w] >= 0);
        if (children[w] == 0) {
            struct spool_writer spool = open_spool();

            for (int i = 0; i < LINES; i++) {
                char line[32];
                unsigned lost;
                struct stat info;
                const int len = snprintf(line, sizeof(line), "{%d %d}\n", w, i);

                /* However the machine schedules us, there are many segments. */
                while (stat(active, &info) == 0 && info.st_size > 2048) {
                    spool_writer_close(&spool);
                    (void)sched_yield();
                }
                if (spool_writer_append(&spool, line, (size_t)len, &lost) != SPOOL_OK)
                    fail_msg("append: %s", strerror(spool.last_errno));
            }
            _exit(0);
        }
    }
    while (running > 0 || access(active, F_OK) == 0) {
        char *at = text, *end;
        struct stat info;
        int status;

        while (running > 0 && waitpid(-1, &status, WNOHANG) > 0) {
            assert_int_equal(status, 0);
            running--;
        }
        /* By size, as the agent does: a file sealed at its birth would never be appended to. */
        if (stat(active, &info) != 0 || (running > 0 && info.st_size < 256) ||
            rename(active, sealed) != 0)
            continue;
        segments++;
        while (is_held(sealed))
            continue;
        end = text + read_file(sealed, text, sizeof(text));
        for (; at < end; at = strchr(at, '\n') + 1) {
            int w, i, len = 0;

            assert_int_equal(sscanf(at, "{%d %d}%n", &w, &i, &len), 2);
            assert_int_equal(at[len], '\n');
            assert_in_range(w, 0, WRITERS - 1);
            assert_in_range(i, 0, LINES - 1);
            seen[w][i]++;
        }
    }
    for (int w = 0; w < WRITERS; w++)
        for (int i = 0; i < LINES; i++)
            assert_int_equal(seen[w][i], 1);
    assert_true(segments > 10);
}

#define ISOLATED(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ISOLATED(lines_arrive_in_order),
        ISOLATED(a_sealed_segment_is_held_until_its_writers_left),
        ISOLATED(a_writer_that_has_not_looked_yet_holds_what_it_writes),
        ISOLATED(a_killed_writer_holds_nothing),
        ISOLATED(a_deleted_file_is_made_again),
        ISOLATED(a_predecessors_torn_line_is_ended),
        ISOLATED(a_short_write_is_counted_and_its_line_ended),
        ISOLATED(a_limit_on_file_sizes_ends_nobody),
        ISOLATED(nothing_grows_beyond_the_limit),
        ISOLATED(a_missing_directory_is_a_loss_until_it_is_back),
        ISOLATED(what_is_no_regular_file_is_refused),
        ISOLATED(a_probe_harms_nobody_whatever_has_its_name),
        ISOLATED(a_link_in_the_active_files_place_is_left_for_the_next_file),
        ISOLATED(no_line_is_lost_while_segments_are_sealed),
    };

    return cmocka_run_group_tests_name("spool", tests, NULL, NULL);
}
