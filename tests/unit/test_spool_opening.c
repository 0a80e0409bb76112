/*
 * Goal: writers that open the file while others are in the middle of a write take no unfinished
 * line for a torn one: each line is whole, and none is empty. So do plain CGI processes all the
 * time.
 */
#include "lib/spool/writer.h"
#include "tests/unit/unit.h"
#include "tests/unit/unit_dir.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WRITERS = 4, OPENINGS = 2000, LINE_SIZE = 3500 /* so that many cross a page's end */ };

static int append_all(char letter)
{
    struct spool_writer writer;
    char line[LINE_SIZE];
    unsigned lost;

    memset(line, letter, sizeof(line) - 1);
    line[sizeof(line) - 1] = '\n';
    for (int i = 0; i < OPENINGS; i++) {
        if (spool_writer_init(&writer, unit_dir, "traces", UINT64_MAX) != 0 ||
            spool_writer_append(&writer, line, sizeof(line), &lost) != SPOOL_OK)
            return 1;
        spool_writer_close(&writer);
    }
    return 0;
}

static void no_line_is_empty(void **state)
{
    char line[LINE_SIZE + 1];
    int lines = 0, status;
    FILE *file;

    (void)state;
    for (int w = 0; w < WRITERS; w++) {
        const pid_t child = fork();

        assert_true(child >= 0);
        if (child == 0)
            _exit(append_all((char)('a' + w)));
    }
    for (int w = 0; w < WRITERS; w++) {
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    file = fdopen(openat(dir_fd, "traces.jsonl", O_RDONLY), "r");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        assert_int_equal(strlen(line), LINE_SIZE);
        lines++;
    }
    assert_int_equal(lines, WRITERS * OPENINGS);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(unlinkat(dir_fd, "traces.jsonl", 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_line_is_empty),
    };

    return cmocka_run_group_tests_name("spool_opening", tests, make_dir, remove_dir);
}
