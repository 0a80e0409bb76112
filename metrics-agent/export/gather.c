#include "metrics-agent/export/gather.h"

unsigned gather_next_ms(unsigned waited_ms, uint64_t grown, uint64_t much)
{
    if (grown * GATHER_MIN_MS <= (uint64_t)GATHER_FEW_BYTES * waited_ms)
        return GATHER_MIN_MS;
    if (grown > much)
        return waited_ms / 2 > GATHER_MIN_MS ? waited_ms / 2 : GATHER_MIN_MS;
    /* Twice the wait may find twice as much. */
    if (grown > much / 2)
        return waited_ms;
    return waited_ms * 2 < GATHER_MAX_MS ? waited_ms * 2 : GATHER_MAX_MS;
}
