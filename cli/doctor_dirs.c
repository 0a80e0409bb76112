#include "cli/doctor.h"
#include "cli/doctor_checks.h"
#include "cli/doctor_commands.h"
#include "cli/doctor_fix.h"
#include "cli/network_fs.h"
#include "lib/base/instance_file.h"

#include <errno.h>
#include <glob.h>
#include <grp.h>
#include <linux/magic.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { OTHERS = 07, LINE_MAX_BYTES = 1024 };

struct place {
    const char *path, *what;
    const char *setting, *standard; /* what names it, and what it is without */
    uid_t uid; /* whose it is to be; DOCTOR_FIX_ANY and (gid_t)-1 outside the packages' instance */
    gid_t gid;
};

/* "owner:group" of the packages. */
#define OWNER "microtrace:microtrace"

static struct doctor_text make_command(const struct place *place)
{
    return doctor_format("install -d -m 2770 %s%s",
                         place->uid != DOCTOR_FIX_ANY ? "-o microtrace -g microtrace " : "",
                         doctor_quote(place->path).text);
}

/* Says what was done, or what is wrong and why it was not mended. */
static void say(struct doctor *doctor, const char *wrong, const char *mend, int result,
                const char *done, const char *path)
{
    const int error = errno;

    if (result == 0)
        doctor_fixed(doctor, "%s %s", path, done);
    else if (doctor->fix)
        doctor_wrong(doctor, mend, "%s; it can't be mended from here: %s", wrong,
                     error == ELOOP ? "a symbolic link leads there" : strerror(error));
    else
        doctor_wrong(doctor, mend, "%s", wrong);
}

static void make(struct doctor *doctor, const struct place *place)
{
    const int result = doctor->fix ? doctor_fix_make(place->path, place->uid, place->gid) : -1;

    say(doctor, doctor_format("the %s %.500s does not exist", place->what, place->path).text,
        make_command(place).text, result, "was made, with mode 2770", place->path);
}

static void set(struct doctor *doctor, const struct place *place, const char *wrong,
                const char *command)
{
    int result;

    /* The packages' own is ours, whatever somebody has put there. */
    if (strcmp(place->path, place->standard) != 0 && doctor_fix_is_shared(place->path)) {
        doctor_wrong(doctor, doctor_commands_set(place->setting, place->standard).text,
                     "the %s %.500s is not MicroTrace's alone; its mode and owner stay as they "
                     "are, and the instance belongs into a directory of its own",
                     place->what, place->path);
        return;
    }
    result = doctor->fix ? doctor_fix_set(place->path, place->uid, place->gid) : -1;

    say(doctor, wrong, doctor_format("%s %s", command, doctor_quote(place->path).text).text, result,
        place->uid != DOCTOR_FIX_ANY ? "has mode 2770 and owner " OWNER " now"
                                     : "has mode 2770 now",
        place->path);
}

/* 2770, or its owner's alone; what the group may write is to be the group's. */
static bool is_mode_right(mode_t mode, bool standard)
{
    if (standard)
        return (mode & 07777) == INSTANCE_DIR_MODE;
    return (mode & OTHERS) == 0 && (mode & S_IRWXU) == S_IRWXU &&
           ((mode & S_IRWXG) == 0 || (mode & (S_ISGID | S_IRWXG)) == (S_ISGID | S_IRWXG));
}

/* Others may put files there that the sticky bit does not keep from them. */
static void check_mode(struct doctor *doctor, const struct place *place, const struct stat *status)
{
    const bool open = (status->st_mode & (S_IWOTH | S_ISVTX)) == S_IWOTH;

    if (open || !is_mode_right(status->st_mode, doctor->standard))
        set(doctor, place,
            doctor_format("the %s %.500s has mode %04o, not 2770%s", place->what, place->path,
                          status->st_mode & 07777,
                          open ? ": everybody may write to this directory" : "")
                .text,
            "chmod 2770");
}

static void check_owner(struct doctor *doctor, const struct place *place, const struct stat *status)
{
    if (place->uid == DOCTOR_FIX_ANY ||
        (status->st_uid == place->uid && status->st_gid == place->gid))
        return;
    set(doctor, place,
        doctor_format("the %s %.500s belongs to user %u and group %u, not to " OWNER, place->what,
                      place->path, (unsigned)status->st_uid, (unsigned)status->st_gid)
            .text,
        "chown " OWNER);
}

static void check_file_system(struct doctor *doctor, const struct place *place, bool run)
{
    const char *network;
    struct statvfs disk;
    struct statfs system;

    if (statvfs(place->path, &disk) == 0 && (disk.f_flag & ST_RDONLY) != 0)
        doctor_wrong(doctor,
                     doctor_format("mount -o remount,rw \"$(findmnt -no TARGET -T %s)\"",
                                   doctor_quote(place->path).text)
                         .text,
                     "the %s %.500s is on a file system that is mounted read-only", place->what,
                     place->path);
    if (statfs(place->path, &system) != 0)
        return;
    network = network_fs_name(&system);
    if (network != NULL)
        doctor_note(doctor,
                    "the %s %.500s is on a network's file system (%s), where locks and shared "
                    "memory may fail; take a local one",
                    place->what, place->path, network);
    else if (run && doctor->standard && system.f_type != TMPFS_MAGIC &&
             system.f_type != RAMFS_MAGIC)
        doctor_note(doctor, "the run directory %.500s is on no tmpfs, so requests write to a disk",
                    place->path);
    else if (!run && doctor->standard && system.f_type == TMPFS_MAGIC)
        doctor_note(doctor, "the spool directory %.500s is on a tmpfs: a reboot takes what waits",
                    place->path);
}

static void check_place(struct doctor *doctor, const struct place *place, bool run)
{
    struct stat status;

    if (stat(place->path, &status) != 0) {
        if (errno == ENOENT)
            make(doctor, place);
        else if (errno == EACCES)
            doctor_note(doctor, "this user can't see the %s %.500s", place->what, place->path);
        else
            doctor_wrong(doctor, doctor_format("ls -ld %s", doctor_quote(place->path).text).text,
                         "the %s %.500s can't be used: %s", place->what, place->path,
                         strerror(errno));
        return;
    }
    if (!S_ISDIR(status.st_mode)) {
        doctor_wrong(doctor,
                     doctor_format("mv %s %s.old && %s", doctor_quote(place->path).text,
                                   doctor_quote(place->path).text, make_command(place).text)
                         .text,
                     "the %s %.500s is no directory", place->what, place->path);
        return;
    }
    check_owner(doctor, place, &status);
    /* --fix has set both. */
    if (!doctor->fix || stat(place->path, &status) == 0)
        check_mode(doctor, place, &status);
    check_file_system(doctor, place, run);
}

static bool names(const char *file, const char *path)
{
    char line[LINE_MAX_BYTES];
    FILE *const stream = fopen(file, "re");
    bool found = false;

    while (stream != NULL && !found && fgets(line, sizeof(line), stream) != NULL) {
        const char *const at = line[0] != '#' ? strstr(line, path) : NULL;

        found = at != NULL && strchr(" \t\n", at[strlen(path)]) != NULL;
    }
    if (stream != NULL)
        (void)fclose(stream);
    return found;
}

bool doctor_dirs_has_tmpfiles(const char *path)
{
    static const char *const patterns[] = {"/etc/tmpfiles.d/*.conf", "/run/tmpfiles.d/*.conf",
                                           "/usr/lib/tmpfiles.d/*.conf"};
    bool found = false;

    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]) && !found; i++) {
        glob_t files;

        if (glob(patterns[i], 0, NULL, &files) != 0)
            continue;
        for (size_t k = 0; k < files.gl_pathc && !found; k++)
            found = names(files.gl_pathv[k], path);
        globfree(&files);
    }
    return found;
}

/* /run is empty after a boot. */
static void check_tmpfiles(struct doctor *doctor)
{
    if (!doctor_dirs_has_tmpfiles(TELEMETRY_RUN_DIR))
        doctor_wrong(doctor,
                     "echo 'd " TELEMETRY_RUN_DIR " 2770 microtrace microtrace' "
                     ">/etc/tmpfiles.d/microtrace.conf",
                     "nothing makes the run directory " TELEMETRY_RUN_DIR " after a reboot: no "
                     "file of tmpfiles.d names it");
}

void doctor_dirs_check(struct doctor *doctor)
{
    const struct passwd *const user = doctor->standard ? getpwnam("microtrace") : NULL;
    const struct group *const group = doctor->standard ? getgrnam("microtrace") : NULL;
    struct place place = {.path = doctor->run_dir,
                          .what = "run directory",
                          .setting = "MICROTRACE_RUN_DIR",
                          .standard = TELEMETRY_RUN_DIR,
                          .uid = user != NULL && group != NULL ? user->pw_uid : DOCTOR_FIX_ANY,
                          .gid = user != NULL && group != NULL ? group->gr_gid : (gid_t)-1};

    check_place(doctor, &place, true);
    place.path = doctor->spool_dir;
    place.what = "spool directory";
    place.setting = "MICROTRACE_SPOOL_DIR";
    place.standard = TELEMETRY_SPOOL_DIR;
    check_place(doctor, &place, false);
    if (doctor->standard)
        check_tmpfiles(doctor);
}
