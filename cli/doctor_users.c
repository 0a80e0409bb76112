#include "cli/doctor.h"
#include "cli/doctor_checks.h"
#include "cli/doctor_processes.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    GROUPS_MAX = 256,
    SYSTEM_USERS = 1000, /* Debian policy, 9.2.2: people's numbers begin there */
};

static bool is_member(const struct passwd *user, gid_t group)
{
    gid_t groups[GROUPS_MAX];
    int count = GROUPS_MAX;

    if (getgrouplist(user->pw_name, user->pw_gid, groups, &count) < 0)
        count = GROUPS_MAX;
    for (int i = 0; i < count; i++) {
        if (groups[i] == group)
            return true;
    }
    return false;
}

static void check_accounts(struct doctor *doctor)
{
    const struct group *const group = getgrnam("microtrace");
    const struct passwd *web;

    if (getpwnam("microtrace") == NULL || group == NULL) {
        doctor_wrong(doctor,
                     access("/usr/lib/sysusers.d/microtrace.conf", F_OK) == 0
                         ? "systemd-sysusers microtrace.conf"
                         : "useradd --system --user-group --no-create-home --home-dir /nonexistent "
                           "--shell /usr/sbin/nologin microtrace",
                     "there is no user and group microtrace, whom the agent and the directories "
                     "are to belong to");
        return;
    }
    web = getpwnam("www-data");
    if (web != NULL && !is_member(web, group->gr_gid))
        doctor_wrong(doctor, "usermod -a -G microtrace www-data",
                     "www-data is no member of the group microtrace: what the web server starts "
                     "can't write metrics and spool");
}

/* How the process gets what its user may. */
static struct doctor_text restart(const struct doctor_process *process)
{
    static const char fpm[] = "php-fpm";
    const char *const version = process->name + sizeof(fpm) - 1;

    if (process->program == DOCTOR_SERVER && access("/run/systemd/system", F_OK) == 0) {
        /* Debian has php-fpm8.2 as php8.2-fpm.service. */
        if (strncmp(process->name, fpm, sizeof(fpm) - 1) == 0 && version[0] != '\0')
            return doctor_format("systemctl restart php%s-fpm", doctor_quote(version).text);
        return doctor_format("systemctl restart %s", doctor_quote(process->name).text);
    }
    return doctor_format("kill %d", (int)process->pid);
}

static void check_process(struct doctor *doctor, const struct doctor_process *process,
                          const char *path, const struct stat *dir)
{
    const struct passwd *const user = getpwuid(process->uid);
    const struct group *const group = getgrgid(dir->st_gid);

    if (doctor_processes_may_write(process, dir))
        return;
    if (user != NULL && is_member(user, dir->st_gid) && (dir->st_mode & S_IRWXG) == S_IRWXG)
        doctor_wrong(doctor, restart(process).text,
                     "%s (pid %d) was started before its user %s became a member of the group of "
                     "%.300s, and can't write there",
                     process->name, (int)process->pid, user->pw_name, path);
    /* Anybody can name a process nginx: whom to let in is for the administrator to say. */
    else if (user != NULL && group != NULL && group->gr_gid != 0 && process->uid < SYSTEM_USERS)
        doctor_wrong(doctor,
                     doctor_format("usermod -a -G %s %s && %s", doctor_quote(group->gr_name).text,
                                   doctor_quote(user->pw_name).text, restart(process).text)
                         .text,
                     "%s (pid %d) runs as %s, who can't write to %.300s", process->name,
                     (int)process->pid, user->pw_name, path);
    else
        doctor_wrong(doctor,
                     doctor_format("chown -R %s: %s", doctor_processes_user(process->uid).text,
                                   doctor_quote(path).text)
                         .text,
                     "%s (pid %d) runs as %s, who can't write to %.300s", process->name,
                     (int)process->pid, doctor_processes_user(process->uid).text, path);
}

/* Masters run as root, and only start the others. */
static bool matters(const struct doctor *doctor, const struct doctor_process *process)
{
    if (process->program == DOCTOR_SERVER)
        return process->uid != 0 &&
               (process->serves || (doctor->standard && process->uid < SYSTEM_USERS));
    return process->here && process->program != DOCTOR_SUPERVISOR;
}

void doctor_users_check(struct doctor *doctor)
{
    const struct doctor_processes *const all = doctor->processes;
    struct stat run, spool;

    if (doctor->standard)
        check_accounts(doctor);
    if (stat(doctor->run_dir, &run) != 0 || stat(doctor->spool_dir, &spool) != 0)
        return;
    for (size_t i = 0; i < all->count; i++) {
        const struct doctor_process *const process = &all->list[i];
        bool said = false;

        if (!matters(doctor, process))
            continue;
        /* One of a kind is enough. */
        for (size_t k = 0; k < i && !said; k++)
            said = matters(doctor, &all->list[k]) && all->list[k].uid == process->uid &&
                   strcmp(all->list[k].name, process->name) == 0;
        if (said)
            continue;
        check_process(doctor, process, doctor->run_dir, &run);
        check_process(doctor, process, doctor->spool_dir, &spool);
    }
}
