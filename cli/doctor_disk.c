#include "cli/doctor.h"
#include "cli/doctor_checks.h"
#include "cli/doctor_commands.h"

#include <stdio.h>
#include <sys/statvfs.h>

enum {
    INODES_PERCENT_MIN = 2,
    SHARE = 10, /* of what a spool may have, a tenth is left to others in a proposal */
};

static uint64_t spool_bytes(const struct doctor *doctor)
{
    uint64_t bytes = 0;

    for (int i = 0; i < SPOOL_SIGNALS; i++) {
        const struct spool_view_signal *const seen = &doctor->report.view.signals[i];

        bytes += seen->bytes - seen->memory_bytes;
    }
    return bytes;
}

/* That it is full, `microtrace spool status` says too. */
void doctor_disk_check(struct doctor *doctor)
{
    const uint64_t max = doctor->settings.spool_max_bytes;
    struct statvfs disk;
    uint64_t room;

    if (statvfs(doctor->spool_dir, &disk) != 0)
        return;
    if (disk.f_files > 0 && disk.f_favail < disk.f_files / 100 * INODES_PERCENT_MIN)
        doctor_wrong(doctor,
                     doctor_format("du --inodes -xd 3 \"$(findmnt -no TARGET -T %s)\" | sort -n | "
                                   "tail",
                                   doctor_quote(doctor->spool_dir).text)
                         .text,
                     "the file system of %.300s has %llu inodes left: writers are about to lose "
                     "records",
                     doctor->spool_dir, (unsigned long long)disk.f_favail);
    room = (uint64_t)disk.f_bavail * disk.f_frsize + spool_bytes(doctor);
    if (disk.f_blocks > 0 && room < max)
        doctor_wrong(
            doctor,
            doctor_commands_set(
                "MICROTRACE_SPOOL_MAX_BYTES",
                doctor_format("%lluM", (unsigned long long)(room - room / SHARE) >> 20).text)
                .text,
            "the spool may grow to %llu MiB (MICROTRACE_SPOOL_MAX_BYTES), and the file "
            "system of %.300s has %llu MiB for it",
            (unsigned long long)max >> 20, doctor->spool_dir, (unsigned long long)room >> 20);
}
