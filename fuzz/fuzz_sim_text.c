/* The tokeniser on any bytes: pieces cover the text, and a text cut before a blank that begins a
 * word has as many tokens as its parts. */

#include <stdlib.h>

#include "sim/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice whole = slice_make((const char *)data, size), rest = whole;
    int64_t pieces = 0;
    for (; rest.n > 0; pieces++) {
        size_t n = text_piece(rest);
        if (n == 0 || n > rest.n || n > TEXT_PIECE_LETTERS + 1)
            abort();
        if (text_token(slice_make(rest.p, n), 32000) >= 32000 - TEXT_SPECIAL_TOKENS)
            abort();
        rest = slice_make(rest.p + n, rest.n - n);
    }
    if (text_count(whole) != pieces)
        abort();
    for (size_t i = 0; i + 1 < size; i++)
        if (data[i] == ' ' && is_letter((char)data[i + 1])) {
            int64_t parts =
                text_count(slice_make(whole.p, i)) + text_count(slice_make(whole.p + i, size - i));
            if (parts != pieces)
                abort();
            break;
        }
    return 0;
}
