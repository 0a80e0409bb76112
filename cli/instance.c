#include "cli/instance.h"

#include "lib/base/config.h"
#include "lib/base/config_file.h"
#include "lib/base/instance_file.h"
#include "lib/base/message.h"
#include "lib/base/printable.h"
#include "lib/metrics/file.h"
#include "lib/spool/files.h"
#include "lib/telemetry.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A process has one command, and a command one instance. */
static char run_dir[PATH_MAX], spool_dir[PATH_MAX];
static bool one = true;
static const char *state_before;
static const char run_name[] = "MICROTRACE_RUN_DIR", spool_name[] = "MICROTRACE_SPOOL_DIR";

static bool is_dir(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* In "/" there are var/run and var/spool as well, which are no instance's. */
static bool holds_instance(const char *state)
{
    static const char *const marks[] = {"run/" METRICS_FILE_NAME, "spool/" SPOOL_FILES_LOCK,
                                        "spool/traces.jsonl", "spool/logs.jsonl"};
    char path[PATH_MAX];

    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        if (snprintf(path, sizeof(path), "%s/%s", state, marks[i]) < (int)sizeof(path) &&
            access(path, F_OK) == 0)
            return true;
    }
    return false;
}

static int choose_below(const char *state)
{
    if (snprintf(run_dir, sizeof(run_dir), "%s/run", state) < (int)sizeof(run_dir) &&
        snprintf(spool_dir, sizeof(spool_dir), "%s/spool", state) < (int)sizeof(spool_dir))
        return 0;
    printable_error("microtrace: --state: the path is too long");
    return -1;
}

static const char *setting(const char *name)
{
    const char *const value = config_get(name);

    return value != NULL && value[0] != '\0' ? value : NULL;
}

static bool is_in_environment(const char *name)
{
    const char *const value = getenv(name);

    return value != NULL && value[0] != '\0';
}

void instance_set_state(const char *state)
{
    state_before = state;
}

int instance_choose(const char *state)
{
    const char *run, *spool;

    if (config_file_is_named())
        config_file_load(message_say);
    if (state == NULL)
        state = state_before;
    if (state != NULL) {
        if (choose_below(state) != 0)
            return -1;
        if (is_dir(run_dir) || is_dir(spool_dir))
            return 0;
        printable_error(
            "microtrace: --state %s: there is no run/ and no spool/ in it; it takes the "
            "STATE_DIR of an instance",
            state);
        return -1;
    }
    if (setting(run_name) == NULL && setting(spool_name) == NULL && holds_instance("var"))
        return choose_below("var");
    /* The host's own file is for the host's own instance. */
    if (!config_file_is_named())
        config_file_load(message_say);
    run = setting(run_name);
    spool = setting(spool_name);
    one = is_in_environment(run_name) == is_in_environment(spool_name);
    (void)snprintf(run_dir, sizeof(run_dir), "%s", run != NULL ? run : TELEMETRY_RUN_DIR);
    (void)snprintf(spool_dir, sizeof(spool_dir), "%s", spool != NULL ? spool : TELEMETRY_SPOOL_DIR);
    return 0;
}

bool instance_is_one(void)
{
    return one;
}

/* Whether a program will choose the directory by itself. */
static bool is_standard(const char *dir, const char *name, const char *fallback)
{
    const char *const named = setting(name);

    return strcmp(dir, named != NULL ? named : fallback) == 0;
}

int instance_export(void)
{
    if (is_standard(run_dir, run_name, TELEMETRY_RUN_DIR) &&
        is_standard(spool_dir, spool_name, TELEMETRY_SPOOL_DIR))
        return 0;
    return setenv(run_name, run_dir, 1) != 0 || setenv(spool_name, spool_dir, 1) != 0 ? -1 : 0;
}

const char *instance_hint(bool missing)
{
    return missing ? "; start an instance, or name the one that you mean by --state DIR" : "";
}

const char *instance_run_dir(void)
{
    return run_dir;
}

/* Others of the group can write the file: nothing but an address is taken from it. */
static bool is_address(const char *url)
{
    static const char scheme[] = "http://";
    const char *const host = url + sizeof(scheme) - 1;

    return strncmp(url, scheme, sizeof(scheme) - 1) == 0 && host[0] != '\0' &&
           host[strspn(host, "0123456789abcdef.:[]")] == '\0';
}

int instance_url(char out[INSTANCE_URL_MAX])
{
    char path[PATH_MAX + sizeof("/lock")];
    ssize_t length;
    int fd;

    (void)snprintf(path, sizeof(path), "%s/lock", run_dir);
    fd = instance_file_open(AT_FDCWD, path, O_RDONLY, NULL);
    if (fd < 0)
        return -1;
    length = read(fd, out, INSTANCE_URL_MAX - 1);
    (void)close(fd);
    if (length <= 0 || out[length - 1] != '\n')
        return -1;
    out[length - 1] = '\0';
    return is_address(out) ? 0 : -1;
}

const char *instance_spool_dir(void)
{
    return spool_dir;
}
