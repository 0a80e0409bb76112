#include "metrics-agent/run_dir.h"

#include "lib/base/clock.h"
#include "lib/base/instance_file.h"
#include "lib/base/message.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOOK_MS = 1000 };

int run_dir_prepare(const struct run_dir *dir)
{
    enum instance_dir_state state = INSTANCE_DIR_SAFE;
    char unsafe[INSTANCE_DIR_REASON_MAX];
    struct stat status;

    if (instance_dir_make(dir->path, (gid_t)-1) != 0)
        message_print("MICROTRACE_RUN_DIR: %s can't be made: %s", dir->path, strerror(errno));
    else if (stat(dir->path, &status) == 0)
        state = instance_dir_check(&status, dir->path, unsafe);
    if (state != INSTANCE_DIR_SAFE)
        message_print("MICROTRACE_RUN_DIR: %s", unsafe);
    return state == INSTANCE_DIR_FOREIGN ? -1 : 0;
}

bool run_dir_keep(struct run_dir *dir, const char *metrics, uint64_t now_ns)
{
    char problem[RUN_DIR_REASON_MAX] = "";
    bool made = false;

    if (now_ns < dir->look_ns)
        return false;
    dir->look_ns = now_ns + clock_ms_to_ns(LOOK_MS);
    dir->gone = false;
    if (access(dir->path, F_OK) != 0 && errno == ENOENT) {
        made = instance_dir_make(dir->path, (gid_t)-1) == 0;
        dir->gone = !made;
        if (made)
            message_print("MICROTRACE_RUN_DIR: %s was gone; it is made anew", dir->path);
        else
            (void)snprintf(problem, sizeof(problem),
                           "MICROTRACE_RUN_DIR: %.300s is gone and can't be made: %s; make it, "
                           "with mode 2770",
                           dir->path, strerror(errno));
    }
    if (problem[0] == '\0' && metrics != NULL)
        (void)snprintf(problem, sizeof(problem), "metrics are lost: %.480s", metrics);
    if (strcmp(problem, dir->problem) == 0)
        return made;
    message_print("%s", problem[0] != '\0' ? problem : "the metrics file is right again");
    memcpy(dir->problem, problem, sizeof(problem));
    return made;
}
