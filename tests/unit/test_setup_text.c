/*
 * Goal: what setup writes can be read back as it was meant, and what somebody changed is told from
 * what setup wrote. Shells, cron and the settings file take the paths in
 * tests/integration/setup.bats.
 */
#include "cli/network_fs.h"
#include "cli/setup_text.h"
#include "lib/base/trust_file.h"

#include "tests/unit/unit.h"

#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

static void test_paths(void **state)
{
    char path[SETUP_TEXT_PATH_MAX + 1];

    (void)state;
    assert_true(setup_text_path_fits("/home/u/it's 100% \"odd\" $HOME `id` \xc3\xbc"));
    assert_false(setup_text_path_fits("/home/u/back\\slash"));
    assert_false(setup_text_path_fits("/home/u/two\nlines"));
    assert_false(setup_text_path_fits("/home/u/del\x7f"));
    /* A line that is copied from a terminal would name another file. */
    assert_false(setup_text_path_fits("/home/u/latin\xfc"));
    assert_false(setup_text_path_fits("/home/u/turned\xe2\x80\xae"));
    memset(path, 'x', sizeof(path));
    path[SETUP_TEXT_PATH_MAX] = '\0';
    assert_false(setup_text_path_fits(path));
    path[SETUP_TEXT_PATH_MAX - 1] = '\0';
    assert_true(setup_text_path_fits(path));
}

static void test_quoting(void **state)
{
    char text[SETUP_TEXT_MAX];

    (void)state;
    setup_text_crontab(text, sizeof(text), "/a b/it's.conf", "/50%/microtrace");
    assert_string_equal(text, "* * * * * MICROTRACE_CONFIG_FILE='/a b/it'\"'\"'s.conf' "
                              "'/50\\%/microtrace' cron");
    setup_text_analyze(text, sizeof(text), "/it's.conf", "/a b/analyze");
    assert_non_null(strstr(text, "\nMICROTRACE_CONFIG_FILE='/it'\"'\"'s.conf'\n"));
    assert_non_null(strstr(text, "\nexec '/a b/analyze'\n"));
    assert_memory_equal(text, "#!/bin/sh\n", 10);
    setup_text_settings(text, sizeof(text), "/a \"b\" $c `d`");
    assert_non_null(strstr(text, "\nMICROTRACE_RUN_DIR=\"/a \\\"b\\\" \\$c \\`d\\`/run\"\n"));
}

/* The longest paths, of characters that take the most room, are cut nowhere. */
static void test_longest(void **state)
{
    char path[SETUP_TEXT_PATH_MAX], text[SETUP_TEXT_MAX];

    (void)state;
    memset(path, '\'', sizeof(path));
    path[sizeof(path) - 1] = '\0';
    setup_text_script(text, sizeof(text), path, path, path);
    assert_true(setup_text_is_unchanged(text));
    assert_string_equal(text + strlen(text) - 3, "''\n");
}

static void test_changed(void **state)
{
    char text[SETUP_TEXT_MAX];

    (void)state;
    setup_text_settings(text, sizeof(text) - 1, "/home/u/microtrace");
    assert_true(setup_text_is_unchanged(text));
    (void)strcat(text, "\n");
    assert_false(setup_text_is_unchanged(text));
    setup_text_analyze(text, sizeof(text), "/conf", "/analyze");
    assert_true(setup_text_is_unchanged(text));
    *strstr(text, "exec") = 'E';
    assert_false(setup_text_is_unchanged(text));
    assert_false(setup_text_is_unchanged(""));
    assert_false(setup_text_is_unchanged("#!/bin/sh\nexec analyze\n"));
    /* In front of the mark. */
    setup_text_settings(text, sizeof(text) - 64, "/home/u/microtrace");
    memmove(text + 8, text, strlen(text) + 1);
    (void)memcpy(text, "A=\"b c\"\n", 8);
    assert_false(setup_text_is_unchanged(text));
    setup_text_analyze(text, sizeof(text), "/conf", "/analyze");
    (void)memcpy(text, "#!/bin/ab\n", 10);
    assert_false(setup_text_is_unchanged(text));
    /* Cut off behind the mark, and in it. */
    setup_text_analyze(text, sizeof(text), "/conf", "/analyze");
    text[strlen(text) - 4] = '\0';
    assert_false(setup_text_is_unchanged(text));
    *strchr(text, '(') = '\0';
    assert_false(setup_text_is_unchanged(text));
}

static void test_networks(void **state)
{
    (void)state;
    assert_string_equal(network_fs_name(&(struct statfs){.f_type = NFS_SUPER_MAGIC}), "NFS");
    assert_string_equal(network_fs_name(&(struct statfs){.f_type = CIFS_SUPER_MAGIC}), "CIFS");
    /* As the kernel has it where the member has 32 bits. */
    assert_string_equal(network_fs_name(&(struct statfs){.f_type = (int)SMB2_SUPER_MAGIC}), "SMB");
    assert_null(network_fs_name(&(struct statfs){.f_type = EXT4_SUPER_MAGIC}));
    assert_null(network_fs_name(&(struct statfs){.f_type = TMPFS_MAGIC}));
}

static void test_trust(void **state)
{
    (void)state;
    (void)setenv("SSL_CERT_FILE", "/my/own.pem", 1);
    assert_string_equal(trust_file("/dev/null"), "/my/own.pem");
    (void)setenv("SSL_CERT_FILE", "", 1);
    assert_null(trust_file("/dev/null"));
    (void)unsetenv("SSL_CERT_FILE");
    assert_null(trust_file("/dev/null"));
    /* Where this system has its own, if it has them. */
    if (access("/etc/ssl/certs/ca-certificates.crt", R_OK) == 0)
        assert_string_equal(trust_file("/nowhere/bundle.crt"),
                            "/etc/ssl/certs/ca-certificates.crt");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),    cmocka_unit_test(test_quoting),
        cmocka_unit_test(test_longest),  cmocka_unit_test(test_changed),
        cmocka_unit_test(test_networks), cmocka_unit_test(test_trust),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
