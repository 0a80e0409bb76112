/*
 * The thread that looks into the spool for the page, one question after the other. It may have to
 * wait for a disk as long as that takes, and nobody waits with it: the caller, always one and the
 * same thread, asks, comes back when the descriptor is readable, and takes the answer.
 *
 * The thread is there from the first question until it has had none for LOOKER_IDLE_S. What it used
 * is given back to the system after each answer.
 */
#ifndef METRICS_AGENT_PAGE_LOOKER_H
#define METRICS_AGENT_PAGE_LOOKER_H

#include "metrics-agent/page/html.h"
#include "metrics-agent/page/page_query.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    LOOKER_WAITING_MAX = 4, /* questions besides the one that is being looked for */
    LOOKER_IDLE_S = 60,
    LOOKER_STOP_MS = 500,          /* that the thread has to end; then it is left behind */
    LOOKER_HTML_MAX = 3 << 20,     /* bytes of an answer */
    LOOKER_STACK_BYTES = 512 << 10 /* of the thread */
};

struct looker;

/* As page_traces_write. */
typedef unsigned looker_write(struct html *html, const struct page_query *query,
                              const char *run_dir, const char *spool_dir);

struct looker_settings {
    looker_write *write;
    const char *run_dir, *spool_dir; /* borrowed, also by a thread that is left behind */
};

/* A question, once for each who asks it. */
struct looker_question;

/* NULL if memory runs out or there is no descriptor. */
struct looker *looker_open(const struct looker_settings *settings);

/* All questions have to be left before. NULL does nothing. */
void looker_close(struct looker *looker);

/* Readable when looker_run has something to do. */
int looker_fd(const struct looker *looker);

/* NULL if too many wait already. One that is asked already is not looked for twice. */
struct looker_question *looker_ask(struct looker *looker, const struct page_query *query);

/*
 * Returns the status that page_traces_write returned, with its section, which stays the question's;
 * 0 while there is no answer. `len` may be NULL.
 */
unsigned looker_answer(const struct looker_question *question, const char **section, size_t *len);

/* The answer is not needed any more. One that nobody needs is not looked for. NULL does nothing. */
void looker_leave(struct looker *looker, struct looker_question *question);

/*
 * Takes an answer from the thread, gives it the next question, ends it when it has been idle.
 * Returns when to call again without the descriptor (monotonic ns); UINT64_MAX for never.
 */
uint64_t looker_run(struct looker *looker, uint64_t now_ns);

#endif
