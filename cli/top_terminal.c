#include "cli/top_terminal.h"

#include "lib/base/clock.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { PLAIN_WIDTH = 100, SCREEN_WIDTH = 80, SCREEN_HEIGHT = 24, OUT_MAX = 1 << 19, ESCAPE = 27 };

#define ENTER "\033[?1049h\033[?25l\033[2J"
#define LEAVE "\033[?25h\033[?1049l"

static const int handled[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP, SIGCONT};

static int write_all(const char *text, size_t length)
{
    while (length > 0) {
        const ssize_t written = write(STDOUT_FILENO, text, length);

        if (written < 0 && errno != EINTR)
            return -1;
        if (written > 0) {
            text += written;
            length -= (size_t)written;
        }
    }
    return 0;
}

static void enter(struct top_terminal *t)
{
    struct termios raw;

    if ((!t->screen && !t->keys) || t->entered)
        return;
    if (t->keys && tcgetattr(STDIN_FILENO, &t->saved) == 0) {
        raw = t->saved;
        raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        raw.c_cc[VMIN] = 0;
        raw.c_cc[VTIME] = 0;
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    if (t->screen)
        (void)write_all(ENTER, sizeof ENTER - 1);
    t->entered = true;
}

static void leave(struct top_terminal *t)
{
    if (!t->entered)
        return;
    t->entered = false;
    if (t->screen)
        (void)write_all(LEAVE, sizeof LEAVE - 1);
    if (t->keys)
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &t->saved);
}

int top_terminal_open(struct top_terminal *t)
{
    const char *const term = getenv("TERM"), *const plain = getenv("NO_COLOR");
    sigset_t set;

    *t = (struct top_terminal){.entered = false};
    t->screen =
        isatty(STDOUT_FILENO) == 1 && term != NULL && term[0] != '\0' && strcmp(term, "dumb") != 0;
    t->keys = isatty(STDIN_FILENO) == 1;
    t->colours = t->screen && (plain == NULL || plain[0] == '\0');
    (void)sigemptyset(&set);
    for (size_t i = 0; i < sizeof handled / sizeof handled[0]; i++)
        (void)sigaddset(&set, handled[i]);
    t->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (t->signal_fd < 0 || sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return -1;
    enter(t);
    return 0;
}

void top_terminal_close(struct top_terminal *t)
{
    leave(t);
    if (t->signal_fd > 0)
        (void)close(t->signal_fd);
    t->signal_fd = 0;
}

void top_terminal_size(const struct top_terminal *t, unsigned *width, unsigned *height)
{
    const char *const columns = getenv("COLUMNS");
    const unsigned long wanted = columns != NULL ? strtoul(columns, NULL, 10) : 0;
    struct winsize size;

    *width = wanted > 0 && wanted <= TOP_PICTURE_WIDTH_MAX ? (unsigned)wanted : PLAIN_WIDTH;
    *height = 0;
    if (t->screen) {
        const bool known =
            ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0;

        /* A serial line does not know; these are the smallest in use. */
        *width = known ? size.ws_col : SCREEN_WIDTH;
        *height = known ? size.ws_row : SCREEN_HEIGHT;
    }
    if (*width < TOP_PICTURE_WIDTH_MIN)
        *width = TOP_PICTURE_WIDTH_MIN;
    if (*width > TOP_PICTURE_WIDTH_MAX)
        *width = TOP_PICTURE_WIDTH_MAX;
}

/* SGR parameters; "" for a line that needs none. */
static const char *ink_of(const struct top_terminal *t, enum top_picture_ink ink)
{
    static const char *const inks[] = {
        [TOP_PICTURE_PLAIN] = "",           [TOP_PICTURE_STRONG] = "\033[1m",
        [TOP_PICTURE_FAINT] = "\033[2m",    [TOP_PICTURE_HEADING] = "\033[7m",
        [TOP_PICTURE_GOOD] = "\033[1;32m",  [TOP_PICTURE_WARNING] = "\033[1;33m",
        [TOP_PICTURE_WRONG] = "\033[1;31m",
    };

    /* A heading without colours is told by its capitals. */
    return t->colours ? inks[ink] : "";
}

int top_terminal_draw(const struct top_terminal *t, const struct top_picture *picture)
{
    static char out[OUT_MAX];
    size_t used = 0;

    static_assert((TOP_PICTURE_LINE_MAX + 32) * TOP_PICTURE_LINES_MAX < OUT_MAX, "all fits");
    if (t->screen)
        used += (size_t)sprintf(out, "\033[H");
    for (size_t i = 0; i < picture->count; i++) {
        const char *const ink = ink_of(t, picture->lines[i].ink);

        if (!t->screen)
            used += (size_t)sprintf(out + used, "%s\n", picture->lines[i].text);
        else
            /* The last line has no end: the screen would move up. */
            used += (size_t)sprintf(out + used, "%s%s%s\033[K%s", ink, picture->lines[i].text,
                                    ink[0] != '\0' ? "\033[m" : "",
                                    i + 1 < picture->count ? "\r\n" : "");
    }
    used += (size_t)sprintf(out + used, "%s", t->screen ? "\033[J" : "\n");
    return write_all(out, used);
}

/* Ctrl-Z: the shell gets its screen back until it lets us go on. */
static void stop(struct top_terminal *t)
{
    leave(t);
    (void)raise(SIGSTOP);
    enter(t);
}

static enum top_terminal_event take_signal(struct top_terminal *t, int *key)
{
    struct signalfd_siginfo info;

    if (read(t->signal_fd, &info, sizeof info) != (ssize_t)sizeof info)
        return TOP_TERMINAL_RESIZE;
    switch (info.ssi_signo) {
    case SIGTSTP:
        stop(t);
        return TOP_TERMINAL_RESIZE;
    case SIGWINCH:
    case SIGCONT:
        return TOP_TERMINAL_RESIZE;
    default:
        *key = (int)info.ssi_signo;
        return TOP_TERMINAL_END;
    }
}

/*
 * Arrows and the like are ESC [ or ESC O and what ends with a byte from @ on (ECMA-48, 5.4); the
 * digits in them are no keys of ours.
 */
static void skip_sequence(void)
{
    unsigned char byte;

    if (read(STDIN_FILENO, &byte, 1) != 1 || (byte != '[' && byte != 'O'))
        return;
    while (read(STDIN_FILENO, &byte, 1) == 1 && byte < '@')
        ;
}

enum top_terminal_event top_terminal_wait(struct top_terminal *t, uint64_t until_ns, int *key)
{
    struct pollfd fds[] = {{.fd = t->signal_fd, .events = POLLIN},
                           {.fd = t->keys ? STDIN_FILENO : -1, .events = POLLIN}};
    const uint64_t now = clock_monotonic_ns();
    const uint64_t ms = now < until_ns ? (until_ns - now) / CLOCK_NS_PER_MS + 1 : 0;
    unsigned char byte;
    int ready;

    *key = 0;
    if (ms == 0)
        return TOP_TERMINAL_TIME;
    ready = poll(fds, 2, ms < 60000 ? (int)ms : 60000);
    if (ready <= 0)
        return TOP_TERMINAL_TIME;
    if (fds[0].revents != 0)
        return take_signal(t, key);
    /* A terminal that was closed is readable, and nothing comes. */
    if (read(STDIN_FILENO, &byte, 1) != 1)
        return TOP_TERMINAL_END;
    if (byte == ESCAPE) {
        skip_sequence();
        return TOP_TERMINAL_RESIZE;
    }
    *key = byte;
    return TOP_TERMINAL_KEY;
}
