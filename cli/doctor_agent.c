#include "cli/doctor.h"
#include "cli/doctor_checks.h"
#include "cli/doctor_commands.h"
#include "cli/doctor_processes.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/*
 * The one that has the spool, by its lock on the directory (docs/spool.md); NULL where none does,
 * or it can't be seen. Its status file may be another agent's by now.
 */
static const struct doctor_process *find_agent(const struct doctor *doctor)
{
    const struct doctor_process *found = NULL;
    FILE *const locks = fopen("/proc/locks", "re");
    struct stat spool;
    char line[256];

    if (locks == NULL)
        return NULL;
    /* The device is left out: some file systems have one for each directory tree. */
    while (found == NULL && stat(doctor->spool_dir, &spool) == 0 &&
           fgets(line, sizeof(line), locks) != NULL) {
        unsigned long inode;
        int pid;

        if (sscanf(line, "%*s FLOCK %*s WRITE %d %*x:%*x:%lu", &pid, &inode) != 2 ||
            inode != spool.st_ino)
            continue;
        found = doctor_processes_find(doctor->processes, pid);
        if (found != NULL && found->program != DOCTOR_AGENT)
            found = NULL;
    }
    (void)fclose(locks);
    return found;
}

/* A process of the web server, or one that writes, and is not root; or NULL. */
static const struct doctor_process *find_writer(const struct doctor *doctor)
{
    const struct doctor_processes *const all = doctor->processes;
    const struct doctor_process *found = NULL;

    for (size_t i = 0; i < all->count; i++) {
        const struct doctor_process *const p = &all->list[i];

        if (p->uid == 0)
            continue;
        if (p->program == DOCTOR_SERVER && (p->serves || doctor->standard))
            return p;
        if (p->program == DOCTOR_WRITER && p->here)
            found = p;
    }
    return found;
}

static void check_user(struct doctor *doctor, const struct doctor_process *agent)
{
    const struct doctor_process *const writer = find_writer(doctor);
    struct doctor_text as;
    struct stat status;

    if (agent->uid != 0 || writer == NULL)
        return;
    as = doctor_commands_user(doctor);
    if (as.text[0] == '\0')
        as = doctor_processes_user(writer->uid);
    /* What root has made is to be that user's. */
    const bool roots = stat(doctor->run_dir, &status) == 0 && status.st_uid == 0;
    doctor_wrong(
        doctor,
        roots ? doctor_format("chown -R %s: %s %s; %s", doctor_quote(as.text).text,
                              doctor_quote(doctor->run_dir).text,
                              doctor_quote(doctor->spool_dir).text,
                              doctor_commands_restart(doctor, agent->pid, as.text).text)
                    .text
              : doctor_commands_restart(doctor, agent->pid, as.text).text,
        "metrics-agent (pid %d) runs as root, the web server's side as %s (%s, pid %d): files that "
        "the agent makes may be out of its reach",
        (int)agent->pid, doctor_processes_user(writer->uid).text, writer->name, (int)writer->pid);
}

static void check_version(struct doctor *doctor, const struct doctor_process *agent)
{
    const char *const version = doctor->report.agent.status.version;

    if (doctor->report.agent.state != SPOOL_AGENT_LIVE || strcmp(version, MICROTRACE_VERSION) == 0)
        return;
    doctor_wrong(
        doctor,
        doctor_commands_restart(doctor, (pid_t)doctor->report.agent.status.pid,
                                doctor_commands_user(doctor).text)
            .text,
        "the agent that runs (pid %llu) is of version %s, this program of " MICROTRACE_VERSION "%s",
        (unsigned long long)doctor->report.agent.status.pid,
        version[0] != '\0' ? version : "0.1.0 or older",
        agent != NULL && agent->replaced ? ": it was not restarted after an upgrade" : "");
}

static void check_others(struct doctor *doctor, const struct doctor_process *agent)
{
    const struct doctor_processes *const all = doctor->processes;
    size_t unseen = 0;

    for (size_t i = 0; i < all->count; i++) {
        const struct doctor_process *const p = &all->list[i];

        if (p->program != DOCTOR_AGENT || p == agent)
            continue;
        unseen += p->unseen;
        if (p->here && agent != NULL)
            doctor_wrong(doctor, doctor_format("kill %d", (int)p->pid).text,
                         "a second metrics-agent (pid %d, user %s) works on %.300s beside the one "
                         "that has the spool (pid %d)",
                         (int)p->pid, doctor_processes_user(p->uid).text, doctor->run_dir,
                         (int)agent->pid);
    }
    if (unseen > 0)
        doctor_note(doctor,
                    "whether %zu metrics-agent of other users %s on this instance can't "
                    "be seen by this user",
                    unseen, unseen == 1 ? "works" : "work");
}

/* One that somebody has started by hand keeps the service's from starting. */
static void check_unit(struct doctor *doctor, const struct doctor_process *agent)
{
    if (doctor_commands_has_unit(doctor) && !doctor_commands_is_units(agent->pid))
        doctor_wrong(doctor, doctor_commands_restart(doctor, agent->pid, NULL).text,
                     "the agent that runs (pid %d, user %s) is not that of "
                     "microtrace-agent.service, which can't start beside it",
                     (int)agent->pid, doctor_processes_user(agent->uid).text);
}

void doctor_agent_check(struct doctor *doctor)
{
    const struct doctor_process *const agent = find_agent(doctor);

    check_version(doctor, agent);
    check_others(doctor, agent);
    if (agent == NULL)
        return;
    check_user(doctor, agent);
    check_unit(doctor, agent);
}
