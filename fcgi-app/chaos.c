#include "fcgi-app/chaos.h"

#include "lib/ids.h"

const char *const chaos_kind_names[CHAOS_KINDS] = {
    [CHAOS_DELAY] = "delay",
};

/* SplitMix64: a full period from any seed, and no state but one word. */
static uint64_t next_random(struct chaos *chaos)
{
    uint64_t z = chaos->state += 0x9E3779B97F4A7C15;

    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
}

/* Uniform in [0, 1). */
static double next_fraction(struct chaos *chaos)
{
    return (double)(next_random(chaos) >> 11) * 0x1p-53;
}

void chaos_seed(struct chaos *chaos, uint64_t seed)
{
    chaos->state = seed != 0 ? seed : ids_random64();
}

bool chaos_decide(struct chaos *chaos, double *delay_ms)
{
    if (!chaos->enabled || next_fraction(chaos) >= chaos->probability)
        return false;
    *delay_ms =
        chaos->delay_low_ms + next_fraction(chaos) * (chaos->delay_high_ms - chaos->delay_low_ms);
    return true;
}
