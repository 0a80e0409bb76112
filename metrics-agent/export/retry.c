#include "metrics-agent/export/retry.h"

#include <string.h>

enum retry_verdict retry_of_status(long status)
{
    if (status >= 200 && status <= 299)
        return RETRY_DELIVERED;
    switch (status) {
    case 400:
    case 413:
    case 422:
        return RETRY_SPLIT;
    case 429:
    case 502:
    case 503:
    case 504:
        return RETRY_AGAIN;
    default:
        return RETRY_HOLD;
    }
}

uint64_t retry_delay_ms(enum retry_verdict verdict, unsigned failures, uint64_t retry_after_s,
                        uint64_t random)
{
    uint64_t least, most, delay;
    unsigned i;

    switch (verdict) {
    case RETRY_REFUSED:
        least = 100;
        most = 5000;
        break;
    case RETRY_HOLD:
        least = 5000;
        most = 60000;
        break;
    default:
        least = 1000;
        most = 30000;
        break;
    }
    for (i = 1; i < failures && least < most; i++)
        least *= 2;
    if (least > most)
        least = most;
    /* Full jitter, but never at once. */
    delay = least / 10 + random % (least - least / 10);
    if (verdict == RETRY_HOLD)
        delay = least / 2 + random % (least / 2);
    if (retry_after_s > RETRY_AFTER_MAX_S)
        retry_after_s = RETRY_AFTER_MAX_S;
    return delay > retry_after_s * 1000 ? delay : retry_after_s * 1000;
}

/* The number after `key` and a colon, quoted or not. */
static uint64_t number_after(const char *at, const char *end)
{
    uint64_t n = 0;

    while (at < end && strchr(" \t\r\n:\"", *at) != NULL && *at != '\0')
        at++;
    for (; at < end && *at >= '0' && *at <= '9'; at++) {
        if (__builtin_mul_overflow(n, UINT64_C(10), &n) ||
            __builtin_add_overflow(n, (uint64_t)(*at - '0'), &n))
            return UINT64_MAX;
    }
    return n;
}

uint64_t retry_rejected(const char *answer, uint64_t len)
{
    static const char *const keys[] = {"\"rejectedSpans\"", "\"rejectedLogRecords\"",
                                       "\"rejectedDataPoints\""};
    const char *end = answer + len;
    unsigned i;

    for (i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        size_t key_len = strlen(keys[i]);
        const char *key = len > 0 ? memmem(answer, len, keys[i], key_len) : NULL;

        if (key != NULL)
            return number_after(key + key_len, end);
    }
    return 0;
}
