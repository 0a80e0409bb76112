/* A folder of the test's own, for tests of what is in a directory. */
#ifndef TESTS_UNIT_UNIT_DIR_H
#define TESTS_UNIT_UNIT_DIR_H

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static char unit_dir[] = "/tmp/microtrace_unit.XXXXXX";
static int dir_fd;

static int make_dir(void **state)
{
    (void)state;
    if (mkdtemp(unit_dir) == NULL)
        return -1;
    dir_fd = open(unit_dir, O_RDONLY | O_DIRECTORY);
    return dir_fd < 0 ? -1 : 0;
}

/* The test has taken away all that it made there; anything else is a failure. */
static int remove_dir(void **state)
{
    (void)state;
    (void)close(dir_fd);
    return rmdir(unit_dir);
}

#endif
