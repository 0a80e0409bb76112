/*
 * What a daemon says on stderr or stdout, without ever waiting for whoever reads it: a pipe that
 * nobody empties, a stopped terminal, a journal that hangs. What can't be written at once is
 * dropped and counted.
 *
 * O_NONBLOCK on the descriptor would hold for everybody who shares it, and the room that poll(2)
 * sees may be another writer's a moment later. So a pipe is written with RWF_NOWAIT; before Linux
 * 6.4, and for terminals, through a descriptor of our own from /proc/self/fd; and if that can't be
 * opened (another user's pipe, no /proc), by splice(2) from a pipe of our own, which can be told
 * not to wait. Sockets have MSG_DONTWAIT. Regular files do not wait for a reader.
 *
 * Nothing is kept between two calls, so descriptors may be replaced, threads may call it together,
 * and a fork needs no care.
 */
#ifndef LIB_BASE_MESSAGE_H
#define LIB_BASE_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

enum {
    MESSAGE_MAX = 4096, /* bytes of one line of message_print; PIPE_BUF, so it goes whole */
};

/*
 * Writes whole lines, each with its newline. Lines of up to PIPE_BUF bytes (4096) are written whole
 * or not at all; a longer one may be cut by a reader that is behind. Keeps errno. Returns how many
 * lines were dropped or cut; message_take_dropped counts them too.
 */
unsigned message_write(int fd, const char *lines, size_t length);

/*
 * For a program that is started and has no such care: makes writes to the pipe or terminal `fd`
 * fail instead of waiting, by a descriptor of its own in its place. Does nothing for what does not
 * wait or can't be opened again (a socket, another user's).
 */
void message_reopen(int fd);

/* One line on stderr: the program's name, a colon, the text, through the filter of printable.h. */
void message_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same of a finished text: for callers that take a function to warn by. */
void message_say(const char *text);

/* Lines of this process that were dropped since the last call; for a metric. */
uint64_t message_take_dropped(void);

#endif
