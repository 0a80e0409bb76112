#include "lib/base/clock.h"

#include "lib/base/decimal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { SECONDS_PER_DAY = 86400 };

/* 9999-12-31T23:59:59.999999999Z: the last instant with a four-digit year. */
static const uint64_t LAST_SECOND = 253402300799;

static uint64_t read_clock(clockid_t id)
{
    struct timespec now;

    /* Both clocks exist on every Linux; without them no record could be dated. */
    if (clock_gettime(id, &now) != 0)
        return 0;
    return clock_timespec_ns(&now);
}

uint64_t clock_unix_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}

uint64_t clock_monotonic_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t clock_monotonic_ms(void)
{
    return clock_monotonic_ns() / CLOCK_NS_PER_MS;
}

void clock_sleep_ns(uint64_t ns)
{
    struct timespec left = {.tv_sec = (time_t)(ns / CLOCK_NS_PER_S),
                            .tv_nsec = (long)(ns % CLOCK_NS_PER_S)};

    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
        continue;
}

/* Days since 1970-01-01 to a date of the proleptic Gregorian calendar. */
static void civil_from_days(int64_t days, unsigned *year, unsigned *month, unsigned *day)
{
    /* Eras of 400 years begin on 1 March, so that the leap day is a year's last. */
    const uint64_t shifted = (uint64_t)(days + 719468);
    const uint64_t era = shifted / 146097;
    const unsigned of_era = (unsigned)(shifted - era * 146097);
    const unsigned year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    const unsigned of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const unsigned shifted_month = (5 * of_year + 2) / 153;

    *day = of_year - (153 * shifted_month + 2) / 5 + 1;
    *month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
    *year = (unsigned)(era * 400) + year_of_era + (*month <= 2);
}

static int64_t days_from_civil(unsigned year, unsigned month, unsigned day)
{
    const int64_t y = (int64_t)year - (month <= 2);
    const int64_t era = y / 400;
    const unsigned year_of_era = (unsigned)(y - era * 400);
    const unsigned of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    const unsigned of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;

    return era * 146097 + (int64_t)of_era - 719468;
}

/* Sets all but the milliseconds. */
static void put_second(char *out, uint64_t second)
{
    const unsigned of_day = (unsigned)(second % SECONDS_PER_DAY);
    unsigned year, month, day;

    civil_from_days((int64_t)(second / SECONDS_PER_DAY), &year, &month, &day);
    decimal_pair(out, year / 100);
    decimal_pair(out + 2, year % 100);
    decimal_pair(out + 5, month);
    decimal_pair(out + 8, day);
    decimal_pair(out + 11, of_day / 3600);
    decimal_pair(out + 14, of_day / 60 % 60);
    decimal_pair(out + 17, of_day % 60);
}

void clock_iso8601(char out[CLOCK_ISO8601_SIZE], uint64_t unix_ns)
{
    /* Of the second that this thread wrote last: lines come many a second. */
    static _Thread_local struct {
        uint64_t second;
        char text[CLOCK_ISO8601_SIZE];
    } last = {0, "1970-01-01T00:00:00.000Z"};
    uint64_t second = unix_ns / CLOCK_NS_PER_S;
    unsigned ms = (unsigned)(unix_ns % CLOCK_NS_PER_S / CLOCK_NS_PER_MS);

    if (second > LAST_SECOND) {
        second = LAST_SECOND;
        ms = 999;
    }
    if (second != last.second) {
        put_second(last.text, second);
        last.second = second;
    }
    memcpy(out, last.text, CLOCK_ISO8601_SIZE);
    out[20] = (char)('0' + ms / 100);
    decimal_pair(out + 21, ms % 100);
}

/* Reads `digits` digits at *text and steps over them. Returns -1 at anything else. */
static int take_digits(const char **text, size_t digits)
{
    int value = 0;

    for (; digits > 0; digits--, (*text)++) {
        if (**text < '0' || **text > '9')
            return -1;
        value = value * 10 + (**text - '0');
    }
    return value;
}

static int parse_iso8601(const char *text, uint64_t *unix_ns)
{
    /* Each field's digits and the character that ends it. */
    static const struct {
        unsigned char digits;
        char end;
        int min, max;
    } fields[] = {{4, '-', 1970, 9999}, {2, '-', 1, 12}, {2, 'T', 1, 31}, {2, ':', 0, 23},
                  {2, ':', 0, 59},      {2, '.', 0, 59}, {3, 'Z', 0, 999}};
    int values[7];
    unsigned year, month, day;
    uint64_t days, seconds;

    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        values[i] = take_digits(&text, fields[i].digits);
        if (values[i] < fields[i].min || values[i] > fields[i].max || *text++ != fields[i].end)
            return -1;
    }
    days = (uint64_t)days_from_civil((unsigned)values[0], (unsigned)values[1], (unsigned)values[2]);
    /* 30 February is a day of March. */
    civil_from_days((int64_t)days, &year, &month, &day);
    if (day != (unsigned)values[2])
        return -1;
    seconds = days * SECONDS_PER_DAY + (uint64_t)values[3] * 3600 + (uint64_t)values[4] * 60 +
              (uint64_t)values[5];
    if (seconds >= UINT64_MAX / CLOCK_NS_PER_S)
        return -1;
    *unix_ns = seconds * CLOCK_NS_PER_S + (uint64_t)values[6] * CLOCK_NS_PER_MS;
    return 0;
}

int clock_parse_iso8601(const char *text, size_t len, uint64_t *unix_ns)
{
    /* Of the second that this thread read last, and what comes after its digits: see above. */
    static _Thread_local struct {
        char text[sizeof("1970-01-01T00:00:00.") - 1];
        uint64_t unix_ns;
    } last;
    const char *at = text + sizeof(last.text);
    int ms;

    if (len != CLOCK_ISO8601_SIZE - 1)
        return -1;
    if (memcmp(text, last.text, sizeof(last.text)) != 0) {
        if (parse_iso8601(text, unix_ns) != 0)
            return -1;
        memcpy(last.text, text, sizeof(last.text));
        last.unix_ns = *unix_ns - *unix_ns % CLOCK_NS_PER_S;
        return 0;
    }
    ms = take_digits(&at, 3);
    if (ms < 0 || *at != 'Z')
        return -1;
    *unix_ns = last.unix_ns + (uint64_t)ms * CLOCK_NS_PER_MS;
    return 0;
}
