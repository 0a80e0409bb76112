#include "view/spool_words.h"

#include "lib/spool/writer.h"

#include <stdio.h>

const char spool_words_probe[] = "--probe";
const char spool_words_check[] = "--check";
const char spool_words_oversize[] = "spool tail --no-follow";

const char *spool_words_failing(char text[SPOOL_WORDS_MAX], const char *signal, double for_s,
                                const char *endpoint, const char *reason)
{
    (void)snprintf(text, SPOOL_WORDS_MAX,
                   "%s: for %.0f s nothing has been delivered to %.200s: %.250s", signal, for_s,
                   endpoint, reason);
    return text;
}

const char *spool_words_unanswered(char text[SPOOL_WORDS_MAX], const char *signal,
                                   const char *endpoint, double for_s)
{
    (void)snprintf(text, SPOOL_WORDS_MAX, "%s: %.200s has not answered for %.0f s", signal,
                   endpoint, for_s);
    return text;
}

const char *spool_words_rejected(char text[SPOOL_WORDS_MAX], const char *signal, uint64_t records,
                                 const char *reason)
{
    (void)snprintf(text, SPOOL_WORDS_MAX, "%s: the last answer rejected %llu records: %.250s",
                   signal, (unsigned long long)records, reason);
    return text;
}

const char *spool_words_mistaken(char text[SPOOL_WORDS_MAX], const char *signal, const char *why)
{
    (void)snprintf(text, SPOOL_WORDS_MAX, "%s: nothing is sent: %s", signal, why);
    return text;
}

const char *spool_words_slow(char text[SPOOL_WORDS_MAX], const char *signal, double oldest_s)
{
    (void)snprintf(text, SPOOL_WORDS_MAX,
                   "%s: the oldest record has waited for %.0f s; sending is slower than writing",
                   signal, oldest_s);
    return text;
}

const char *spool_words_losing(char text[SPOOL_WORDS_MAX], const char *signal, double age_s,
                               uint64_t records, int loss)
{
    (void)snprintf(text, SPOOL_WORDS_MAX,
                   "%s: writers lose records, the last %.0f s ago, %llu so far (%s)", signal, age_s,
                   (unsigned long long)records, spool_words_loss(loss));
    return text;
}

const char *spool_words_setting(char text[SPOOL_WORDS_MAX], const char *warning)
{
    (void)snprintf(text, SPOOL_WORDS_MAX, "the agent's settings: %s", warning);
    return text;
}

const char *spool_words_loss(int loss)
{
    switch ((enum spool_result)(loss + 1)) {
    case SPOOL_NO_SPACE:
        return "no_space: the file system is full, or a quota is used up";
    case SPOOL_FULL:
        return "full: the active file has reached its limit and no agent makes room";
    case SPOOL_UNWRITABLE:
        return "unwritable: the writers can't open or write the file; look at the rights of the "
               "spool";
    case SPOOL_OVERSIZE:
        return "oversize: a record is larger than a spool takes";
    case SPOOL_OK:
        break;
    }
    return "";
}
