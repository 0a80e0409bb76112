/*
 * `microtrace expect span` and `expect log`: waits until the spool holds the records that are asked
 * for, or makes sure that it does not.
 */
#ifndef CLI_EXPECT_RECORDS_H
#define CLI_EXPECT_RECORDS_H

#include "cli/expect_match.h"
#include "lib/spool/signal.h"

#include <stdint.h>

enum {
    EXPECT_RECORDS_ANY = -1, /* at least one */
    EXPECT_RECORDS_COUNT_MAX = 1000000,
    EXPECT_RECORDS_SETTLE_MS = 200, /* a count has to stay so long what it is */
};

struct expect_records_options {
    const char *command; /* as it is typed, for messages */
    enum spool_signal signal;
    struct expect_match *match;
    int64_t count; /* exactly so many, 0 for none; or EXPECT_RECORDS_ANY */
    uint64_t within_ns;
};

/*
 * At least one: waits for it, and prints the newest that fits. A count: waits for it, prints them
 * all, oldest first, and fails at once if there are more. None: fails as soon as there is one.
 * Prints plain JSON (cli/record_json.h) on standard output, one a line; on standard error what is
 * wrong, and the record that comes nearest with what it differs in. Returns COMMAND_OK or
 * COMMAND_FAILED.
 */
int expect_records_run(const struct expect_records_options *options);

#endif
