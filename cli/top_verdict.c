#include "cli/top_verdict.h"

#include "cli/instance.h"
#include "cli/spool_agent.h"

#include <fcntl.h>
#include <stddef.h>
#include <unistd.h>

void top_verdict_make(struct verdict *verdict, const struct overview *overview)
{
    static const double lost[SPOOL_SIGNALS][AGENT_STATUS_LOSSES];
    static struct spool_agent agent;
    const int dir_fd = open(instance_spool_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct spool_view view = {.dir_fd = dir_fd, .agent = SPOOL_VIEW_AGENT_UNKNOWN};
    char text[SPOOL_WORDS_MAX] = "";

    if (dir_fd >= 0)
        view.agent = spool_view_find_agent(dir_fd);
    spool_agent_read(&agent, instance_is_one() ? instance_run_dir() : NULL, &view, lost);
    if (dir_fd >= 0)
        (void)close(dir_fd);
    if (view.agent == SPOOL_VIEW_AGENT_NONE && !spool_agent_drained(&agent))
        (void)spool_agent_none(&agent, text);
    verdict_make(verdict, overview, agent.state == SPOOL_AGENT_LIVE ? &agent.status : NULL, text);
}
