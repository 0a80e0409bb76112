/*
 * What can be wrong with sending and with writing into the spool, in words, and the command that
 * mends it. `microtrace spool status`, `microtrace doctor` and the agent's page say it with these.
 */
#ifndef VIEW_SPOOL_WORDS_H
#define VIEW_SPOOL_WORDS_H

#include <stddef.h>
#include <stdint.h>

enum { SPOOL_WORDS_MAX = 512 /* bytes of a text, with its NUL; longer ones are cut */ };

/* Each writes one line into `text` and returns it; `signal` is its name. */
const char *spool_words_failing(char text[SPOOL_WORDS_MAX], const char *signal, double for_s,
                                const char *endpoint, const char *reason);
const char *spool_words_unanswered(char text[SPOOL_WORDS_MAX], const char *signal,
                                   const char *endpoint, double for_s);
const char *spool_words_rejected(char text[SPOOL_WORDS_MAX], const char *signal, uint64_t records,
                                 const char *reason);
/* Nothing is sent because a setting can't be used; `why` is the agent's warning. */
const char *spool_words_mistaken(char text[SPOOL_WORDS_MAX], const char *signal, const char *why);
const char *spool_words_slow(char text[SPOOL_WORDS_MAX], const char *signal, double oldest_s);
/* `loss` is a reason of enum spool_result, less one. */
const char *spool_words_losing(char text[SPOOL_WORDS_MAX], const char *signal, double age_s,
                               uint64_t records, int loss);
const char *spool_words_setting(char text[SPOOL_WORDS_MAX], const char *warning);

/* What a loss means, in words. */
const char *spool_words_loss(int loss);

/* What mends, behind the name of the program that can be started: a static text. */
extern const char spool_words_probe[];    /* of metrics-agent: failing, unanswered, rejected */
extern const char spool_words_check[];    /* of metrics-agent: a setting */
extern const char spool_words_oversize[]; /* of microtrace: records that are too large */

#endif
