#include "cli/doctor.h"
#include "cli/doctor_checks.h"
#include "cli/doctor_commands.h"
#include "cli/doctor_exec.h"
#include "lib/base/config.h"

#include <stdio.h>
#include <string.h>

enum { PROBE_MS = 25000, NAME_MAX_BYTES = 64 };

/* The variable that the endpoint of the signal comes from. */
static void find_name(const char *signal, size_t len, char name[NAME_MAX_BYTES])
{
    const bool logs = len == 4 && strncmp(signal, "logs", 4) == 0;

    (void)snprintf(name, NAME_MAX_BYTES, "OTEL_EXPORTER_OTLP_%s_ENDPOINT",
                   logs ? "LOGS" : "TRACES");
    if (config_get(name) == NULL)
        (void)snprintf(name, NAME_MAX_BYTES, "OTEL_EXPORTER_OTLP_ENDPOINT");
}

static struct doctor_text again(const char *edit)
{
    return doctor_format("%s; %s --probe", edit, doctor_exec_word("metrics-agent").text);
}

/* By the remedy that the agent names; where none can be known, what shows whether it is mended. */
static struct doctor_text mend(const char *line, const char *signal, size_t len)
{
    char name[NAME_MAX_BYTES];

    find_name(signal, len, name);
    if (strstr(line, ":4317") != NULL)
        return again(doctor_commands_replace(name, ":4317", ":4318").text);
    if (strstr(line, "speaks TLS") != NULL)
        return again(doctor_commands_replace(name, "http://", "https://").text);
    if (strstr(line, "does not speak TLS") != NULL)
        return again(doctor_commands_replace(name, "https://", "http://").text);
    if (strstr(line, "PROTOCOL=http/protobuf") != NULL)
        return again(doctor_commands_set("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf").text);
    if (strstr(line, "HTTP 401") != NULL || strstr(line, "HTTP 403") != NULL)
        return again(
            doctor_commands_set("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20TOKEN").text);
    if (strstr(line, "OTLP_CERTIFICATE") != NULL)
        return again(doctor_commands_set("OTEL_EXPORTER_OTLP_CERTIFICATE", "CA-FILE.pem").text);
    if (strstr(line, "OTEL_EXPORTER_OTLP_ENDPOINT") != NULL)
        return again(doctor_commands_set(name, "http://HOST:4318").text);
    return doctor_format("%s --probe", doctor_exec_word("metrics-agent").text);
}

/* Where the agent that runs sends the signal, and where it would by the settings: "" for nowhere.
 */
static void compare(struct doctor *doctor, enum spool_signal signal, const char *url)
{
    const struct spool_agent *const agent = &doctor->report.agent;
    const char *const sends = agent->status.signals[signal].endpoint;

    if (agent->state != SPOOL_AGENT_LIVE || strcmp(sends, url) == 0)
        return;
    doctor_note(
        doctor,
        "the agent that runs sends %s %s%.200s, the settings here say %.200s: it has others "
        "in its environment, or was started before they changed: %s",
        spool_signal_names[signal], sends[0] != '\0' ? "to " : "nowhere",
        sends[0] != '\0' ? sends : "", url[0] != '\0' ? url : "nowhere",
        doctor_commands_restart(doctor, (pid_t)agent->status.pid, doctor_commands_user(doctor).text)
            .text);
}

/* What stands behind ": " at that place. */
static const char *behind(const char *text, size_t len)
{
    return text + len + (strncmp(text + len, ": ", 2) == 0 ? 2 : 0);
}

/* A line of metrics-agent --probe: "KIND: SIGNAL: URL: ANSWER", or "note: SIGNAL: WHY". */
static void tell(struct doctor *doctor, const char *line)
{
    const size_t kind = strcspn(line, ":");
    const char *const signal = behind(line, kind);
    const size_t len = strcspn(signal, ":");
    const bool note = strncmp(line, "note", kind) == 0;
    char url[DOCTOR_TEXT_MAX] = "";

    for (int i = 0; i < SPOOL_OWN_SIGNALS; i++) {
        const char *const at = behind(signal, len);
        const char *const end = strstr(at, ": ");

        if (strlen(spool_signal_names[i]) != len ||
            strncmp(signal, spool_signal_names[i], len) != 0)
            continue;
        if (!note && end != NULL)
            (void)snprintf(url, sizeof(url), "%.*s", (int)(end - at), at);
        compare(doctor, (enum spool_signal)i, url);
        if (note && doctor->report.agent.status.signals[i].endpoint[0] == '\0')
            doctor_note(doctor, "%s", signal);
    }
    if (strncmp(line, "wrong", kind) == 0)
        doctor_wrong(doctor, mend(line, signal, len).text, "a request to the endpoint fails: %s",
                     signal);
}

void doctor_endpoint_check(struct doctor *doctor)
{
    char path[DOCTOR_TEXT_MAX], output[DOCTOR_EXEC_OUTPUT_MAX];
    const char *const argv[] = {path, "--probe", NULL};
    char *rest = output, *line;
    int status;

    if (doctor_exec_find("metrics-agent", path) != 0) {
        doctor_wrong(doctor, "apt-get install microtrace",
                     "there is no metrics-agent beside this program, and none on PATH");
        return;
    }
    status = doctor_exec(doctor, argv, PROBE_MS, output);
    if (status == DOCTOR_EXEC_NOT_RUN || status == DOCTOR_EXEC_NO_END)
        doctor_note(doctor, "the endpoint can't be tried: %.300s --probe %s", path,
                    status == DOCTOR_EXEC_NO_END ? "does not end" : "can't be run");
    while (status >= 0 && (line = doctor_exec_line(&rest)) != NULL)
        tell(doctor, line);
}
