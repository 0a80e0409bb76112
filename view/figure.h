/*
 * Figures as a reader wants them: digits that mean something, with their unit, and an en dash for
 * what is not known (NAN). For the agent's page and the verdict; the columns of `microtrace top`,
 * which have to stay in their width, are cli/top_text.h's. Our own words alone: nothing here needs
 * escaping. In UTF-8, but for counts that are 0 or 0.01 at least, and bytes: those are ASCII. Pure.
 */
#ifndef VIEW_FIGURE_H
#define VIEW_FIGURE_H

struct figure {
    char text[40];
};

enum figure_unit { FIGURE_COUNT, FIGURE_SECONDS, FIGURE_SHARE };

/* "0", "0.05", "4.2", "43", "1,234", "12,345,678". */
struct figure figure_count(double value);

/* As view_text_duration, without zeros at the end: "250 µs", "1.5 ms", "43.2 s", "2m 03s", "5h
 * 07m", "12 days"; "for ever" for INFINITY. */
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
