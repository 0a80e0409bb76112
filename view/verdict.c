#include "view/verdict.h"

#include <stdio.h>
#include <string.h>

void verdict_make(struct verdict *verdict, const struct overview *overview,
                  const struct agent_status *status, const char *agent)
{
    (void)status;
    memset(verdict, 0, sizeof(*verdict));
    if (overview->problem[0] != '\0' || agent[0] != '\0') {
        verdict->level = VERDICT_WRONG;
        (void)snprintf(verdict->sentence, sizeof(verdict->sentence), "%s",
                       overview->problem[0] != '\0' ? overview->problem : agent);
        return;
    }
    (void)snprintf(verdict->sentence, sizeof(verdict->sentence), "No requests yet");
}
