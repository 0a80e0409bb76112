#include "cli/load_plan.h"

#include <math.h>
#include <stddef.h>

#define JSON "application/json"

const struct load_case load_plan_cases[LOAD_PLAN_CASES] = {
    [LOAD_PLAN_GOOD] = {"POST", "/analyze", JSON, NULL, 200},
    {"POST", "/analyze", JSON, "{\"a\": 10.5}", 422},
    {"POST", "/analyze", JSON, "{\"a\": \"ten\", \"b\": 3.5}", 422},
    {"POST", "/nowhere", JSON, NULL, 404},
    {"POST", "/analyze", JSON, "{\"a\": 10.5, ", 422},
    {"PUT", "/analyze", JSON, NULL, 405},
    {"POST", "/analyze", JSON, "{\"a\": 1e308, \"b\": 1e308}", 422},
    {"POST", "/analyze", "text/plain", NULL, 415},
};

const char *const load_plan_shapes[] = {[LOAD_FLAT] = "flat", [LOAD_DAILY] = "daily", NULL};

enum { HOURS = 24 };

/* A working day at an office: quiet at night, a dip at lunch, some more in the evening. */
static const double hours[HOURS] = {0.22, 0.16, 0.12, 0.10, 0.10, 0.14, 0.24, 0.42,
                                    0.66, 0.86, 0.96, 1.00, 0.88, 0.84, 0.94, 0.98,
                                    0.92, 0.80, 0.68, 0.60, 0.54, 0.46, 0.36, 0.28};

unsigned load_plan_case(uint64_t n, double bad)
{
    const double before = floor((double)n * bad);

    if (floor((double)(n + 1) * bad) <= before)
        return LOAD_PLAN_GOOD;
    return 1 + (unsigned)fmod(before, LOAD_PLAN_CASES - 1);
}

double load_plan_level(enum load_shape shape, double phase)
{
    const double hour = (phase - floor(phase)) * HOURS;
    const unsigned from = (unsigned)hour % HOURS;
    const double part = hour - floor(hour);

    if (shape == LOAD_FLAT)
        return 1;
    return hours[from] * (1 - part) + hours[(from + 1) % HOURS] * part;
}
