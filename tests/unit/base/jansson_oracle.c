#include "jansson_oracle.h"

#include <jansson.h>

enum { FLAGS = JSON_DECODE_ANY | JSON_ALLOW_NUL };

enum verdict jansson_says(struct slice text)
{
    json_error_t error;
    json_t *root = json_loadb(text.p, text.n, FLAGS, &error);
    json_decref(root);
    if (root)
        return ACCEPTED;
    switch (json_error_code(&error)) {
    case json_error_invalid_utf8:
    case json_error_numeric_overflow:
    case json_error_null_byte_in_key:
        return MAY_DIFFER;
    default:
        break;
    }
    /* A lone surrogate has no code of its own, only these words. */
    return strstr(error.text, "invalid Unicode") ? MAY_DIFFER : REFUSED;
}

bool jansson_text(struct slice text, struct buf *out)
{
    json_t *root = json_loadb(text.p, text.n, FLAGS, NULL);
    bool is_string = json_is_string(root);
    if (is_string)
        buf_append(out, json_string_value(root), json_string_length(root));
    json_decref(root);
    return is_string;
}
