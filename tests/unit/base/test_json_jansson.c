/* The scanner against jansson: on generated documents and on mutations of them both must take or
 * refuse the same texts. They may differ, and the cases are recognised one by one:
 *   - jansson refuses strings that are not UTF-8, and lone surrogates; the scanner passes bytes on;
 *   - jansson refuses whole numbers beyond 64 bits and reals beyond a double; the grammar has no
 * such bound;
 *   - jansson has no keys with a NUL in them;
 *   - the depth at which each gives up is its own (the generator stays far below both). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/json.h"
#include "base/rng.h"
#include "jansson_oracle.h"

static void put_value(struct rng *r, struct buf *out, int depth);

static void put_blanks(struct rng *r, struct buf *out)
{
    for (uint64_t n = rng_below(r, 8); n < 2; n++)
        buf_putc(out, " \t\r\n"[rng_below(r, 4)]);
}

static void put_text(struct rng *r, struct buf *out, bool key)
{
    static const char *const piece[] = {
        "a",
        "key",
        "\\n",
        "\\\"",
        "\\\\",
        "\\u00e9",
        "\\ud83d\\ude00",
        "\xc3\xa9",
        "\xf0\x9f\x98\x80",
        " ",
        "\\/",
        "quite a long piece of text, past sixteen bytes",
        "\\u0000",
    };
    uint64_t pieces = sizeof piece / sizeof piece[0] - key; /* the last is not for keys */
    buf_putc(out, '"');
    for (uint64_t n = rng_below(r, 6); n > 0; n--)
        buf_puts(out, piece[rng_below(r, pieces)]);
    buf_putc(out, '"');
}

static void put_number(struct rng *r, struct buf *out)
{
    static const char *const number[] = {
        "0",   "-0",       "17",    "-9223372036854775808", "9223372036854775807",
        "1.5", "-0.25e-7", "1E+20", "123456789.125",        "6e0"};
    buf_puts(out, number[rng_below(r, sizeof number / sizeof number[0])]);
}

static void put_members(struct rng *r, struct buf *out, int depth, bool object)
{
    buf_putc(out, object ? '{' : '[');
    put_blanks(r, out);
    for (uint64_t n = rng_below(r, 5), i = 0; i < n; i++) {
        if (i > 0)
            buf_putc(out, ',');
        put_blanks(r, out);
        if (object) {
            put_text(r, out, true);
            put_blanks(r, out);
            buf_putc(out, ':');
        }
        put_value(r, out, depth + 1);
    }
    buf_putc(out, object ? '}' : ']');
}

static void put_value(struct rng *r, struct buf *out, int depth)
{
    static const char *const word[] = {"true", "false", "null"};
    enum { DEEPEST = 12 };
    uint64_t kind = rng_below(r, depth < DEEPEST ? 8 : 4);
    put_blanks(r, out);
    if (kind == 0)
        buf_puts(out, word[rng_below(r, 3)]);
    else if (kind == 1)
        put_number(r, out);
    else if (kind < 4)
        put_text(r, out, false);
    else
        put_members(r, out, depth, kind < 6);
    put_blanks(r, out);
}

static void mutate(struct rng *r, struct buf *b)
{
    static const char interesting[] = "{}[]\",:\\0123456789eE+-.truefalsn \t\n\x01\x1fu/";
    for (uint64_t n = 1 + rng_below(r, 3); n > 0 && b->n > 1; n--) {
        size_t at = (size_t)rng_below(r, b->n);
        switch (rng_below(r, 4)) {
        case 0: /* one byte for another */
            b->p[at] = interesting[rng_below(r, sizeof interesting - 1)];
            break;
        case 1: /* a byte lost */
            memmove(b->p + at, b->p + at + 1, b->n - at - 1);
            b->n--;
            break;
        case 2: /* a byte twice */
            buf_putc(b, 0);
            memmove(b->p + at + 1, b->p + at, b->n - 1 - at);
            break;
        default: /* the end lost */
            b->n = rng_below(r, 4) ? b->n : at + 1;
        }
    }
}

static bool scanner_accepts(struct slice text)
{
    struct json j = json_of(text);
    json_skip(&j);
    return json_end(&j) == OK;
}

/* Walks with the pull interface instead of the skip: must come to the same verdict. */
static void walk(struct json *j)
{
    struct slice s;
    double d;
    bool b;
    switch (json_peek(j)) {
    case JSON_OBJECT:
        for (json_enter_object(j); json_next_key(j, &s);)
            walk(j);
        break;
    case JSON_ARRAY:
        for (json_enter_array(j); json_next_item(j);)
            walk(j);
        break;
    case JSON_STRING:
        json_string(j, &s);
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        json_bool(j, &b);
        break;
    case JSON_NUMBER: {
        struct json copy = *j;
        if (json_double(&copy, &d))
            *j = copy;
        else
            json_skip(j); /* beyond a double's range */
        break;
    }
    default:
        json_skip(j);
    }
}

static bool walk_accepts(struct slice text)
{
    struct json j = json_of(text);
    walk(&j);
    return json_end(&j) == OK;
}

/* Beyond the first thing that jansson alone dislikes nothing is compared. */
static void assert_agree(struct slice text)
{
    bool ours = scanner_accepts(text);
    if (ours != walk_accepts(text))
        fail_msg("skip and walk disagree on: %.*s", SLICE_ARG(text));
    enum verdict theirs = jansson_says(text);
    if (theirs != MAY_DIFFER && ours != (theirs == ACCEPTED))
        fail_msg("jansson %s, the scanner %s: %.*s", theirs == ACCEPTED ? "accepts" : "refuses",
                 ours ? "accepts" : "refuses", SLICE_ARG(text));
}

static void generated_documents_are_accepted_by_both(void **state)
{
    (void)state;
    struct buf b = {0};
    for (uint64_t i = 0; i < 2000; i++) {
        struct rng r = rng_at(2024, RNG_PROMPT, i);
        buf_clear(&b);
        put_value(&r, &b, 0);
        assert_true(scanner_accepts(buf_slice(&b)));
        assert_int_equal(jansson_says(buf_slice(&b)), ACCEPTED);
        assert_agree(buf_slice(&b));
    }
    buf_release(&b);
}

static void mutated_documents_get_the_same_verdict_from_both(void **state)
{
    (void)state;
    struct buf b = {0};
    int refused = 0, accepted = 0;
    for (uint64_t i = 0; i < 8000; i++) {
        struct rng r = rng_at(2025, RNG_PROMPT, i);
        buf_clear(&b);
        put_value(&r, &b, i % 2 ? 0 : 9);
        mutate(&r, &b);
        assert_agree(buf_slice(&b));
        if (scanner_accepts(buf_slice(&b)))
            accepted++;
        else
            refused++;
    }
    assert_true(refused > 1000); /* else the mutations would test nothing */
    assert_true(accepted > 1000);
    buf_release(&b);
}

/* What both took must also mean the same: each string of a flat object, undone by each. */
static void strings_mean_the_same_to_both(void **state)
{
    (void)state;
    struct buf b = {0}, ours = {0}, theirs = {0};
    for (uint64_t i = 0; i < 1000; i++) {
        struct rng r = rng_at(2026, RNG_PROMPT, i);
        struct slice raw;
        buf_clear(&b);
        buf_clear(&ours);
        buf_clear(&theirs);
        put_text(&r, &b, false);
        struct json j = json_of(buf_slice(&b));
        assert_true(json_string(&j, &raw));
        assert_int_equal(json_unescape(raw, &ours), OK);
        assert_true(jansson_text(buf_slice(&b), &theirs));
        assert_true(slice_eq(buf_slice(&ours), buf_slice(&theirs)));
    }
    buf_release(&b);
    buf_release(&ours);
    buf_release(&theirs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(generated_documents_are_accepted_by_both),
        cmocka_unit_test(mutated_documents_get_the_same_verdict_from_both),
        cmocka_unit_test(strings_mean_the_same_to_both),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
