#include "cli/network_fs.h"

#include <linux/magic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/vfs.h>

const char *network_fs_name(const struct statfs *system)
{
    static const struct {
        uint32_t type;
        const char *name;
    } known[] = {
        {NFS_SUPER_MAGIC, "NFS"},     {SMB_SUPER_MAGIC, "SMB"}, {SMB2_SUPER_MAGIC, "SMB"},
        {CIFS_SUPER_MAGIC, "CIFS"},   {AFS_SUPER_MAGIC, "AFS"}, {AFS_FS_MAGIC, "AFS"},
        {CEPH_SUPER_MAGIC, "Ceph"},   {V9FS_MAGIC, "9p"},       {CODA_SUPER_MAGIC, "Coda"},
        {OCFS2_SUPER_MAGIC, "OCFS2"},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (known[i].type == (uint32_t)system->f_type)
            return known[i].name;
    }
    return NULL;
}
