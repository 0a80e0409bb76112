/*
 * Points in time as scripts have them: `date +%s.%N`, `date --rfc-3339=ns`, an ISO 8601 text.
 */
#ifndef CLI_TIME_TEXT_H
#define CLI_TIME_TEXT_H

#include <stdint.h>

/*
 * Reads Unix seconds, with a fraction or without and perhaps a leading "@" (as date -d takes it),
 * or a date and time of RFC 3339, whose separator may also be a blank (section 5.6). A leap second
 * counts as the second after it. Digits beyond nanoseconds are cut off. Returns 0 and nanoseconds
 * since 1970 in *unix_ns, or -1 for anything else and what is not in [1970, 2554). Pure.
 */
int time_text_parse(const char *text, uint64_t *unix_ns);

#define TIME_TEXT_TAKES                                                                            \
    "Unix seconds (1732700000.25, date +%s.%N) or RFC 3339 (2025-01-03T12:00:01.5Z)"

#endif
