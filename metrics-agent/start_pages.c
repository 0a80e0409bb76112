#include "metrics-agent/start_pages.h"

#include <link.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

static int release(struct dl_phdr_info *object, size_t size, void *page)
{
    const uintptr_t mask = ~((uintptr_t) * (long *)page - 1);

    (void)size;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];
        const uintptr_t start = (uintptr_t)object->dlpi_addr + part->p_vaddr;
        const uintptr_t end = start + part->p_memsz - 1;

        /* Writable parts hold what the file does not: relocations and variables. */
        if (part->p_type != PT_LOAD || (part->p_flags & PF_W) != 0 || part->p_memsz == 0)
            continue;
        /* Nothing depends on it: where the kernel refuses, the pages stay. */
        (void)madvise((void *)(start & mask), (end & mask) - (start & mask) + ~mask + 1,
                      MADV_DONTNEED);
    }
    return 0;
}

void start_pages_release(void)
{
    long page = sysconf(_SC_PAGESIZE);

    if (page > 0)
        (void)dl_iterate_phdr(release, &page);
}
