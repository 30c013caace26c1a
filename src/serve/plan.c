#include "serve/plan.h"

#include "sim/text.h"

/* Where a stop string begins in text, looking at what the newest token may have completed; SIZE_MAX
 * when none. */
static size_t find_stop(const struct ask *a, struct slice text, size_t newest_bytes)
{
    size_t first = SIZE_MAX;
    for (size_t i = 0; i < a->stop_count; i++) {
        struct slice stop = ask_stop(a, i);
        size_t back = newest_bytes + stop.n - 1;
        size_t from = text.n > back ? text.n - back : 0;
        const char *at = slice_find(slice_make(text.p + from, text.n - from), stop);
        if (at && (size_t)(at - text.p) < first)
            first = (size_t)(at - text.p);
    }
    return first;
}

static void cut_at_stop(const struct ask *a, struct plan *p)
{
    struct rng words = p->words;
    struct buf text = {0};
    int64_t spoken = p->output_tokens - p->ends_silently;
    for (int64_t i = 0; i < spoken; i++) {
        struct slice w = text_word(&words);
        buf_put(&text, w);
        size_t at = i + 1 >= a->min_tokens ? find_stop(a, buf_slice(&text), w.n) : SIZE_MAX;
        if (at == SIZE_MAX)
            continue;
        p->output_tokens = i + 1;
        p->finish = FINISH_STOP;
        p->ends_silently = false;
        p->text_bytes = at;
        break;
    }
    buf_release(&text);
}

struct plan plan_answer(const struct ask *a, uint64_t seed, uint64_t number, int64_t limit)
{
    uint64_t index = text_hash(a->prompt_hash, &a->seed, sizeof a->seed);
    if (!a->repeatable)
        index = text_hash(index, &number, sizeof number);
    struct plan p = {.output_tokens = limit,
                     .finish = FINISH_LENGTH,
                     .text_bytes = UINT64_MAX,
                     .words = rng_at(seed, RNG_SIM_TEXT, index)};
    int64_t natural = text_natural_tokens(&p.words);
    if (natural < a->min_tokens)
        natural = a->min_tokens;
    if (!a->ignore_eos && natural <= limit) {
        p.output_tokens = natural;
        p.finish = FINISH_STOP;
        p.ends_silently = true;
    }
    if (a->stop_count)
        cut_at_stop(a, &p);
    return p;
}

void plan_ids(const struct plan *p, int vocabulary, struct buf *out)
{
    struct rng words = p->words;
    for (int64_t i = p->ends_silently; i < p->output_tokens; i++) {
        uint32_t id = text_token(text_word(&words), vocabulary);
        buf_append(out, &id, sizeof id);
    }
}
