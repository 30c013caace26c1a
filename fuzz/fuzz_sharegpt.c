#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "workload/sharegpt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sharegpt_spec spec = {.name = "f", .seed = size, .shuffle = size & 1, .wanted = 8};
    spec.output_len = size & 2 ? 16 : 0;
    struct items t = {0};
    struct err e = {0};
    int rc = sharegpt_parse(slice_make((const char *)data, size), &spec, NULL, &t, &e);
    if (rc == OK ? t.n == 0 || t.n > spec.wanted : e.text[0] == '\0')
        abort(); /* success has items, failure a sentence */
    for (size_t i = 0; rc == OK && i < t.n; i++)
        if (t.v[i].input_tokens < 4 || t.v[i].input_tokens + t.v[i].output_tokens > 2048)
            abort();
    items_release(&t);
    return 0;
}
