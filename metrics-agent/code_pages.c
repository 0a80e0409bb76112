#include "metrics-agent/code_pages.h"

#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* Code that the linker has written into (DT_TEXTREL) is not what the file says. */
static bool is_written_into(const struct dl_phdr_info *info)
{
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *const header = &info->dlpi_phdr[i];

        if (header->p_type != PT_DYNAMIC)
            continue;
        for (const ElfW(Dyn) *d = (const void *)(info->dlpi_addr + header->p_vaddr);
             d->d_tag != DT_NULL; d++) {
            if (d->d_tag == DT_TEXTREL || (d->d_tag == DT_FLAGS && (d->d_un.d_val & DF_TEXTREL)))
                return true;
        }
    }
    return false;
}

static int rest(struct dl_phdr_info *info, size_t size, void *context)
{
    const uintptr_t page = *(const uintptr_t *)context;

    (void)size;
    if (is_written_into(info))
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *const header = &info->dlpi_phdr[i];
        const uintptr_t begin = (info->dlpi_addr + header->p_vaddr + page - 1) & ~(page - 1);
        const uintptr_t end = (info->dlpi_addr + header->p_vaddr + header->p_filesz) & ~(page - 1);

        if (header->p_type == PT_LOAD && (header->p_flags & PF_W) == 0 && begin < end)
            /* Where that is not possible they stay. */
            (void)madvise((void *)begin, end - begin, MADV_DONTNEED);
    }
    return 0;
}

void code_pages_rest(void)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

    (void)dl_iterate_phdr(rest, &page);
}
