#include "cli/command.h"

#include "cli/doctor.h"
#include "cli/instance.h"
#include "lib/base/json_writer.h"
#include "lib/base/printable.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* All texts, each byte escaped at worst. */
enum { JSON_MAX = 2 * 6 * DOCTOR_FINDINGS_MAX * DOCTOR_TEXT_MAX };

struct values {
    bool fix, json;
};

static const struct options_switch switches[] = {
    {"--fix", offsetof(struct values, fix),
     "Make the instance's directories where they are missing, and set their modes and, by root, "
     "their owner. Nothing else is changed, no link is followed, a directory that others use too "
     "stays as it is, and each thing done is said."},
    {"--json", offsetof(struct values, json), "Print JSON for programs."},
    {NULL, 0, NULL},
};

static const struct options_table options = {
    .command = "microtrace doctor",
    .operands = "",
    .summary = "Checks an installation and prints what is wrong, one line each, with the command "
               "that mends it. It looks at directories, users, programs, the agent, settings, web "
               "servers, the endpoint (by one empty request), disk and clock. Exits with 1 if "
               "anything is wrong.",
    .switches = switches,
    .state = instance_choose,
};

/* For texts that others chose. */
static void say(const char *text)
{
    printable_write(stdout, text, strlen(text));
}

static const char *const kinds[] = {
    [DOCTOR_WRONG] = "wrong", [DOCTOR_NOTE] = "note", [DOCTOR_FIXED] = "fixed"};

static void print_people(const struct doctor *doctor)
{
    for (size_t i = 0; i < doctor->count; i++) {
        const struct doctor_finding *const finding = &doctor->list[i];

        printf("%s: ", kinds[finding->kind]);
        say(finding->text);
        if (finding->mend[0] != '\0') {
            printf("; to mend it: ");
            say(finding->mend);
        }
        printf("\n");
    }
    say(doctor->run_dir);
    printf(" and ");
    say(doctor->spool_dir);
    if (doctor->wrong_count == 0)
        printf(": nothing is wrong.\n");
    else
        printf(": %zu %s wrong.\n", doctor->wrong_count,
               doctor->wrong_count == 1 ? "thing is" : "things are");
}

static void write_findings(struct json_writer *w, const struct doctor *doctor,
                           enum doctor_kind kind, const char *key)
{
    json_writer_key(w, key);
    json_writer_begin_array(w);
    for (size_t i = 0; i < doctor->count; i++) {
        const struct doctor_finding *const finding = &doctor->list[i];

        if (finding->kind != kind)
            continue;
        json_writer_begin_object(w);
        json_writer_key_string(w, "check", finding->check);
        json_writer_key_string(w, "text", finding->text);
        if (kind == DOCTOR_WRONG)
            json_writer_key_string(w, "mend", finding->mend);
        json_writer_end_object(w);
    }
    json_writer_end_array(w);
}

static int print_json(const struct doctor *doctor)
{
    static char text[JSON_MAX];
    struct json_writer w;

    json_writer_init(&w, text, sizeof(text));
    json_writer_begin_object(&w);
    json_writer_key_string(&w, "version", MICROTRACE_VERSION);
    json_writer_key_string(&w, "run", doctor->run_dir);
    json_writer_key_string(&w, "spool", doctor->spool_dir);
    write_findings(&w, doctor, DOCTOR_WRONG, "wrong");
    write_findings(&w, doctor, DOCTOR_NOTE, "notes");
    write_findings(&w, doctor, DOCTOR_FIXED, "fixed");
    json_writer_end_object(&w);
    if (w.overflow) {
        printable_error("microtrace doctor: too much to say");
        return COMMAND_FAILED;
    }
    printf("%.*s\n", (int)w.len, text);
    return COMMAND_OK;
}

static int run(int argc, char **argv)
{
    static struct doctor doctor;
    struct values values = {.json = false};
    int result = options_read(&options, &values, &argc, &argv);

    if (result != OPTIONS_GO)
        return result;
    result = COMMAND_OK;
    if (doctor_look(&doctor, values.fix) != 0) {
        printable_error("microtrace doctor: out of memory");
        return COMMAND_FAILED;
    }
    if (values.json)
        result = print_json(&doctor);
    else
        print_people(&doctor);
    if (doctor.wrong_count > 0)
        result = COMMAND_FAILED;
    doctor_close(&doctor);
    return result;
}

const struct command command_doctor = {&options, run};
