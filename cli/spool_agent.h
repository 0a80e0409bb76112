/*
 * What the agent's status file (lib/spool/agent_status.h) and the writers' counters say of a
 * spool: how the last exports went, and what writers lose. The lock on agent.lock decides whether
 * that is about now or about an agent that has ended.
 */
#ifndef CLI_SPOOL_AGENT_H
#define CLI_SPOOL_AGENT_H

#include "lib/spool/agent_status.h"
#include "view/spool_view.h"
#include "view/spool_words.h"

#include <stdbool.h>
#include <stdint.h>

enum spool_agent_state {
    SPOOL_AGENT_UNKNOWN, /* there is no file, it can't be read, or it is of another spool */
    SPOOL_AGENT_LIVE,
    SPOOL_AGENT_ENDED, /* cleanly */
    SPOOL_AGENT_DIED,
};

struct spool_agent_loss {
    uint64_t records; /* in all, by the metrics file; of 0 the rest is not set */
    double age_s;     /* since they grew last, -1 if that is not known */
    bool now;         /* it seems to go on */
};

struct spool_agent {
    enum spool_agent_state state;
    int error;                  /* errno of the reading, 0 for none */
    struct agent_status status; /* all zero if unknown */
    struct spool_agent_loss lost[SPOOL_SIGNALS][AGENT_STATUS_LOSSES];
    uint64_t now_ms; /* Unix time of the look */
};

/*
 * Reads the status file in `run_dir` (NULL where it is not known to belong to the spool) and brings
 * it together with the view and with what the metrics file says that writers have `lost` (-1 for
 * not known).
 */
void spool_agent_read(struct spool_agent *agent, const char *run_dir, const struct spool_view *view,
                      const double lost[SPOOL_SIGNALS][AGENT_STATUS_LOSSES]);

/* Whether an agent that only drains (metrics-agent --drain) did so within the last hour. */
bool spool_agent_drained(const struct spool_agent *agent);

/* That no agent runs, and how the last one ended, in words; into `text`, which it returns. */
const char *spool_agent_none(const struct spool_agent *agent, char text[SPOOL_WORDS_MAX]);

/* Seconds since `at_ms`, 0 for the future; -1 for none. */
double spool_agent_age_s(const struct spool_agent *agent, uint64_t at_ms);

#endif
