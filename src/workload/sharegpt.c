#include "workload/sharegpt.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"

/* vLLM's bounds, in tokens. */
enum { MIN_TOKENS = 4, PROMPT_MAX_TOKENS = 1024, TOTAL_MAX_TOKENS = 2048 };

/* A conversation of two turns or more: views into the file. */
struct candidate {
    struct slice prompt, output; /* raw, between their quotes */
    uint64_t source;
};

struct candidates {
    struct candidate *v;
    size_t n, cap;
    uint64_t seen;
};

static void add_candidate(struct candidates *c, struct slice turns[2])
{
    enum { FIRST_CANDIDATES = 1024 };
    if (c->n == c->cap) {
        c->cap = c->cap ? 2 * c->cap : FIRST_CANDIDATES;
        c->v = mem_resize(c->v, c->cap * sizeof *c->v);
    }
    c->v[c->n++] = (struct candidate){turns[0], turns[1], c->seen};
}

/* The "value" of the turn ahead; false when it has none. */
static bool turn_value(struct json *j, struct slice *value)
{
    struct slice key;
    bool found = false;
    if (json_peek(j) != JSON_OBJECT) {
        json_skip(j);
        return false;
    }
    for (json_enter_object(j); json_next_key(j, &key);) {
        if (slice_is(key, "value") && json_peek(j) == JSON_STRING)
            found = json_string(j, value);
        else
            json_skip(j);
    }
    return found;
}

/* The first two turns of the conversation ahead; false when it has fewer, or no text in them. */
static bool first_turns(struct json *j, struct slice turns[2])
{
    size_t n = 0, good = 0;
    if (json_peek(j) != JSON_ARRAY) {
        json_skip(j);
        return false;
    }
    for (json_enter_array(j); json_next_item(j); n++) {
        if (n < 2)
            good += turn_value(j, &turns[n]);
        else
            json_skip(j);
    }
    return good == 2;
}

static void scan_entry(struct json *j, struct candidates *c)
{
    struct slice key, turns[2];
    bool found = false;
    if (json_peek(j) != JSON_OBJECT) {
        json_skip(j);
    } else {
        for (json_enter_object(j); json_next_key(j, &key);) {
            if (slice_is(key, "conversations"))
                found = first_turns(j, turns);
            else
                json_skip(j);
        }
    }
    if (found && !j->failed)
        add_candidate(c, turns);
    c->seen++;
}

static size_t line_of(struct slice text, size_t offset)
{
    size_t line = 1;
    const char *p = text.p, *end = text.p + offset;
    while (p < end && (p = memchr(p, '\n', (size_t)(end - p)))) {
        line++;
        p++;
    }
    return line;
}

static int scan(struct slice text, const char *name, struct candidates *c, struct err *e)
{
    struct json j = json_of(text);
    enum json_type type = json_peek(&j);
    size_t bad;
    if (type == JSON_ARRAY && !json_is_utf8(text, &bad))
        return err_set(e, ERR_INPUT,
                       "%s:%zu: byte %zu is not UTF-8 text (convert the file, see iconv)", name,
                       line_of(text, bad), bad);
    if (type == JSON_OBJECT)
        return err_set(
            e, ERR_INPUT,
            "%s: starts with an object where ShareGPT is one JSON array of conversations "
            "(for one object a line use --dataset-name custom)",
            name);
    if (type != JSON_ARRAY)
        return err_set(
            e, ERR_INPUT,
            "%s: not JSON; ShareGPT is one JSON array of {\"conversations\": [{\"value\": "
            "\"…\"}, …]} (is it compressed, or another kind of file?)",
            name);
    for (json_enter_array(&j); json_next_item(&j);)
        scan_entry(&j, c);
    if (json_end(&j) < 0)
        return err_set(e, ERR_INPUT,
                       "%s:%zu: broken JSON at byte %zu, after %" PRIu64 " whole conversations (is "
                       "the download complete?)",
                       name, line_of(text, json_offset(&j)), json_offset(&j),
                       c->seen > 0 ? c->seen - 1 : 0);
    if (c->seen == 0)
        return err_set(e, ERR_INPUT, "%s is empty: a dataset needs at least one item", name);
    if (c->n == 0)
        return err_set(e, ERR_INPUT,
                       "%s: none of its %" PRIu64 " entr%s has \"conversations\" with two turns of "
                       "text; is this a ShareGPT file?",
                       name, c->seen, c->seen == 1 ? "y" : "ies");
    return OK;
}

static int count_tokens(const struct token_counter *counter, struct slice text, int64_t *tokens,
                        struct err *e)
{
    if (counter)
        return counter->count(counter->context, text, tokens, e);
    *tokens = items_estimate_tokens(text.n);
    return OK;
}

struct scratch {
    struct buf prompt, output;
};

static bool valid_lengths(int64_t prompt, int64_t output, bool output_given)
{
    return prompt >= MIN_TOKENS && (output_given || output >= MIN_TOKENS) &&
           prompt <= PROMPT_MAX_TOKENS && output <= TOTAL_MAX_TOKENS - prompt;
}

/* Counts one conversation and keeps it where the rules allow. */
static int consider(const struct candidate *c, const struct sharegpt_spec *spec,
                    const struct token_counter *counter, struct scratch *s, struct items *out,
                    struct err *e)
{
    int64_t prompt_tokens = 0, output_tokens = spec->output_len;
    bool given = output_tokens > 0;
    buf_clear(&s->prompt);
    buf_clear(&s->output);
    json_unescape(c->prompt, &s->prompt);
    int rc = count_tokens(counter, buf_slice(&s->prompt), &prompt_tokens, e);
    if (rc == OK && !given && prompt_tokens >= MIN_TOKENS && prompt_tokens <= PROMPT_MAX_TOKENS) {
        json_unescape(c->output, &s->output);
        rc = count_tokens(counter, buf_slice(&s->output), &output_tokens, e);
    }
    if (rc < 0) {
        err_prefix(e, "while counting the tokens of conversation %" PRIu64 " of %s: ", c->source,
                   spec->name);
        return rc;
    }
    if (!valid_lengths(prompt_tokens, output_tokens, given)) {
        out->skipped++;
        return OK;
    }
    struct item *i = items_add(out);
    i->kind = PROMPT_TEXT;
    i->text = arena_copy(&out->arena, buf_slice(&s->prompt));
    i->input_tokens = prompt_tokens;
    i->output_tokens = output_tokens;
    i->source = c->source;
    return OK;
}

/* Shuffles as it goes: the next one is any of those not yet taken. */
static int keep_wanted(struct candidates *c, const struct sharegpt_spec *spec,
                       const struct token_counter *counter, struct items *out, struct err *e)
{
    struct rng r = rng_at(spec->seed, RNG_SHUFFLE, 0);
    struct scratch s = {0};
    int rc = OK;
    for (size_t i = 0; i < c->n && out->n < spec->wanted && rc == OK; i++) {
        size_t pick = i + (spec->shuffle ? rng_below(&r, c->n - i) : 0);
        struct candidate taken = c->v[pick];
        c->v[pick] = c->v[i];
        c->v[i] = taken;
        rc = consider(&taken, spec, counter, &s, out, e);
    }
    buf_release(&s.prompt);
    buf_release(&s.output);
    return rc;
}

int sharegpt_parse(struct slice text, const struct sharegpt_spec *spec,
                   const struct token_counter *counter, struct items *out, struct err *e)
{
    struct candidates c = {0};
    int rc = scan(text, spec->name, &c, e);
    if (rc == OK) {
        out->skipped = c.seen - c.n;
        out->estimated = !counter;
        rc = keep_wanted(&c, spec, counter, out, e);
    }
    if (rc == OK && out->n == 0)
        rc = err_set(e, ERR_INPUT,
                     "%s: none of its %zu conversations is left by the filter: prompts of %d to %d "
                     "tokens and at most %d with the answer (%s)",
                     spec->name, c.n, MIN_TOKENS, PROMPT_MAX_TOKENS, TOTAL_MAX_TOKENS,
                     spec->output_len > 0 ? "ask for shorter outputs"
                                          : "use --dataset-name custom for other lengths");
    free(c.v);
    return rc;
}
