/*
 * Figures as a reader wants them: digits that mean something, with their unit, and an en dash for
 * what is not known (NAN). Our own words alone: nothing here needs escaping. Pure.
 */
#ifndef METRICS_AGENT_PAGE_FIGURE_H
#define METRICS_AGENT_PAGE_FIGURE_H

struct figure {
    char text[40];
};

enum figure_unit { FIGURE_COUNT, FIGURE_SECONDS, FIGURE_SHARE };

/* "0", "0.05", "4.2", "43", "1,234", "12,345,678". */
struct figure figure_count(double value);

/* "250 µs", "1.5 ms", "43 s", "2 min 3 s", "5 h 7 min", "12 days". */
struct figure figure_seconds(double seconds);

/* Of a share between 0 and 1: "0 %", "0.02 %", "4.2 %", "99.95 %"; never 100 % for less than all.
 */
struct figure figure_share(double share);

/* "512 B", "1.5 KiB", "64 MiB". */
struct figure figure_bytes(double bytes);

/* "12 s ago" for two Unix times in seconds; "never" if `then` is 0. */
struct figure figure_ago(double then, double now);

struct figure figure_of(double value, enum figure_unit unit);

#endif
