/*
 * A stretch of text that is not NUL-terminated, and the small grammars that several programs read:
 * hexadecimal digits, whole numbers, HOST:PORT. Pure.
 */
#ifndef LIB_BASE_TEXT_H
#define LIB_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Borrowed; `at` is NULL for what is not there. */
struct text {
    const char *at;
    size_t len;
};

/* The text of a NUL-terminated string; nothing for NULL. */
struct text text_of(const char *string);

/* Whether it is exactly `word`, byte by byte. Nothing is never equal to anything. */
static inline bool text_is(struct text text, const char *word)
{
    return text.at != NULL && text.len == strlen(word) && memcmp(text.at, word, text.len) == 0;
}

/* A blank or a tab: what the grammars of header fields call OWS. */
static inline bool text_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Without blanks and tabs at both ends. */
struct text text_trim(struct text text);

/* The value of a hexadecimal digit in either case, or -1. */
static inline int text_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that the two hexadecimal digits at `at` name, 0 to 255; -1 if they are not digits. */
static inline int text_hex_byte(const char at[2])
{
    const int high = text_hex_digit(at[0]), low = high < 0 ? -1 : text_hex_digit(at[1]);

    return low < 0 ? -1 : high << 4 | low;
}

/* Reads a decimal whole number and nothing else: no sign, no blanks. Returns 0, or -1. */
int text_parse_uint(struct text text, uint64_t *value);

/*
 * Splits HOST:PORT or [HOST]:PORT, the brackets removed. Without a port (no colon, or nothing after
 * it) `port` is nothing. Returns 0, or -1 if the host is empty, if it holds a colon outside
 * brackets or a bracket inside them, or if the port is no number up to 65535.
 */
int text_split_host_port(struct text text, struct text *host, struct text *port);

/*
 * Whether one NUL-terminated text becomes the other by at most `left` typing mistakes: a character
 * too many, too few, another, or two that changed places. For names, and a `left` of 3 at most.
 */
bool text_is_near(const char *text, const char *name, unsigned left);

#endif
