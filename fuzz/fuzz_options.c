/* Command lines: the input's words are parted by NUL. */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/run_plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_WORDS = 64, MAX_BYTES = 4096 };

static void check(const struct run_options *o)
{
    struct run_plan plan;
    struct err e = {0};
    if (run_plan_make(o, &plan, &e) == OK) {
        run_plan_note_api(&plan);
        run_plan_add_context(&plan, "k", "v");
        if (!plan.protocol || !plan.path || !plan.context_json || !plan.workload_json)
            abort();
        if (plan.load.mode == LOAD_CLOSED && plan.load.max_concurrency <= 0)
            abort();
        if (plan.load.mode == LOAD_OFFLINE && plan.load.num_prompts == 0)
            abort();
        run_plan_release(&plan);
    } else if (e.code != ERR_USAGE && e.code != ERR_INPUT) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[MAX_BYTES + 1], *argv[MAX_WORDS];
    struct run_options o;
    struct operands operands = {0};
    struct err e = {0};
    int argc = 0;
    if (size > MAX_BYTES)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    for (size_t at = 0; at <= size && argc < MAX_WORDS; at += strlen(text + at) + 1)
        argv[argc++] = text + at;
    run_options_defaults(&o);
    free(options_command_line(&RUN_OPTIONS, argc, argv));
    int rc = options_parse(&RUN_OPTIONS, argc, argv, &o, &operands, &e);
    if (rc == OK)
        check(&o);
    else if (rc != ERR_USAGE || e.text[0] == '\0')
        abort();
    free((char *)o.api_key);
    for (size_t i = 0; i < o.headers.n; i++)
        free((char *)o.headers.items[i]);
    return 0;
}
