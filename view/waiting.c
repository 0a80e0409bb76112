#include "view/waiting.h"

#include <math.h>

struct waiting waiting_of(const struct overview *overview)
{
    struct waiting waiting = {.known = false};

    for (int k = 0; k < OVERVIEW_POINTS; k++)
        waiting.line.points[k] = NAN;
    for (int i = 0; i < SPOOL_SIGNALS; i++) {
        const struct overview_signal *const signal = &overview->signals[i];

        waiting.known |= signal->known;
        waiting.records += (double)signal->backlog;
        if (signal->backlog > 0)
            waiting.oldest_s = fmax(waiting.oldest_s, signal->oldest_s);
        for (int k = 0; k < OVERVIEW_POINTS; k++) {
            const float value = signal->backlogs.points[k], sum = waiting.line.points[k];

            if (!isnan(value))
                waiting.line.points[k] = isnan(sum) ? value : sum + value;
        }
    }
    return waiting;
}
