/*
 * Goal: no call of the public API ends, blocks or misleads its program, whatever the caller passes,
 * the environment says, or other threads do.
 */
#include "tests/unit/microtrace_fixture.h"

static void settings_that_cannot_be_used_end_no_program(void **state)
{
    struct mt *mt;

    (void)state;
    (void)setenv("MICROTRACE_SPOOL_MAX_BYTES", "banana", 1);
    (void)setenv("LOG_LEVEL", "LOUD", 1);
    (void)setenv("MICROTRACE_SPOOL_DIR", "/nonexistent/spool", 1);
    mt = mt_open("shop", NULL);
    assert_non_null(mt);
    assert_true(mt_log_enabled(mt, MT_LOG_INFO));
    mt_log(mt, NULL, MT_LOG_INFO, NULL, "lost", NULL, 0);
    assert_int_equal(mt_flush(mt), -1);
    assert_int_equal(value_of("microtrace_spool_dropped_records_total", "logs"), 1);
    assert_int_equal(mt_check(mt, NULL, 0), -1);
    mt_close(mt);
}

/* What a caller should not do, and what no call may answer with the program's end. */
static void nonsense_ends_no_program(void **state)
{
    static char huge[200000];
    const char *const one[] = {"a", NULL}, *const three[] = {"a", "b", "c", NULL};
    const char *const values[] = {"x"};
    struct mt_metric *elder, *other;
    struct mt_span *span;
    json_t *lines;
    struct mt *mt;

    (void)state;
    memset(huge, 'x', sizeof(huge) - 1);
    mt = mt_open(huge, huge);
    assert_non_null(mt);
    elder = mt_declare(mt, MT_COUNTER, "x_total", "X.", NULL, three);
    other = mt_declare(mt, MT_COUNTER, "x_total", "X.", NULL, one);
    assert_ptr_not_equal(elder, other);
    mt_add(mt_metric_series(other, values), 1);
    assert_ptr_not_equal(mt_declare(mt, MT_GAUGE, "x_total", "X.", NULL, three), elder);
    span = mt_span_start(mt, NULL, (enum mt_span_kind)77, NULL);
    mt_span_set_status(span, (enum mt_status)77, NULL);
    mt_span_add_event(span, "e", NULL, 2);
    mt_span_record_error(span, NULL, NULL, NULL);
    mt_log(mt, span, (enum mt_level)99, NULL, NULL, NULL, 3);
    mt_log(mt, span, (enum mt_level) - 1, NULL, "m", NULL, 0);
    mt_span_end(span);
    assert_int_equal(mt_flush(mt), 0);
    mt_close(mt);
    lines = spooled("traces");
    assert_int_equal(json_integer_value(json_object_get(span_of(json_array_get(lines, 0)), "kind")),
                     1);
    json_decref(lines);
    lines = spooled("logs");
    assert_int_equal(json_array_size(lines), 2);
    assert_string_equal(text_of(json_array_get(lines, 0), "levelname"), "CRITICAL");
    json_decref(lines);
}

static void spool_names_that_lead_elsewhere_are_not_followed(void **state)
{
    static char long_dir[4095];
    char path[160], victim[160];
    struct mt *mt;

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/logs.jsonl", spool_dir);
    (void)snprintf(victim, sizeof(victim), "%s/victim", root);
    assert_int_equal(symlink(victim, path), 0);
    mt = mt_open("shop", NULL);
    mt_log(mt, NULL, MT_LOG_INFO, NULL, "m", NULL, 0);
    assert_int_equal(mt_flush(mt), -1);
    assert_int_equal(access(victim, F_OK), -1);
    mt_close(mt);
    /* So long that no file of it has a path: nothing is written to a name that was cut. */
    (void)memset(long_dir, '/', sizeof(long_dir) - 1);
    (void)memcpy(long_dir + sizeof(long_dir) - 1 - strlen(spool_dir), spool_dir, strlen(spool_dir));
    (void)setenv("MICROTRACE_SPOOL_DIR", long_dir, 1);
    mt = mt_open("shop", NULL);
    mt_log(mt, NULL, MT_LOG_INFO, NULL, "m", NULL, 0);
    assert_int_equal(mt_flush(mt), -1);
    assert_int_equal(value_of("microtrace_spool_dropped_records_total", "logs"), 2);
    mt_close(mt);
}

static atomic_bool forking;

static void *open_and_close(void *context)
{
    (void)context;
    while (atomic_load(&forking)) {
        struct mt *const mt = mt_open("other", NULL);

        (void)mt_flush(mt);
        mt_close(mt);
    }
    return NULL;
}

/* A lock that another thread held at the fork would never be released in the child. */
/*
 * Whether QEMU's user mode runs the test (tests/arm64/run). A child that is forked beside threads
 * may wait there for minutes, for locks that QEMU itself had taken.
 */
static bool is_emulated;

static void a_fork_beside_other_threads_blocks_nobody(void **state)
{
    enum { FORKS = 100, PATIENCE_S = 30 };
    struct mt *const mt = mt_open("shop", NULL);
    pthread_t threads[2];
    int status;

    (void)state;
    if (is_emulated) {
        mt_close(mt);
        skip();
    }
    atomic_store(&forking, true);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, open_and_close, NULL), 0);
    for (int i = 0; i < FORKS; i++) {
        const pid_t child = fork();

        assert_true(child >= 0);
        if (child == 0) {
            (void)alarm(PATIENCE_S);
            mt_log(mt, NULL, MT_LOG_INFO, NULL, "of the child", NULL, 0);
            _exit(mt_flush(mt) == 0 ? 0 : 1);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            fail_msg("child %d ended with %#x", i, (unsigned)status);
    }
    atomic_store(&forking, false);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    mt_close(mt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(settings_that_cannot_be_used_end_no_program),
        TEST(nonsense_ends_no_program),
        TEST(spool_names_that_lead_elsewhere_are_not_followed),
        TEST(a_fork_beside_other_threads_blocks_nobody),
    };

    is_emulated = getenv("TEST_EMULATED") != NULL;
    return cmocka_run_group_tests_name("microtrace_hostile", tests, NULL, NULL);
}
