/*
 * Any settings file: each setting has a name that is one and a value inside of the text, in the
 * order of its lines, and nothing is read or written beyond the end.
 */
#include "lib/base/config_lines.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

const struct fuzz_seed fuzz_seeds[] = {
    FUZZ_SEED("# comment\n; another\n\nMICROTRACE_RUN_DIR=/run/microtrace\nLOG_LEVEL = INFO \r\n"),
    FUZZ_SEED("a=\"b \\\" \\$ \\x \\\n c\" 'd\\' e\\ f\\\ng\n"),
    FUZZ_SEED("a='\n'\nb=\"\n"),
    FUZZ_SEED("a=b\0c\nd\0e=f\nexport g=h\n=i\nj\nk=\\"),
    {NULL, 0},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *const text = malloc(size + 1);
    struct config_lines lines = {text, text + size, 1};
    struct config_line line;
    const char *before = text;
    unsigned number = 1;

    assert(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = 'x';
    while (config_lines_next(&lines, &line)) {
        assert(line.number >= number && lines.line >= line.number);
        number = line.number;
        assert((line.problem == NULL) == (line.name != NULL && line.value != NULL));
        if (line.problem != NULL)
            continue;
        assert(line.name >= before && line.value > line.name);
        assert(line.name[0] != '\0' && strpbrk(line.name, "= \t\r\n") == NULL);
        before = line.value + strlen(line.value);
        assert(before <= text + size && before <= lines.at);
    }
    assert(lines.at == lines.end);
    free(text);
    return 0;
}
