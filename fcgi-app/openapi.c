#include "fcgi-app/openapi.h"

/* The assembler copies the file in; the Makefile has the object depend on it. */
__asm__(".pushsection .rodata\n"
        "openapi_begin:\n"
        ".incbin \"fcgi-app/openapi.json\"\n"
        "openapi_end:\n"
        ".popsection\n");

/* Hidden: by way of the global offset table both would have one address on arm64, that of the
 * section. */
extern const char openapi_begin[] __attribute__((visibility("hidden"))),
    openapi_end[] __attribute__((visibility("hidden")));

void openapi_write(struct json_writer *w)
{
    json_writer_bytes(w, openapi_begin, (size_t)(openapi_end - openapi_begin));
}
