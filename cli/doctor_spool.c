#include "cli/doctor.h"
#include "cli/doctor_checks.h"
#include "cli/doctor_commands.h"
#include "cli/doctor_exec.h"
#include "cli/doctor_fix.h"
#include "lib/base/instance_file.h"
#include "lib/metrics/reader.h"
#include "view/spool_words.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES_MAX = 65536 };

static void check_metrics(struct doctor *doctor)
{
    struct metrics_reader *const reader = metrics_reader_open(doctor->run_dir);
    enum metrics_file_state state;
    struct doctor_text mend;
    const char *problem;

    if (reader == NULL || metrics_reader_refresh(reader) == 0) {
        metrics_reader_close(reader);
        return;
    }
    state = metrics_reader_state(reader);
    problem = metrics_reader_problem(reader);
    if (state == METRICS_FILE_NEWER)
        mend = doctor_format("apt-get install microtrace");
    else
        mend =
            doctor_format("mv %s/" METRICS_FILE_NAME " %s/" METRICS_FILE_NAME ".damaged",
                          doctor_quote(doctor->run_dir).text, doctor_quote(doctor->run_dir).text);
    /* The first program to write makes it. */
    if (state == METRICS_FILE_UNUSABLE && access(doctor->run_dir, R_OK | X_OK) != 0)
        doctor_note(doctor, "this user can't read the metrics file: %s", problem);
    else if (state != METRICS_FILE_MISSING)
        doctor_wrong(doctor, mend.text, "%s", problem);
    metrics_reader_close(reader);
}

/* The file that the text, which begins with its signal, calls foreign. */
static struct doctor_text foreign_file(const struct doctor *doctor, const char *text)
{
    for (int i = 0; i < SPOOL_SIGNALS; i++) {
        if (strncmp(text, spool_signal_names[i], strlen(spool_signal_names[i])) == 0)
            return doctor_quote(doctor_format("%s/%s", doctor->spool_dir,
                                              doctor->report.view.signals[i].listing.first_foreign)
                                    .text);
    }
    return doctor_quote(doctor->spool_dir);
}

/* A command of this program, for this instance. */
static struct doctor_text own_command(const struct doctor *doctor, const char *command)
{
    const char *const slash = strrchr(doctor->run_dir, '/');
    const size_t len = slash != NULL ? (size_t)(slash - doctor->run_dir) : 0;

    /* What was named by the environment will be again. */
    if (len == 0 || doctor->standard || strcmp(slash, "/run") != 0 ||
        getenv("MICROTRACE_RUN_DIR") != NULL)
        return doctor_format("%s %s", doctor_exec_word("microtrace").text, command);
    return doctor_format("%s --state %s %s", doctor_exec_word("microtrace").text,
                         doctor_quote(doctor_format("%.*s", (int)len, doctor->run_dir).text).text,
                         command);
}

/* What mends each thing that a report calls wrong. */
static struct doctor_text mend(const struct doctor *doctor, enum spool_report_kind kind,
                               const char *text)
{
    const struct doctor_text user = doctor_commands_user(doctor);
    const struct doctor_text dir = doctor_quote(doctor->spool_dir);
    const pid_t pid = (pid_t)doctor->report.agent.status.pid;

    switch (kind) {
    case SPOOL_REPORT_NO_AGENT:
        return doctor_commands_start(doctor, user.text);
    case SPOOL_REPORT_AGENT_ODD:
        return doctor_format("ls -l %s/" AGENT_STATUS_FILE, doctor_quote(doctor->run_dir).text);
    case SPOOL_REPORT_EXPORT:
        return doctor_format("%s %s", doctor_exec_word("metrics-agent").text, spool_words_probe);
    case SPOOL_REPORT_SLOW:
        return doctor_commands_set("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip");
    case SPOOL_REPORT_SETTING:
        return doctor_format("%s %s; %s", doctor_exec_word("metrics-agent").text, spool_words_check,
                             doctor_commands_restart(doctor, pid, user.text).text);
    case SPOOL_REPORT_LOSS_FULL:
    case SPOOL_REPORT_DISK:
        return doctor_format("du -xd 3 \"$(findmnt -no TARGET -T %s)\" | sort -n | tail", dir.text);
    case SPOOL_REPORT_LOSS_RIGHTS:
        if (strcmp(doctor->spool_dir, TELEMETRY_SPOOL_DIR) != 0 &&
            doctor_fix_is_shared(doctor->spool_dir))
            return doctor_commands_set("MICROTRACE_SPOOL_DIR", TELEMETRY_SPOOL_DIR);
        return doctor_format("chown -R --reference=%s %s && chmod 2770 %s", dir.text, dir.text,
                             dir.text);
    case SPOOL_REPORT_LOSS_OVERSIZE:
        return own_command(doctor, spool_words_oversize);
    case SPOOL_REPORT_IMPORT:
        return doctor_format("ls -l %s", dir.text);
    case SPOOL_REPORT_BOOKS:
    case SPOOL_REPORT_CHECKPOINT:
        return own_command(doctor, "spool verify");
    case SPOOL_REPORT_FOREIGN:
        return doctor_format("mv %s ~/", foreign_file(doctor, text).text);
    }
    return own_command(doctor, "spool status");
}

/* Files that no program here opens. */
static void check_files(struct doctor *doctor, const char *path, uid_t owner, gid_t group)
{
    DIR *const dir = opendir(path);
    const struct dirent *entry;
    int left = FILES_MAX;

    while (dir != NULL && left-- > 0 && (entry = readdir(dir)) != NULL) {
        struct doctor_text file;
        struct stat status;

        if (fstatat(dirfd(dir), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
            (!S_ISREG(status.st_mode) && !S_ISLNK(status.st_mode)))
            continue;
        file = doctor_quote(doctor_format("%s/%s", path, entry->d_name).text);
        if (instance_file_check(&status) != 0)
            doctor_wrong(doctor, doctor_format("rm %s", file.text).text, "%.300s/%s: %s", path,
                         entry->d_name, instance_file_error(instance_file_check(&status)));
        else if (status.st_uid != owner && status.st_uid != 0 && status.st_gid != group)
            doctor_wrong(doctor, doctor_format("chgrp %u %s", (unsigned)group, file.text).text,
                         "%.300s/%s: %s", path, entry->d_name, instance_file_error(EPERM));
        else if (status.st_uid != owner && status.st_gid == group &&
                 strcmp(entry->d_name, AGENT_STATUS_FILE) != 0 && (status.st_mode & 060) != 060)
            doctor_wrong(doctor, doctor_format("chmod g+rw %s", file.text).text,
                         "%.300s/%s is user %u's, and its group may not write it", path,
                         entry->d_name, (unsigned)status.st_uid);
    }
    if (dir != NULL)
        (void)closedir(dir);
}

void doctor_spool_check(struct doctor *doctor)
{
    const struct spool_report *const report = &doctor->report;
    const char *const dirs[] = {doctor->run_dir, doctor->spool_dir};

    check_metrics(doctor);
    if (!doctor->reported && doctor->report_error == EACCES)
        doctor_note(doctor, "this user can't look into %.500s", doctor->spool_dir);
    for (size_t i = 0; i < report->wrong_count; i++)
        doctor_wrong(doctor, mend(doctor, report->wrong_kinds[i], report->wrong[i]).text, "%s",
                     report->wrong[i]);
    if (doctor->reported && report->view.agent == SPOOL_VIEW_AGENT_UNKNOWN)
        doctor_note(doctor, "this user can't see whether an agent runs");
    for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
        struct stat status;

        if (stat(dirs[i], &status) == 0)
            check_files(doctor, dirs[i], status.st_uid, status.st_gid);
    }
}
