#include "cli/spool_agent.h"

#include "lib/base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum {
    LOSING_MS = 60000,    /* a loss this young may go on */
    DRAINED_MS = 3600000, /* a drain is due every hour at least */
};

/* Whether the file is about this spool. */
static bool is_of(const struct agent_status *status, const struct spool_view *view)
{
    struct stat spool;

    return fstat(view->dir_fd, &spool) == 0 && status->spool_device == spool.st_dev &&
           status->spool_inode == spool.st_ino;
}

static void find_state(struct spool_agent *agent, const char *run_dir,
                       const struct spool_view *view)
{
    if (run_dir == NULL)
        return;
    if (agent_status_read(run_dir, &agent->status) != 0) {
        agent->error = errno;
        return;
    }
    if (!is_of(&agent->status, view)) {
        memset(&agent->status, 0, sizeof(agent->status));
        return;
    }
    if (view->agent == SPOOL_VIEW_AGENT_NONE)
        agent->state = agent->status.ended_ms != 0 ? SPOOL_AGENT_ENDED : SPOOL_AGENT_DIED;
    else if (agent->status.ended_ms == 0)
        agent->state = SPOOL_AGENT_LIVE;
}

/*
 * The agent looks whenever it wakes, at least every ten seconds; what is counted beyond its number
 * has come since then. An older loss goes on as long as nothing could be written after it, except
 * that a record which is too large keeps no other one out.
 */
static void find_loss(struct spool_agent_loss *loss, const struct spool_agent *agent,
                      const struct agent_status_loss *seen, uint64_t last_written_ms, bool oversize)
{
    const bool known = agent->state != SPOOL_AGENT_UNKNOWN;
    const uint64_t grown_ms =
        known && loss->records != seen->records ? agent->now_ms : seen->grown_ms;

    loss->age_s = spool_agent_age_s(agent, grown_ms);
    loss->now = grown_ms != 0 && (agent->now_ms < grown_ms + LOSING_MS ||
                                  (!oversize && last_written_ms < seen->since_ms));
}

void spool_agent_read(struct spool_agent *agent, const char *run_dir, const struct spool_view *view,
                      const double lost[SPOOL_SIGNALS][AGENT_STATUS_LOSSES])
{
    memset(agent, 0, sizeof(*agent));
    find_state(agent, run_dir, view);
    agent->now_ms = clock_unix_ns() / CLOCK_NS_PER_MS;
    for (int i = 0; i < SPOOL_SIGNALS; i++) {
        for (int k = 0; k < AGENT_STATUS_LOSSES; k++) {
            struct spool_agent_loss *const loss = &agent->lost[i][k];

            loss->records = lost[i][k] > 0 ? (uint64_t)lost[i][k] : 0;
            if (loss->records > 0)
                find_loss(loss, agent, &agent->status.signals[i].lost[k],
                          view->signals[i].last_written_ns / CLOCK_NS_PER_MS,
                          k == SPOOL_OVERSIZE - 1);
        }
    }
}

bool spool_agent_drained(const struct spool_agent *agent)
{
    return agent->state == SPOOL_AGENT_ENDED && agent->status.drain &&
           agent->now_ms < agent->status.ended_ms + DRAINED_MS;
}

const char *spool_agent_none(const struct spool_agent *agent, char text[SPOOL_WORDS_MAX])
{
    (void)snprintf(text, SPOOL_WORDS_MAX, "no agent runs on this spool%s; start metrics-agent",
                   agent->state == SPOOL_AGENT_DIED    ? ", the last one died"
                   : agent->state == SPOOL_AGENT_ENDED ? ", the last one was ended"
                                                       : "");
    return text;
}

double spool_agent_age_s(const struct spool_agent *agent, uint64_t at_ms)
{
    if (at_ms == 0)
        return -1;
    return at_ms < agent->now_ms ? (double)(agent->now_ms - at_ms) / 1e3 : 0;
}
