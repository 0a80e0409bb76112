#include "cli/doctor_commands.h"

#include "cli/doctor_exec.h"
#include "cli/doctor_processes.h"
#include "lib/base/config_file.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool doctor_commands_has_unit(const struct doctor *doctor)
{
    static const char *const units[] = {"/etc/systemd/system/microtrace-agent.service",
                                        "/usr/lib/systemd/system/microtrace-agent.service",
                                        "/lib/systemd/system/microtrace-agent.service"};
    bool found = false;

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        found = found || access(units[i], F_OK) == 0;
    return found && doctor->standard && access("/run/systemd/system", F_OK) == 0;
}

struct doctor_text doctor_commands_user(const struct doctor *doctor)
{
    struct stat status;

    if (doctor->standard && getpwnam("microtrace") != NULL)
        return doctor_format("microtrace");
    if (stat(doctor->run_dir, &status) == 0 && status.st_uid != 0)
        return doctor_processes_user(status.st_uid);
    return doctor_format("%s", "");
}

struct doctor_text doctor_commands_start(const struct doctor *doctor, const char *user)
{
    const struct passwd *const as = user != NULL && user[0] != '\0' ? getpwnam(user) : NULL;
    const bool other = as != NULL && as->pw_uid != geteuid();

    if (doctor_commands_has_unit(doctor))
        return doctor_format("systemctl start microtrace-agent");
    if (doctor->standard)
        return doctor_format("%s%s%s%s &", other ? "runuser -u " : "",
                             other ? doctor_quote(user).text : "", other ? " -- " : "",
                             doctor_exec_word("metrics-agent").text);
    return doctor_format("%s%s%senv MICROTRACE_RUN_DIR=%s MICROTRACE_SPOOL_DIR=%s %s &",
                         other ? "runuser -u " : "", other ? doctor_quote(user).text : "",
                         other ? " -- " : "", doctor_quote(doctor->run_dir).text,
                         doctor_quote(doctor->spool_dir).text,
                         doctor_exec_word("metrics-agent").text);
}

bool doctor_commands_is_units(pid_t pid)
{
    char path[64], line[512];
    bool is = false;
    FILE *file;

    (void)snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
    file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        is = is || strstr(line, "microtrace-agent.service") != NULL;
    if (file != NULL)
        (void)fclose(file);
    return is;
}

struct doctor_text doctor_commands_restart(const struct doctor *doctor, pid_t pid, const char *user)
{
    const struct doctor_process *const agent = doctor_processes_find(doctor->processes, pid);
    const struct doctor_process *const parent =
        agent != NULL ? doctor_processes_find(doctor->processes, agent->parent) : NULL;

    /* microtrace-run starts it again. */
    if (parent != NULL && parent->program == DOCTOR_SUPERVISOR)
        return doctor_format("kill %d", (int)pid);
    if (doctor_commands_has_unit(doctor) && doctor_commands_is_units(pid))
        return doctor_format("systemctl restart microtrace-agent");
    /* It lets go of its port and its lock when it ends. */
    return doctor_format("kill %d; tail --pid=%d -f /dev/null; %s", (int)pid, (int)pid,
                         doctor_commands_start(doctor, user).text);
}

bool doctor_commands_in_environment(const char *name)
{
    return getenv(name) != NULL;
}

static struct doctor_text file_name(void)
{
    const char *const file = config_file_in_use();

    return doctor_quote(file != NULL ? file : CONFIG_FILE_PATH);
}

struct doctor_text doctor_commands_set(const char *name, const char *value)
{
    const struct doctor_text quoted = doctor_quote(value);

    if (doctor_commands_in_environment(name) || config_file_in_use() == NULL)
        return doctor_format("export %s=%s", name, quoted.text);
    if (config_file_find(name, NULL) != NULL)
        return doctor_format("sed -i 's|^%s=.*|%s=%s|' %s", name, name, quoted.text,
                             file_name().text);
    return doctor_format("echo %s=%s >>%s", name, quoted.text, file_name().text);
}

struct doctor_text doctor_commands_unset(const char *name)
{
    if (doctor_commands_in_environment(name))
        return doctor_format("unset %s", doctor_quote(name).text);
    return doctor_format("sed -i '/^%s=/d' %s", name, file_name().text);
}

struct doctor_text doctor_commands_rename(const char *name, const char *other)
{
    if (doctor_commands_in_environment(name))
        return doctor_format("export %s=\"$%s\"; unset %s", other, name, name);
    return doctor_format("sed -i 's/^%s=/%s=/' %s", name, other, file_name().text);
}

struct doctor_text doctor_commands_replace(const char *name, const char *from, const char *to)
{
    if (doctor_commands_in_environment(name) && from[0] == '\0')
        return doctor_format("export %s=\"%s$%s\"", name, to, name);
    if (doctor_commands_in_environment(name))
        return doctor_format("export %s=\"$(echo \"$%s\" | sed 's|%s|%s|')\"", name, name, from,
                             to);
    if (from[0] == '\0')
        return doctor_format("sed -i 's|^%s=\\([\"'\\'']\\{0,1\\}\\)|&%s|' %s", name, to,
                             file_name().text);
    return doctor_format("sed -i '/^%s=/s|%s|%s|' %s", name, from, to, file_name().text);
}
