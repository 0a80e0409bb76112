#include "cli/doctor.h"
#include "cli/doctor_checks.h"
#include "cli/doctor_commands.h"
#include "cli/doctor_exec.h"
#include "cli/doctor_processes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { VERSION_MS = 5000 };

static const char *const programs[] = {"metrics-agent",  "analyze",        "microtrace",
                                       "microtrace-cgi", "microtrace-run", "microtrace-proxy"};

/* What brings this file up to date; for one that is in use, and no package's, only what shows it.
 */
static struct doctor_text update(const char *path, bool in_use)
{
    if (strncmp(path, "/usr/bin/", 9) == 0)
        return doctor_format("apt-get install --reinstall microtrace");
    if (in_use)
        return doctor_format("%s --version", doctor_quote(path).text);
    return doctor_format("rm %s", doctor_quote(path).text);
}

/* Whether the program at `path` says that it is of our version; said if not. `in_use`: it is the
 * one beside this program, or else the first on PATH. */
static void check_version(struct doctor *doctor, const char *path, const char *name, bool in_use)
{
    const char *const argv[] = {path, "--version", NULL};
    char output[DOCTOR_EXEC_OUTPUT_MAX];
    char *rest = output, *line;
    const size_t len = strlen(name);

    const int status = doctor_exec(doctor, argv, VERSION_MS, output);

    if (status == DOCTOR_EXEC_NOT_RUN) {
        doctor_note(doctor, "%.300s can't be run by the instance's user", path);
        return;
    }
    if (status != 0) {
        doctor_wrong(doctor, doctor_format("%s --version", doctor_quote(path).text).text,
                     "%.300s can't be run%s%s", path, output[0] != '\0' ? ": " : "",
                     doctor_format("%.200s", output).text);
        return;
    }
    line = doctor_exec_line(&rest);
    if (line == NULL || strncmp(line, name, len) != 0 || line[len] != ' ')
        doctor_note(doctor, "%.300s is another program than ours, of the same name", path);
    else if (strcmp(line + len + 1, MICROTRACE_VERSION) != 0)
        doctor_wrong(doctor, update(path, in_use).text,
                     "%.300s is of version %.40s, this one of " MICROTRACE_VERSION "%s", path,
                     line + len + 1, in_use ? ": install both from one package" : "");
}

/* Those beside this program, and what a shell would find in their place. */
static void check_files(struct doctor *doctor, const char *name)
{
    const char *at = getenv("PATH");
    char beside[DOCTOR_TEXT_MAX], path[DOCTOR_TEXT_MAX];
    struct stat ours, status;
    const bool have = doctor_exec_find(name, beside) == 0 && stat(beside, &ours) == 0;

    if (!have)
        return;
    check_version(doctor, beside, name, true);
    while (at != NULL && *at != '\0') {
        const size_t n = strcspn(at, ":");

        if (n > 0 && at[0] == '/' &&
            snprintf(path, sizeof(path), "%.*s/%s", (int)n, at, name) < (int)sizeof(path) &&
            stat(path, &status) == 0 && S_ISREG(status.st_mode) && access(path, X_OK) == 0 &&
            (status.st_dev != ours.st_dev || status.st_ino != ours.st_ino))
            check_version(doctor, path, name, false);
        at += n + (at[n] == ':');
    }
}

/* What runs on although its file is another one by now. */
static void check_running(struct doctor *doctor)
{
    const struct doctor_processes *const all = doctor->processes;

    for (size_t i = 0; i < all->count; i++) {
        const struct doctor_process *const process = &all->list[i];

        if (!process->here || !process->replaced)
            continue;
        doctor_wrong(
            doctor,
            process->program == DOCTOR_AGENT
                ? doctor_commands_restart(doctor, process->pid, doctor_commands_user(doctor).text)
                      .text
                : doctor_format("kill %d", (int)process->pid).text,
            "%s (pid %d) runs an older file: %.300s was replaced or removed since it "
            "started",
            process->name, (int)process->pid, process->file);
    }
}

void doctor_programs_check(struct doctor *doctor)
{
    for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
        check_files(doctor, programs[i]);
    check_running(doctor);
}
