/*
 * The terminal that `microtrace top` draws on: its size, its keys, and the alternate screen, which
 * is left again however the command ends (but by SIGKILL). Control sequences are those that all
 * terminals of today have in common (ECMA-48, xterm's private modes 1049 and 25).
 */
#ifndef CLI_TOP_TERMINAL_H
#define CLI_TOP_TERMINAL_H

#include "cli/top_picture.h"

#include <stdbool.h>
#include <stdint.h>
#include <termios.h>

struct top_terminal {
    bool screen;  /* standard output is a terminal that can move its cursor */
    bool keys;    /* standard input is one, whose keys are taken */
    bool entered; /* its keys are taken, and the alternate screen is shown where there is one */
    bool colours;
    int signal_fd;
    struct termios saved;
};

/* What has happened. */
enum top_terminal_event {
    TOP_TERMINAL_TIME,   /* nothing, until the time was over */
    TOP_TERMINAL_KEY,    /* *key was pressed */
    TOP_TERMINAL_RESIZE, /* or the screen has to be drawn again for another reason */
    TOP_TERMINAL_END,    /* a signal ends us, in *key, or nobody is there any more: 0 */
};

/*
 * Shows the alternate screen where there is one, and takes the signals that end, stop and resize.
 * Returns 0, or -1 with errno.
 */
int top_terminal_open(struct top_terminal *terminal);

/* Everything is as it was before. All zero does nothing. */
void top_terminal_close(struct top_terminal *terminal);

/* Its size now; where it is none, that of COLUMNS or 100 columns, and a height of 0. */
void top_terminal_size(const struct top_terminal *terminal, unsigned *width, unsigned *height);

/* Draws. Without a screen it prints the lines, and a blank one. Returns 0, or -1 with errno. */
int top_terminal_draw(const struct top_terminal *terminal, const struct top_picture *picture);

/* Waits until `until_ns` (clock_monotonic_ns) for something to happen. */
enum top_terminal_event top_terminal_wait(struct top_terminal *terminal, uint64_t until_ns,
                                          int *key);

#endif
