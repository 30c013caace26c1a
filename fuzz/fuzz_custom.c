#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "workload/custom.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int chat = 0; chat < 2; chat++) {
        struct items t = {0};
        struct err e = {0};
        int rc = custom_parse(slice_make((const char *)data, size), "f", chat, &t, &e);
        if (rc == OK ? t.n == 0 : e.text[0] == '\0')
            abort(); /* success has items, failure a sentence */
        for (size_t i = 0; rc == OK && i < t.n; i++) {
            const struct item *v = &t.v[i];
            if (v->text.n == 0 || v->input_tokens < 1 || v->output_tokens < 0)
                abort();
            if (v->nonce_at != ITEM_NO_NONCE && v->nonce_at > v->text.n)
                abort();
            if (t.at_ns && (t.at_ns[i] < 0 || (i > 0 && t.at_ns[i] < t.at_ns[i - 1])))
                abort();
        }
        items_release(&t);
    }
    return 0;
}
