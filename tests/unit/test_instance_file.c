/*
 * Goal: a file of an instance is opened only if it is one: regular, with this one name, and of
 * somebody who may write there; what is made has its mode whatever the umask is, and nothing else
 * is changed, followed or waited for.
 */
#include "lib/base/instance_file.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STRANGER = 61001 };

static char path[64];
static int dir_fd;

static int make_dir(void **state)
{
    (void)state;
    (void)snprintf(path, sizeof(path), "/tmp/test_instance_file.XXXXXX");
    if (mkdtemp(path) == NULL || chdir(path) != 0)
        return -1;
    dir_fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return dir_fd < 0 ? -1 : 0;
}

static int remove_dir(void **state)
{
    char command[sizeof(path) + 16];

    (void)state;
    (void)umask(022);
    (void)close(dir_fd);
    (void)snprintf(command, sizeof(command), "rm -rf %s", path);
    return system(command);
}

static void put(const char *name, const char *text, mode_t mode)
{
    const int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(close(fd), 0);
}

static mode_t mode_of(const char *name)
{
    struct stat status;

    assert_int_equal(fstatat(dir_fd, name, &status, AT_SYMLINK_NOFOLLOW), 0);
    return status.st_mode & 07777;
}

static void refused(const char *name, int error)
{
    static const int flags[] = {O_RDONLY, O_WRONLY, O_RDWR, O_WRONLY | O_APPEND | O_CREAT,
                                O_RDWR | O_CREAT};

    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        errno = 0;
        assert_int_equal(instance_file_open(dir_fd, name, flags[i], NULL), -1);
        /* A directory can be opened for reading, but is none the less refused. */
        assert_int_equal(errno, error);
    }
    assert_int_equal(instance_file_make(dir_fd, name, 0600), -1);
    assert_int_equal(errno, EEXIST);
}

static void what_is_no_file_is_refused(void **state)
{
    (void)state;
    put("victim", "secret", 0600);
    assert_int_equal(symlinkat("victim", dir_fd, "link"), 0);
    assert_int_equal(symlinkat("nothing", dir_fd, "dangling"), 0);
    assert_int_equal(mkfifoat(dir_fd, "fifo", 0666), 0);
    assert_int_equal(mkdirat(dir_fd, "directory", 0777), 0);
    refused("link", ELOOP);
    refused("dangling", ELOOP);
    refused("fifo", EINVAL);
    refused("directory", EISDIR);
    assert_int_equal(linkat(dir_fd, "victim", dir_fd, "second", 0), 0);
    refused("second", EMLINK);
    refused("victim", EMLINK);
    assert_int_equal(mode_of("victim"), 0600);
    assert_int_equal(faccessat(dir_fd, "nothing", F_OK, 0), -1);
    /* With a reader a FIFO can be opened for writing; it is refused the same. */
    const int reader = openat(dir_fd, "fifo", O_RDONLY | O_NONBLOCK);
    assert_true(reader >= 0);
    refused("fifo", EINVAL);
    (void)close(reader);
    /* Once the other name is gone, the file is one again. */
    assert_int_equal(unlinkat(dir_fd, "second", 0), 0);
    struct stat status;
    const int fd = instance_file_open(dir_fd, "victim", O_RDWR | O_CREAT, &status);
    assert_true(fd >= 0);
    assert_int_equal(status.st_size, 6);
    assert_int_equal(close(fd), 0);
}

static void a_missing_file_is_made_only_if_asked(void **state)
{
    (void)state;
    assert_int_equal(instance_file_open(dir_fd, "new", O_RDWR, NULL), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(instance_file_open(AT_FDCWD, "missing/new", O_RDWR | O_CREAT, NULL), -1);
    assert_int_equal(errno, ENOENT);
}

static void modes_are_those_asked_for_whatever_the_umask(void **state)
{
    static const mode_t masks[] = {0, 022, 077, 0177};
    char name[16];

    (void)state;
    for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
        struct stat status;

        (void)umask(masks[i]);
        (void)snprintf(name, sizeof(name), "file%zu", i);
        int fd = instance_file_open(dir_fd, name, O_WRONLY | O_APPEND | O_CREAT, &status);
        assert_true(fd >= 0);
        assert_int_equal(fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND), O_WRONLY | O_APPEND);
        assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
        assert_int_equal(close(fd), 0);
        assert_int_equal(status.st_size, 0);
        assert_int_equal(mode_of(name), 0660);
        (void)snprintf(name, sizeof(name), "made%zu", i);
        fd = instance_file_make(dir_fd, name, 0640);
        assert_true(fd >= 0);
        assert_int_equal(close(fd), 0);
        assert_int_equal(mode_of(name), 0640);
        (void)snprintf(name, sizeof(name), "dir%zu", i);
        assert_int_equal(instance_dir_make(name, (gid_t)-1), 0);
        assert_int_equal(mode_of(name), 02770);
        assert_int_equal(instance_dir_make(name, (gid_t)-1), 0);
    }
}

/* Opens for appending and closes; the mode afterwards. */
static mode_t opened(const char *name)
{
    const int fd = instance_file_open(dir_fd, name, O_WRONLY | O_APPEND | O_CREAT, NULL);

    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    return mode_of(name);
}

/* As systemd's RestrictSUIDSGID, which looks for the bit. */
static int refuse_fchmod(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fchmod, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
               ? prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)
               : -1;
}

static void a_directory_in_one_like_it_needs_no_change_of_mode(void **state)
{
    int status;
    pid_t pid;

    (void)state;
    /* QEMU's user mode has no filters (tests/arm64/run). */
    if (getenv("TEST_EMULATED") != NULL)
        skip();
    assert_int_equal(instance_dir_make("run", (gid_t)-1), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)umask(007);
        _exit(refuse_fchmod() == 0 && instance_dir_make("run/spool", (gid_t)-1) == 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(mode_of("run/spool"), 02770);
}

static void only_modes_of_our_own_files_are_mended(void **state)
{
    (void)state;
    put("empty", "", 0600);
    put("chosen", "x", 0640);
    put("open", "x", 0777);
    assert_int_equal(opened("empty"), 0660);
    assert_int_equal(opened("chosen"), 0640);
    assert_int_equal(opened("open"), 0660);
    put("read", "", 0600);
    const int fd = instance_file_open(dir_fd, "read", O_RDONLY, NULL);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    assert_int_equal(mode_of("read"), 0600);
    if (geteuid() != 0)
        return;
    put("others", "", 0600);
    assert_int_equal(fchownat(dir_fd, "others", STRANGER, (gid_t)-1, 0), 0);
    assert_int_equal(opened("others"), 0600);
}

static void owners_are_of_the_directorys_group(void **state)
{
    char by_path[sizeof(path) + 16];

    (void)state;
    if (geteuid() != 0)
        skip(); /* only root can give files away */
    put("file", "x", 0660);
    assert_int_equal(fchown(dir_fd, STRANGER + 1, STRANGER + 2), 0);
    (void)snprintf(by_path, sizeof(by_path), "%s/file", path);
    /* Root's, the directory's owner's, a member's; then one of nobody here. */
    assert_int_equal(opened("file"), 0660);
    assert_int_equal(fchownat(dir_fd, "file", STRANGER + 1, STRANGER, 0), 0);
    assert_int_equal(opened("file"), 0660);
    assert_int_equal(fchownat(dir_fd, "file", STRANGER, STRANGER + 2, 0), 0);
    assert_int_equal(opened("file"), 0660);
    assert_int_equal(fchownat(dir_fd, "file", STRANGER, STRANGER, 0), 0);
    assert_int_equal(instance_file_open(dir_fd, "file", O_RDONLY, NULL), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(instance_file_open(AT_FDCWD, by_path, O_RDONLY, NULL), -1);
    assert_int_equal(errno, EPERM);
    /* Where everybody may write, everybody is a member. */
    assert_int_equal(fchmod(dir_fd, 0777), 0);
    assert_int_equal(opened("file"), 0660);
}

static enum instance_dir_state checked(uid_t owner, mode_t mode, const char *expected)
{
    const struct stat status = {.st_uid = owner, .st_mode = S_IFDIR | mode};
    char reason[INSTANCE_DIR_REASON_MAX];
    const enum instance_dir_state result = instance_dir_check(&status, "/a/b", reason);

    assert_non_null(strstr(reason, expected));
    assert_int_equal(reason[0] == '\0', result == INSTANCE_DIR_SAFE);
    return result;
}

static void directories_open_to_everybody_are_told(void **state)
{
    const uid_t us = geteuid();

    (void)state;
    assert_int_equal(checked(us, 02770, ""), INSTANCE_DIR_SAFE);
    assert_int_equal(checked(STRANGER, 02775, ""), INSTANCE_DIR_SAFE);
    assert_int_equal(checked(us, 0777, "chmod o-w /a/b"), INSTANCE_DIR_OPEN);
    assert_int_equal(checked(0, 0777, "chmod o-w /a/b"), INSTANCE_DIR_OPEN);
    assert_int_equal(checked(us, 01777, ""), INSTANCE_DIR_SAFE);
    assert_int_equal(checked(0, 01777, ""), INSTANCE_DIR_SAFE);
    assert_int_equal(checked(0, 02777, ""), INSTANCE_DIR_SAFE);
    /* The sticky bit does not hold its owner. */
    assert_int_equal(checked(STRANGER, 01777, "/a/b belongs to user 61001"), INSTANCE_DIR_FOREIGN);
    assert_int_equal(checked(STRANGER, 02777, "chown"), INSTANCE_DIR_FOREIGN);
}

static void what_is_wrong_is_said_in_words(void **state)
{
    (void)state;
    assert_non_null(strstr(instance_file_error(ELOOP), "symbolic link"));
    assert_non_null(strstr(instance_file_error(EMLINK), "hard link"));
    assert_non_null(strstr(instance_file_error(EISDIR), "directory"));
    assert_non_null(strstr(instance_file_error(EINVAL), "not a regular file"));
    assert_non_null(strstr(instance_file_error(EPERM), "group"));
    assert_string_equal(instance_file_error(ENOSPC), strerror(ENOSPC));
}

/* What opens a file first, in a process that has closed all three. 0, or what is wrong. */
static int open_without_standard(void)
{
    int fds[4];

    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        (void)close(fd);
    fds[0] = instance_file_open(dir_fd, "made", O_RDWR | O_CREAT, NULL);
    fds[1] = instance_file_open(dir_fd, "made", O_RDONLY, NULL);
    fds[2] = instance_file_make(dir_fd, "another", INSTANCE_FILE_MODE);
    fds[3] = instance_dir_open(dir_fd, ".");
    for (int i = 0; i < 4; i++) {
        if (fds[i] <= STDERR_FILENO || (fcntl(fds[i], F_GETFD) & FD_CLOEXEC) == 0)
            return 1 + i;
    }
    return fcntl(STDIN_FILENO, F_GETFD) == -1 ? 0 : 5;
}

static void no_file_gets_a_standard_descriptor(void **state)
{
    int status = -1;
    const pid_t pid = fork();

    (void)state;
    if (pid == 0)
        _exit(open_without_standard());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void a_file_that_can_not_be_replaced_leaves_nothing_beside_it(void **state)
{
    char long_name[NAME_MAX + 1];

    (void)state;
    put("file.new", "of one that died", 0600);
    assert_int_equal(instance_file_replace(dir_fd, "file", 0640, "text", 4), 0);
    assert_int_equal(mode_of("file"), 0640);
    assert_int_equal(faccessat(dir_fd, "file.new", F_OK, 0), -1);

    assert_int_equal(mkdirat(dir_fd, "dir", 0700), 0);
    assert_int_equal(instance_file_replace(dir_fd, "dir", 0640, "text", 4), -1);
    assert_int_equal(errno, EISDIR);
    assert_int_equal(faccessat(dir_fd, "dir.new", F_OK, 0), -1);

    memset(long_name, 'n', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';
    assert_int_equal(instance_file_replace(dir_fd, long_name, 0640, "text", 4), -1);
    assert_int_equal(errno, ENAMETOOLONG);
    long_name[NAME_MAX - 4] = '\0';
    assert_int_equal(instance_file_replace(dir_fd, long_name, 0640, "text", 4), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_no_file_is_refused),
        TEST(a_missing_file_is_made_only_if_asked),
        TEST(modes_are_those_asked_for_whatever_the_umask),
        TEST(a_directory_in_one_like_it_needs_no_change_of_mode),
        TEST(only_modes_of_our_own_files_are_mended),
        TEST(owners_are_of_the_directorys_group),
        TEST(directories_open_to_everybody_are_told),
        TEST(what_is_wrong_is_said_in_words),
        TEST(no_file_gets_a_standard_descriptor),
        TEST(a_file_that_can_not_be_replaced_leaves_nothing_beside_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
