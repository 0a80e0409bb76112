/*
 * `microtrace doctor`: looks at an installation, and says of each thing that is wrong what it is
 * and the command that mends it. The checks are functions in a table, each in a file of its own
 * (doctor_checks.h); here is what they share.
 */
#ifndef CLI_DOCTOR_H
#define CLI_DOCTOR_H

#include "cli/spool_report.h"
#include "lib/telemetry.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum {
    DOCTOR_TEXT_MAX = 1024,
    DOCTOR_FINDINGS_MAX = 96,
};

enum doctor_kind {
    DOCTOR_WRONG,
    DOCTOR_NOTE,  /* worth knowing, or what this user can't see */
    DOCTOR_FIXED, /* --fix did it */
};

struct doctor_finding {
    enum doctor_kind kind;
    const char *check; /* which one found it */
    char text[DOCTOR_TEXT_MAX];
    char mend[DOCTOR_TEXT_MAX]; /* a shell command; "" for a note */
};

struct doctor_processes;

struct doctor {
    bool fix;
    bool standard; /* the instance in the default directories, which the packages make */
    const char *run_dir, *spool_dir;
    const char *check;                  /* the one at work */
    struct telemetry_settings settings; /* the defaults where one can't be used */
    struct doctor_processes *processes; /* of ours and web servers */
    struct spool_report report;         /* all zero where the spool can't be read */
    bool reported;                      /* it could */
    int report_error;                   /* errno if not */
    struct doctor_finding list[DOCTOR_FINDINGS_MAX];
    size_t count;
    size_t wrong_count; /* also of those that found no room in the list */
};

/* A text for an argument of the functions below: it lives until the end of the expression. */
struct doctor_text {
    char text[DOCTOR_TEXT_MAX];
};

/* The text as one word for a shell: in quotes where it has more than letters, digits and /._-. */
struct doctor_text doctor_quote(const char *text);

struct doctor_text doctor_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Something is wrong: `mend` is the command that mends it. The same text twice is said once. */
void doctor_wrong(struct doctor *doctor, const char *mend, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

void doctor_note(struct doctor *doctor, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

void doctor_fixed(struct doctor *doctor, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Looks at the instance that cli/instance.h has chosen; with `fix` it mends what is safe to mend.
 * Returns 0, or -1 if memory runs out.
 */
int doctor_look(struct doctor *doctor, bool fix);

void doctor_close(struct doctor *doctor);

#endif
