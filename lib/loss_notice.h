/*
 * One line on stderr, so in a web server's error log, while metrics, or spans and logs, are lost:
 * the directory, what is wrong with it, and what to do. Also in the system's log, where the stderr
 * of a program that is not started by hand leads nowhere. A minute passes until the next one, over
 * all processes of the user, unless settings->losses says otherwise.
 */
#ifndef LIB_LOSS_NOTICE_H
#define LIB_LOSS_NOTICE_H

#include "lib/spool/writer.h"
#include "lib/telemetry.h"

/*
 * `metrics` says what is wrong with the metrics file, NULL for nothing; `spool` is a writer whose
 * last append ended with `result`, NULL if none failed.
 */
void loss_notice_say(const struct telemetry_settings *settings, const char *metrics,
                     const struct spool_writer *spool, enum spool_result result);

#endif
