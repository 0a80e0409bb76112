#include "cli/doctor.h"
#include "cli/doctor_checks.h"
#include "lib/base/clock.h"
#include "lib/metrics/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <unistd.h>

enum {
    FUTURE_S = 60, /* what clocks of a network's file system may differ by */
    FILES_MAX = 65536,
};

/* A clock that was set back leaves files of the future. One is enough to say. */
static void check_files(struct doctor *doctor, const char *dir)
{
    const uint64_t now_ns = clock_unix_ns();
    DIR *const entries = opendir(dir);
    const struct dirent *entry;
    int left = FILES_MAX;

    while (entries != NULL && left-- > 0 && (entry = readdir(entries)) != NULL) {
        struct stat status;
        uint64_t at_ns;

        if (fstatat(dirfd(entries), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISREG(status.st_mode) || status.st_mtim.tv_sec < 0)
            continue;
        at_ns = clock_timespec_ns(&status.st_mtim);
        if (at_ns < now_ns + (uint64_t)FUTURE_S * CLOCK_NS_PER_S)
            continue;
        doctor_wrong(
            doctor,
            doctor_format("touch %s",
                          doctor_quote(doctor_format("%s/%s", dir, entry->d_name).text).text)
                .text,
            "%.300s/%s is from the future, by %llu s: the clock was set back, and ages "
            "and rates are wrong until it gets there",
            dir, entry->d_name, (unsigned long long)((at_ns - now_ns) / CLOCK_NS_PER_S));
        break;
    }
    if (entries != NULL)
        (void)closedir(entries);
}

static void check_records(struct doctor *doctor)
{
    const uint64_t now_ns = clock_unix_ns();

    for (int i = 0; i < SPOOL_SIGNALS; i++) {
        const struct spool_view_signal *const seen = &doctor->report.view.signals[i];

        if (seen->oldest_ns > now_ns + (uint64_t)FUTURE_S * CLOCK_NS_PER_S)
            doctor_wrong(doctor, "timedatectl set-ntp true; date",
                         "%s: all records that wait are from the future, the oldest by %llu s: the "
                         "clock was set back, or their program's is wrong",
                         spool_signal_names[i],
                         (unsigned long long)((seen->oldest_ns - now_ns) / CLOCK_NS_PER_S));
    }
}

void doctor_clock_check(struct doctor *doctor)
{
    struct timex clock = {.modes = 0};

    /* Some virtual machines have their host's time and nothing that says so. */
    if (adjtimex(&clock) == TIME_ERROR || (clock.status & STA_UNSYNC) != 0)
        doctor_note(doctor,
                    "the clock is synchronised by nobody that the kernel knows of; spans of "
                    "several machines may not fit together: timedatectl set-ntp true");
    check_files(doctor, doctor->run_dir);
    check_files(doctor, doctor->spool_dir);
    check_records(doctor);
}
