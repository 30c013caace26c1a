/* Bodies of requests. Whatever is accepted has a prompt that fits what it claims; /tokenize gives
 * as many ids as it counts, each in the vocabulary. */

#include <stdlib.h>
#include <string.h>

#include "serve/ask.h"

enum { VOCABULARY = 1000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_ids(const struct ask *a)
{
    if (a->ids.n != (size_t)a->prompt_tokens * sizeof(uint32_t))
        abort();
    for (size_t at = 0; at < a->ids.n; at += sizeof(uint32_t)) {
        uint32_t id;
        memcpy(&id, a->ids.p + at, sizeof id);
        if (id >= VOCABULARY)
            abort();
    }
}

static void check(const struct ask *a, enum ask_kind kind)
{
    if (!a->has_prompt || a->prompt_tokens < (kind == ASK_TOKENIZE ? 0 : 1) || a->min_tokens < 0)
        abort();
    if (a->max_tokens == 0 || a->max_tokens < -1)
        abort();
    for (size_t i = 0; i < a->stop_count; i++)
        if (ask_stop(a, i).n == 0 || a->stops[i].at + a->stops[i].n > a->texts.n)
            abort();
    if (kind == ASK_TOKENIZE)
        check_ids(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ask a;
    struct ask_fault f;
    if (size == 0)
        return 0;
    enum ask_kind kind = (enum ask_kind)(data[0] % 3);
    struct slice body = slice_make((const char *)data + 1, size - 1);
    int rc = ask_parse(kind, body, VOCABULARY, &a, &f);
    if (rc == OK)
        check(&a, kind);
    else if (f.err.text[0] == '\0')
        abort();
    ask_release(&a);
    return 0;
}
