/*
 * Goal: what the agent writes into its status file the command reads back, all of it; a damaged or
 * missing file is told from a good one, and what a hostile file holds stays within its bounds.
 */
#include "lib/spool/agent_status.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/agent-status-XXXXXX";

static int setup(void **state)
{
    (void)state;
    return mkdtemp(dir) != NULL ? 0 : -1;
}

static void path_of(char path[256])
{
    (void)snprintf(path, 256, "%s/" AGENT_STATUS_FILE, dir);
}

static int teardown(void **state)
{
    char path[256];

    (void)state;
    path_of(path);
    (void)unlink(path);
    return rmdir(dir);
}

static int write_status(const struct agent_status *status)
{
    static char text[AGENT_STATUS_FILE_MAX];
    const size_t len = agent_status_format(text, status);

    assert_true(len > 0);
    return agent_status_write(dir, text, len);
}

static void put(const char *text)
{
    char path[256];
    FILE *file;

    path_of(path);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fputs(text, file) >= 0, 1);
    assert_int_equal(fclose(file), 0);
}

static void test_all_of_it_comes_back(void **state)
{
    static struct agent_status status, read;
    struct agent_status_signal *const logs = &status.signals[SPOOL_LOGS];

    (void)state;
    status = (struct agent_status){.version = "1.2.3",
                                   .pid = 42,
                                   .started_ms = UINT64_MAX,
                                   .ended_ms = 7,
                                   .drain = true,
                                   .spool_device = 1,
                                   .spool_inode = 2,
                                   .listen = "[::1]:9464",
                                   .warnings = {"one", "a \"quoted\" \\ two \xc3\xa4"},
                                   .warning_count = 2};
    *logs = (struct agent_status_signal){.endpoint = "http://host:4318/v1/logs?a=b",
                                         .nowhere = "why",
                                         .mistaken = true,
                                         .result_ms = 11,
                                         .code = "timeout",
                                         .reason = "in words",
                                         .rejected = 12,
                                         .failing_ms = 13,
                                         .next_ms = 14,
                                         .unanswered_ms = 15};
    logs->lost[SPOOL_NO_SPACE - 1] = (struct agent_status_loss){21, 22, 23};
    logs->lost[SPOOL_OVERSIZE - 1] = (struct agent_status_loss){31, 32, 33};
    assert_int_equal(write_status(&status), 0);
    memset(&read, 0xff, sizeof(read));
    assert_int_equal(agent_status_read(dir, &read), 0);
    assert_memory_equal(&read, &status, sizeof(read));
}

static void test_the_longest_texts_fit(void **state)
{
    static struct agent_status status, read;

    (void)state;
    status.warning_count = AGENT_STATUS_WARNINGS_MAX;
    for (size_t i = 0; i < status.warning_count; i++)
        memset(status.warnings[i], '"', AGENT_STATUS_TEXT_MAX - 1);
    for (int i = 0; i < SPOOL_SIGNALS; i++) {
        memset(status.signals[i].endpoint, '"', AGENT_STATUS_URL_MAX - 1);
        memset(status.signals[i].reason, '"', AGENT_STATUS_TEXT_MAX - 1);
        memset(status.signals[i].nowhere, '"', AGENT_STATUS_TEXT_MAX - 1);
    }
    assert_int_equal(write_status(&status), 0);
    assert_int_equal(agent_status_read(dir, &read), 0);
    assert_memory_equal(&read, &status, sizeof(read));
}

static void test_only_its_owner_and_group_may_read_it(void **state)
{
    const struct agent_status *const status = calloc(1, sizeof(*status));
    char path[256];
    struct stat seen;

    (void)state;
    assert_non_null(status);
    (void)umask(0);
    assert_int_equal(write_status(status), 0);
    path_of(path);
    assert_int_equal(stat(path, &seen), 0);
    assert_int_equal(seen.st_mode & 0777, 0640);
    free((void *)status);
}

static void test_what_is_not_one(void **state)
{
    static const char *const texts[] = {"", "\n", "nonsense", "[]", "7", "{\"pid\":1", "{}{}"};
    static struct agent_status read;
    char path[256];

    (void)state;
    path_of(path);
    (void)unlink(path);
    assert_int_equal(agent_status_read(dir, &read), -1);
    assert_int_equal(errno, ENOENT);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        put(texts[i]);
        assert_int_equal(agent_status_read(dir, &read), -1);
        assert_int_equal(errno, EBADMSG);
    }
    assert_int_equal(agent_status_read("/nonexistent", &read), -1);
    assert_int_equal(agent_status_write("/nonexistent", "{}", 2), -1);
}

static void test_other_types_and_control_characters(void **state)
{
    static struct agent_status read;

    (void)state;
    put("{\"pid\":\"x\",\"drain\":1,\"listen\":7,\"ended_ms\":-1,\"signals\":[],\"warnings\":"
        "[\"a\\u001b[2Jb\\u009bc\\u0000d\",5,\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\"]}");
    assert_int_equal(agent_status_read(dir, &read), 0);
    assert_int_equal(read.pid, 0);
    assert_int_equal(read.ended_ms, 0);
    assert_false(read.drain);
    assert_string_equal(read.listen, "");
    assert_int_equal(read.warning_count, AGENT_STATUS_WARNINGS_MAX);
    assert_string_equal(read.warnings[0], "a\\u001b[2Jb\\u009bc\\u0000d");
    assert_string_equal(read.warnings[1], "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_of_it_comes_back),
        cmocka_unit_test(test_the_longest_texts_fit),
        cmocka_unit_test(test_only_its_owner_and_group_may_read_it),
        cmocka_unit_test(test_what_is_not_one),
        cmocka_unit_test(test_other_types_and_control_characters),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
