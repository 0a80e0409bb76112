#include "cli/doctor.h"
#include "cli/doctor_checks.h"
#include "cli/doctor_commands.h"
#include "cli/doctor_exec.h"
#include "lib/base/clock.h"
#include "lib/base/config.h"
#include "lib/base/config_file.h"
#include "lib/base/config_names.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHECK_MS = 5000, NAME_MAX_BYTES = 64 };

#define ENDPOINT "OTEL_EXPORTER_OTLP_ENDPOINT"

/* What the programs themselves say, so that the words are theirs. */
static const char *const programs[] = {"metrics-agent", "analyze", "microtrace-cgi"};

static bool is_set(const char *name)
{
    const char *const value = config_get(name);

    return value != NULL && value[0] != '\0';
}

static bool is(const char *name, const char *value)
{
    return is_set(name) && strcasecmp(config_get(name), value) == 0;
}

#define MEANT "do you mean "

static void name_of(const char *message, char name[NAME_MAX_BYTES])
{
    const size_t len = strspn(message, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

    (void)snprintf(name, NAME_MAX_BYTES, "%.*s", (int)len, message);
}

/* What a message is about: it begins with the setting, or with "FILE, line N: " (*line is N). */
static const char *skip_place(const char *message, unsigned *line)
{
    const char *const file = config_file_in_use();
    const size_t len = file != NULL ? strlen(file) : 0;
    int used = 0;

    *line = 0;
    if (len == 0 || strncmp(message, file, len) != 0 ||
        sscanf(message + len, ", line %u: %n", line, &used) != 1 || used == 0)
        return message;
    return message + len + used;
}

static struct doctor_text mend(const char *message, const char *program)
{
    const char *const other = strstr(message, MEANT);
    char name[NAME_MAX_BYTES], right[NAME_MAX_BYTES];
    unsigned line;

    name_of(skip_place(message, &line), name);
    if (strlen(name) < 2 && line > 0)
        return doctor_format("sed -i %ud %s", line, doctor_quote(config_file_in_use()).text);
    if (strlen(name) < 2)
        return doctor_format("%s --check", program);
    if (other != NULL) {
        name_of(other + sizeof(MEANT) - 1, right);
        return doctor_commands_rename(name, right);
    }
    if (strstr(message, "has no scheme") != NULL)
        return doctor_commands_replace(name, "", "http://");
    return doctor_commands_unset(name);
}

/* What another user sees. */
static bool is_unreadable_file(const char *message)
{
    const char *const file = config_file_in_use();

    return file != NULL && strncmp(message, file, strlen(file)) == 0 && access(file, F_OK) == 0 &&
           access(file, R_OK) != 0;
}

/* Lines that a program's --check prints: "PROGRAM: TEXT". */
static void check_program(struct doctor *doctor, const char *program)
{
    char path[DOCTOR_TEXT_MAX], output[DOCTOR_EXEC_OUTPUT_MAX];
    const char *const argv[] = {path, "--check", NULL};
    char *rest = output, *line;
    int status;

    if (doctor_exec_find(program, path) != 0)
        return;
    status = doctor_exec(doctor, argv, CHECK_MS, output);
    if (status == DOCTOR_EXEC_NOT_RUN || status == DOCTOR_EXEC_NO_END)
        doctor_note(doctor, "the settings can't be checked: %.300s --check %s", path,
                    status == DOCTOR_EXEC_NO_END ? "does not end" : "can't be run");
    while ((line = doctor_exec_line(&rest)) != NULL) {
        const size_t len = strlen(program);

        if (strncmp(line, program, len) == 0 && strncmp(line + len, ": ", 2) == 0)
            line += len + 2;
        if (is_unreadable_file(line))
            doctor_note(doctor, "%s", line);
        else
            doctor_wrong(doctor, mend(line, path).text, "%s", line);
    }
}

/* Names with our prefix that no program knows, near to none that one does. */
static void check_names(struct doctor *doctor)
{
    char name[NAME_MAX_BYTES], message[CONFIG_NAMES_MESSAGE_MAX];

    for (char *const *at = environ; at != NULL && *at != NULL; at++) {
        name_of(*at, name);
        if (strcmp(name, "MICROTRACE_PROGRAMS") != 0 && config_names_unknown(name, message) &&
            strstr(message, MEANT) == NULL)
            doctor_note(doctor, "%s, and it is in the environment", message);
    }
}

static bool sends_nothing(void)
{
    return is_set(ENDPOINT) && is("OTEL_SDK_DISABLED", "true");
}

static bool sends_no_traces(void)
{
    return is_set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") && is("OTEL_TRACES_EXPORTER", "none");
}

static bool sends_no_logs(void)
{
    return is_set("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT") && is("OTEL_LOGS_EXPORTER", "none");
}

static bool has_certificate_alone(void)
{
    return is_set("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE") &&
           !is_set("OTEL_EXPORTER_OTLP_CLIENT_KEY");
}

static bool has_key_alone(void)
{
    return is_set("OTEL_EXPORTER_OTLP_CLIENT_KEY") &&
           !is_set("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE");
}

static bool has_certificate_in_vain(void)
{
    return is_set("OTEL_EXPORTER_OTLP_CERTIFICATE") && is_set(ENDPOINT) &&
           strncasecmp(config_get(ENDPOINT), "http://", 7) == 0;
}

static bool has_ratio_in_vain(void)
{
    return is_set("OTEL_TRACES_SAMPLER_ARG") &&
           (!is_set("OTEL_TRACES_SAMPLER") ||
            strcasestr(config_get("OTEL_TRACES_SAMPLER"), "traceidratio") == NULL);
}

static bool has_downstream_in_vain(void)
{
    return is_set("DOWNSTREAM_URL") && !is("DOWNSTREAM_ENABLED", "true");
}

static bool has_run_alone(void)
{
    return is_set("MICROTRACE_RUN_DIR") && !is_set("MICROTRACE_SPOOL_DIR");
}

static bool has_spool_alone(void)
{
    return is_set("MICROTRACE_SPOOL_DIR") && !is_set("MICROTRACE_RUN_DIR");
}

/* Settings that contradict each other, and the one to take away. */
static const struct {
    bool (*holds)(void);
    const char *text, *name;
} contradictions[] = {
    {sends_nothing, ENDPOINT " is set, and OTEL_SDK_DISABLED is true: nothing is recorded",
     "OTEL_SDK_DISABLED"},
    {sends_no_traces,
     "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is set, and OTEL_TRACES_EXPORTER is none: no spans are "
     "sent",
     "OTEL_TRACES_EXPORTER"},
    {sends_no_logs,
     "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT is set, and OTEL_LOGS_EXPORTER is none: no log records are "
     "sent",
     "OTEL_LOGS_EXPORTER"},
    {has_certificate_alone,
     "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE is set without OTEL_EXPORTER_OTLP_CLIENT_KEY",
     "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"},
    {has_key_alone,
     "OTEL_EXPORTER_OTLP_CLIENT_KEY is set without OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
     "OTEL_EXPORTER_OTLP_CLIENT_KEY"},
    {has_certificate_in_vain,
     "OTEL_EXPORTER_OTLP_CERTIFICATE has no effect: " ENDPOINT " begins with http://",
     "OTEL_EXPORTER_OTLP_CERTIFICATE"},
    {has_ratio_in_vain,
     "OTEL_TRACES_SAMPLER_ARG has no effect: OTEL_TRACES_SAMPLER names no sampler by ratio",
     "OTEL_TRACES_SAMPLER_ARG"},
    {has_downstream_in_vain, "DOWNSTREAM_URL has no effect: DOWNSTREAM_ENABLED is not true",
     "DOWNSTREAM_URL"},
    {has_run_alone,
     "MICROTRACE_RUN_DIR is set without MICROTRACE_SPOOL_DIR: the spool is the default one, which "
     "may be another instance's",
     "MICROTRACE_RUN_DIR"},
    {has_spool_alone,
     "MICROTRACE_SPOOL_DIR is set without MICROTRACE_RUN_DIR: the run directory is the default "
     "one, which may be another instance's",
     "MICROTRACE_SPOOL_DIR"},
};

static void check_contradictions(struct doctor *doctor)
{
    for (size_t i = 0; i < sizeof(contradictions) / sizeof(contradictions[0]); i++) {
        if (contradictions[i].holds())
            doctor_wrong(doctor, doctor_commands_unset(contradictions[i].name).text, "%s",
                         contradictions[i].text);
    }
    if (strcmp(doctor->run_dir, doctor->spool_dir) == 0)
        doctor_wrong(doctor, doctor_commands_unset("MICROTRACE_SPOOL_DIR").text,
                     "MICROTRACE_RUN_DIR and MICROTRACE_SPOOL_DIR are one directory");
    if (is_set("MICROTRACE_SPOOL_MEMORY_BYTES") &&
        doctor->settings.spool_memory_bytes > doctor->settings.spool_max_bytes)
        doctor_wrong(doctor, doctor_commands_unset("MICROTRACE_SPOOL_MEMORY_BYTES").text,
                     "MICROTRACE_SPOOL_MEMORY_BYTES (%llu) is more than MICROTRACE_SPOOL_MAX_BYTES "
                     "(%llu)",
                     (unsigned long long)doctor->settings.spool_memory_bytes,
                     (unsigned long long)doctor->settings.spool_max_bytes);
}

/* What the agent that runs has not read. */
static void check_age(struct doctor *doctor)
{
    const struct spool_agent *const agent = &doctor->report.agent;
    const char *const file = config_file_in_use();
    struct stat status;

    if (agent->state != SPOOL_AGENT_LIVE || file == NULL || stat(file, &status) != 0 ||
        clock_timespec_ns(&status.st_mtim) / CLOCK_NS_PER_MS <= agent->status.started_ms)
        return;
    doctor_wrong(
        doctor,
        doctor_commands_restart(doctor, (pid_t)agent->status.pid, doctor_commands_user(doctor).text)
            .text,
        "%.300s was changed after the agent had started, which goes on with what it read", file);
}

/* Who writes settings has the programs read a file, as headers say, and send it. */
static void check_writers(struct doctor *doctor)
{
    const char *const file = config_file_in_use();
    struct stat status, run;

    if (file == NULL || stat(file, &status) != 0 || !S_ISREG(status.st_mode))
        return;
    if ((status.st_mode & S_IWOTH) != 0)
        doctor_wrong(doctor, doctor_format("chmod o-w %s", doctor_quote(file).text).text,
                     "everybody may write to the settings file %.300s", file);
    if (status.st_uid != 0 && status.st_uid != geteuid() &&
        (stat(doctor->run_dir, &run) != 0 || status.st_uid != run.st_uid))
        doctor_note(doctor,
                    "the settings file %.300s is user %u's, who decides by it what the programs "
                    "read and send",
                    file, (unsigned)status.st_uid);
}

void doctor_settings_check(struct doctor *doctor)
{
    const struct spool_agent *const agent = &doctor->report.agent;

    for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
        check_program(doctor, programs[i]);
    check_names(doctor);
    check_contradictions(doctor);
    check_age(doctor);
    check_writers(doctor);
    /* Those of its own environment, which may be another one than this. */
    for (size_t i = 0; agent->state == SPOOL_AGENT_LIVE && i < agent->status.warning_count; i++) {
        const char *const warning = agent->status.warnings[i];

        doctor_wrong(doctor,
                     doctor_format("%s; %s", mend(warning, "metrics-agent").text,
                                   doctor_commands_restart(doctor, (pid_t)agent->status.pid,
                                                           doctor_commands_user(doctor).text)
                                       .text)
                         .text,
                     "the agent's settings: %s", warning);
    }
}
