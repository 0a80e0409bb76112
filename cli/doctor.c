#include "cli/doctor.h"

#include "cli/doctor_checks.h"
#include "cli/doctor_processes.h"
#include "cli/instance.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What --fix makes comes first, so that the others look at what there is then. */
static const struct {
    const char *name;
    void (*look)(struct doctor *doctor);
} checks[] = {
    {"directories", doctor_dirs_check},    {"users", doctor_users_check},
    {"programs", doctor_programs_check},   {"agent", doctor_agent_check},
    {"settings", doctor_settings_check},   {"port", doctor_port_check},
    {"web servers", doctor_servers_check}, {"endpoint", doctor_endpoint_check},
    {"spool", doctor_spool_check},         {"disk", doctor_disk_check},
    {"clock", doctor_clock_check},
};

static bool is_plain(const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "/._-+:,@%";

    return text[0] != '\0' && text[0] != '-' && text[strspn(text, plain)] == '\0';
}

struct doctor_text doctor_quote(const char *text)
{
    struct doctor_text out;
    size_t len = 0;

    if (is_plain(text)) {
        (void)snprintf(out.text, sizeof(out.text), "%s", text);
        return out;
    }
    out.text[len++] = '\'';
    for (; *text != '\0' && len < sizeof(out.text) - sizeof("'\\'''"); text++) {
        if (*text == '\'') {
            memcpy(out.text + len, "'\\''", 4);
            len += 4;
        } else {
            out.text[len++] = *text;
        }
    }
    out.text[len++] = '\'';
    out.text[len] = '\0';
    return out;
}

struct doctor_text doctor_format(const char *format, ...)
{
    struct doctor_text out;
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(out.text, sizeof(out.text), format, arguments);
    va_end(arguments);
    return out;
}

static void add(struct doctor *doctor, enum doctor_kind kind, const char *mend, const char *format,
                va_list arguments)
{
    struct doctor_finding *const finding = &doctor->list[doctor->count];

    if (doctor->count == DOCTOR_FINDINGS_MAX) {
        doctor->wrong_count += kind == DOCTOR_WRONG;
        return;
    }
    finding->kind = kind;
    finding->check = doctor->check;
    (void)vsnprintf(finding->text, sizeof(finding->text), format, arguments);
    (void)snprintf(finding->mend, sizeof(finding->mend), "%s", mend);
    for (size_t i = 0; i < doctor->count; i++) {
        if (doctor->list[i].kind == kind && strcmp(doctor->list[i].text, finding->text) == 0)
            return;
    }
    doctor->count++;
    doctor->wrong_count += kind == DOCTOR_WRONG;
}

void doctor_wrong(struct doctor *doctor, const char *mend, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    add(doctor, DOCTOR_WRONG, mend, format, arguments);
    va_end(arguments);
}

void doctor_note(struct doctor *doctor, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    add(doctor, DOCTOR_NOTE, "", format, arguments);
    va_end(arguments);
}

void doctor_fixed(struct doctor *doctor, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    add(doctor, DOCTOR_FIXED, "", format, arguments);
    va_end(arguments);
}

/* What the others go by. The directories may just have been made. */
static int look_around(struct doctor *doctor)
{
    doctor->processes = doctor_processes_list(doctor->run_dir);
    if (doctor->processes == NULL)
        return -1;
    doctor->reported = spool_report_make(&doctor->report, doctor->spool_dir, false) == 0;
    if (!doctor->reported) {
        doctor->report_error = errno;
        memset(&doctor->report, 0, sizeof(doctor->report));
    }
    return 0;
}

int doctor_look(struct doctor *doctor, bool fix)
{
    char error[CONFIG_ERROR_MAX];

    memset(doctor, 0, sizeof(*doctor));
    doctor->fix = fix;
    doctor->run_dir = instance_run_dir();
    doctor->spool_dir = instance_spool_dir();
    doctor->standard = strcmp(doctor->run_dir, TELEMETRY_RUN_DIR) == 0;
    /* One by one, for what can't be used is no reason not to read the others; the programs' own
     * --check says it. */
    for (size_t i = 0; i < telemetry_settings_count; i++)
        (void)config_load(&telemetry_settings_rows[i], 1, &doctor->settings, NULL, error);
    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
        doctor->check = checks[i].name;
        checks[i].look(doctor);
        if (i == 0 && look_around(doctor) != 0)
            return -1;
    }
    return 0;
}

void doctor_close(struct doctor *doctor)
{
    doctor_processes_free(doctor->processes);
    if (doctor->reported)
        spool_report_free(&doctor->report);
}
