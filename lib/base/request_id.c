#include "lib/base/request_id.h"

#include "lib/base/ids.h"

#include <string.h>

bool request_id_is_valid(const char *text)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "._:/+=@-";
    size_t length;

    if (text == NULL)
        return false;
    length = strspn(text, allowed);
    return length >= 1 && length <= REQUEST_ID_MAX && text[length] == '\0';
}

void request_id_choose(char out[REQUEST_ID_MAX + 1], const char *own)
{
    if (request_id_is_valid(own))
        memcpy(out, own, strlen(own) + 1);
    else
        ids_new_uuid4(out);
}
