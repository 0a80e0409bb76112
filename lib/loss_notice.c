#include "lib/loss_notice.h"

#include "lib/base/instance_file.h"
#include "lib/base/message.h"
#include "lib/base/reminder.h"
#include "lib/base/system_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    WHY_MAX = 640,
    PART_MAX = 1600, /* two of them fit into one line of message_print */
};

/* What is wrong with the directory and what to do, "" for nothing. */
static void diagnose(const char *dir, char out[WHY_MAX])
{
    struct stat status;

    out[0] = '\0';
    if (stat(dir, &status) != 0)
        (void)snprintf(out, WHY_MAX, "%s; make the directory and let user %u write there",
                       strerror(errno), (unsigned)geteuid());
    else if (!S_ISDIR(status.st_mode))
        (void)snprintf(out, WHY_MAX, "%s; put a directory in its place", strerror(ENOTDIR));
    else if (faccessat(AT_FDCWD, dir, W_OK | X_OK, AT_EACCESS) != 0)
        (void)snprintf(out, WHY_MAX, "%s; let user %u write there (chgrp, chmod 2770)",
                       strerror(errno), (unsigned)geteuid());
}

static void explain_metrics(const char *dir, const char *problem, char out[WHY_MAX])
{
    diagnose(dir, out);
    if (out[0] == '\0')
        (void)snprintf(out, WHY_MAX, "%.500s", problem);
}

static void explain_spool(const char *dir, const struct spool_writer *spool,
                          enum spool_result result, char out[WHY_MAX])
{
    diagnose(dir, out);
    if (out[0] != '\0')
        return;
    if (result == SPOOL_FULL)
        (void)snprintf(out, WHY_MAX,
                       "a file has reached its limit; start metrics-agent, which "
                       "makes room");
    else if (result == SPOOL_NO_SPACE)
        (void)snprintf(out, WHY_MAX, "%s; make room on the file system",
                       strerror(spool->last_errno));
    else
        (void)snprintf(out, WHY_MAX, "%.400s: %s", spool->disk.path,
                       instance_file_error(spool->last_errno));
}

/* A directory that nobody set is the default: a CGI program may get no environment at all. */
static void name_part(const char *what, const char *variable, const char *dir, const char *why,
                      char out[PART_MAX])
{
    const char *const set = config_get(variable);
    const bool given = set != NULL && set[0] != '\0';

    (void)snprintf(out, PART_MAX, "%s are lost: %.800s%s%s%s: %s", what, dir, given ? "" : " (",
                   given ? "" : variable, given ? "" : " is not set)", why);
}

void loss_notice_say(const struct telemetry_settings *settings, const char *metrics,
                     const struct spool_writer *spool, enum spool_result result)
{
    char why[WHY_MAX], first[PART_MAX] = "", second[PART_MAX] = "", about[2 * SPOOL_PATH_MAX];
    char line[2 * PART_MAX + sizeof("; ")];

    (void)snprintf(about, sizeof(about), "%s\n%s", settings->run_dir, settings->spool_dir);
    if (settings->losses == TELEMETRY_LOSSES_KNOWN ||
        (settings->losses == TELEMETRY_LOSSES_REMINDED && !reminder_due(about)))
        return;
    if (metrics != NULL) {
        explain_metrics(settings->run_dir, metrics, why);
        name_part("metrics", "MICROTRACE_RUN_DIR", settings->run_dir, why, first);
    }
    if (spool != NULL) {
        explain_spool(settings->spool_dir, spool, result, why);
        name_part("spans and logs", "MICROTRACE_SPOOL_DIR", settings->spool_dir, why, second);
    }
    (void)snprintf(line, sizeof(line), "%s%s%s", first,
                   first[0] != '\0' && second[0] != '\0' ? "; " : "", second);
    message_say(line);
    /* Who runs a command by hand has turned its stderr away himself. */
    if (settings->losses == TELEMETRY_LOSSES_REMINDED && system_log_is_needed())
        system_log_say(line);
}
