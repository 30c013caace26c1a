/* Drawn prompts: words, profiles, random lengths, ladders, token pools, nonces, determinism. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "workload/profile.h"
#include "workload/words.h"
#include "workload/workload.h"

static struct workload *open_ok(const struct workload_spec *spec)
{
    struct workload *w = NULL;
    struct err e = {0};
    if (workload_open(spec, NULL, &w, &e) != OK)
        fail_msg("%s", e.text);
    return w;
}

static struct workload_spec random_spec(int64_t input, int64_t output, double ratio)
{
    return (struct workload_spec){.dataset = DATASET_RANDOM,
                                  .input_len = input,
                                  .output_len = output,
                                  .range_ratio = ratio,
                                  .seed = 42};
}

static struct workload_spec profile_spec(const char *name)
{
    return (struct workload_spec){.dataset = DATASET_PROFILE, .profile = name, .seed = 42};
}

static size_t count_words(struct slice text)
{
    size_t n = text.n > 0;
    for (size_t i = 0; i < text.n; i++)
        n += text.p[i] == ' ';
    return n;
}

/* ---- words ---- */

static void the_table_holds_short_lower_case_words_without_doubles(void **state)
{
    (void)state;
    assert_in_range(words_count(), 1000, 2000);
    for (size_t i = 0; i < words_count(); i++) {
        struct slice w = words_at(i);
        assert_in_range(w.n, 2, WORDS_MAX_BYTES);
        for (size_t j = 0; j < w.n; j++)
            assert_in_range(w.p[j], 'a', 'z');
        if (i > 0)
            assert_true(strcmp(words_at(i - 1).p, w.p) < 0); /* in order: no doubles */
    }
}

static void words_are_as_many_as_asked_for_and_add_to_the_buffer(void **state)
{
    (void)state;
    struct buf b = {0};
    workload_words(1, RNG_PROMPT, 0, 0, &b);
    assert_int_equal(b.n, 0);
    buf_puts(&b, ">");
    workload_words(1, RNG_PROMPT, 0, 1000, &b);
    assert_int_equal(b.p[0], '>');
    assert_int_equal(count_words(buf_slice(&b)), 1000);
    assert_null(memmem(b.p, b.n, "  ", 2));
    assert_true(b.p[b.n - 1] != ' ');
    buf_release(&b);
}

/* ---- profiles ---- */

static int compare_int64(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void profile_lengths_have_their_medians_spread_and_bounds(void **state)
{
    (void)state;
    enum { N = 20000 };
    static int64_t in[N], out[N];
    const struct {
        const char *name;
        double input, output;
        int64_t bounds[4];
    } expected[] = {
        {"chat", 500, 200, {50, 4000, 10, 2000}},
        {"code_generation", 1500, 500, {200, 8000, 50, 4000}},
        {"long_context_qa", 16000, 300, {2000, 128000, 20, 2000}},
        {"summarization", 4000, 150, {500, 32000, 50, 500}},
    };
    for (size_t p = 0; p < 4; p++) {
        struct workload_spec spec = profile_spec(expected[p].name);
        struct workload *w = open_ok(&spec);
        assert_string_equal(workload_name(w), expected[p].name);
        for (uint64_t i = 0; i < N; i++)
            workload_lengths(w, false, i, &in[i], &out[i]);
        qsort(in, N, sizeof *in, compare_int64);
        qsort(out, N, sizeof *out, compare_int64);
        assert_true(fabs((double)in[N / 2] / expected[p].input - 1) < 0.04);
        assert_true(fabs((double)out[N / 2] / expected[p].output - 1) < 0.04);
        /* The quartile of a log-normal: e^(0.6745 σ) below the median. */
        assert_true(fabs(log((double)in[N / 2] / (double)in[N / 4]) - 0.6745 * 0.8) < 0.04);
        assert_int_equal(in[0], expected[p].bounds[0]);
        assert_int_equal(in[N - 1], expected[p].bounds[1]);
        assert_in_range(out[0], expected[p].bounds[2], 2 * expected[p].bounds[2]);
        assert_int_equal(out[N - 1], expected[p].bounds[3]);
        workload_close(w);
    }
}

static void fixed_profiles_give_their_pair_always(void **state)
{
    (void)state;
    const struct {
        const char *name;
        int64_t in, out;
    } expected[] = {
        {"translation", 1000, 1000}, {"generation", 100, 1000}, {"reasoning", 100, 4000}};
    for (size_t p = 0; p < 3; p++) {
        struct workload_spec spec = profile_spec(expected[p].name);
        struct workload *w = open_ok(&spec);
        for (uint64_t i = 0; i < 100; i++) {
            int64_t in, out;
            workload_lengths(w, i % 2, i, &in, &out);
            assert_int_equal(in, expected[p].in);
            assert_int_equal(out, expected[p].out);
        }
        workload_close(w);
    }
}

static void profiles_are_listed_and_found_by_name(void **state)
{
    (void)state;
    unsigned n = 0;
    for (; profile_at(n); n++)
        assert_ptr_equal(profile_find(profile_at(n)->name), profile_at(n));
    assert_int_equal(n, 7);
    assert_null(profile_find("chatty"));
    assert_null(profile_find(NULL));
}

static void an_unknown_profile_is_refused_with_the_list(void **state)
{
    (void)state;
    struct workload_spec spec = profile_spec("chatty");
    struct workload *w = NULL;
    struct err e = {0};
    assert_int_equal(workload_open(&spec, NULL, &w, &e), ERR_USAGE);
    assert_null(w);
    assert_non_null(strstr(e.text, "\"chatty\""));
    assert_non_null(strstr(e.text, "long_context_qa"));
}

static void output_len_overrides_a_profiles_outputs(void **state)
{
    (void)state;
    struct workload_spec spec = profile_spec("chat");
    spec.output_len = 77;
    struct workload *w = open_ok(&spec);
    for (uint64_t i = 0; i < 50; i++) {
        int64_t in, out;
        workload_lengths(w, false, i, &in, &out);
        assert_int_equal(out, 77);
    }
    workload_close(w);
}

/* ---- random ---- */

static void ratio_zero_gives_exactly_the_lengths_asked_for(void **state)
{
    (void)state;
    struct workload_spec spec = random_spec(1024, 128, 0);
    struct workload *w = open_ok(&spec);
    struct arena a = {0};
    for (uint64_t i = 0; i < 200; i++) {
        struct prompt p;
        workload_draw(w, false, i, &a, &p);
        assert_int_equal(p.kind, PROMPT_TEXT);
        assert_int_equal(p.input_tokens, 1024);
        assert_int_equal(count_words(p.text), 1024);
        assert_int_equal(p.output_tokens, 128);
        assert_true(p.exact_output);
        assert_int_equal(p.rung, -1);
        assert_int_equal(p.source, i);
        assert_false(p.repeated);
    }
    assert_true(workload_synthetic(w));
    assert_int_equal(workload_items(w), 0);
    assert_null(workload_arrivals_ns(w));
    assert_string_equal(workload_name(w), "random");
    arena_release(&a);
    workload_close(w);
}

static void an_outline_is_the_prompt_without_its_text(void **state)
{
    (void)state;
    struct workload_spec spec = random_spec(100, 20, 0.5);
    spec.ladder[0] = 5;
    spec.ladder[1] = 7;
    for (spec.ladder_count = 0; spec.ladder_count < 3; spec.ladder_count += 2) {
        struct workload *w = open_ok(&spec);
        struct arena a = {0};
        for (uint64_t i = 0; i < 50; i++) {
            struct prompt p, q;
            workload_draw(w, i % 2, i, &a, &p);
            workload_outline(w, i % 2, i, &q);
            assert_int_equal(p.input_tokens, q.input_tokens);
            assert_int_equal(p.output_tokens, q.output_tokens);
            assert_int_equal(p.exact_output, q.exact_output);
            assert_int_equal(p.rung, q.rung);
            assert_int_equal(p.source, q.source);
            assert_int_equal(p.repeated, q.repeated);
            assert_int_equal(q.text.n, 0);
        }
        arena_release(&a);
        workload_close(w);
    }
}

static void lengths_fill_their_range_to_both_ends(void **state)
{
    (void)state;
    const struct {
        int64_t len;
        double ratio;
        int64_t low, high;
    } cases[] = {{100, 0.1, 90, 110}, {10, 0.25, 7, 13}, {1, 0.9, 1, 2}, {1000, 0.5, 500, 1500}};
    for (size_t c = 0; c < 4; c++) {
        struct workload_spec spec = random_spec(cases[c].len, cases[c].len, cases[c].ratio);
        struct workload *w = open_ok(&spec);
        int64_t low[2] = {INT64_MAX, INT64_MAX}, high[2] = {0, 0};
        double sum[2] = {0, 0}, product = 0;
        enum { N = 20000 };
        double middle = (double)(cases[c].low + cases[c].high) / 2;
        for (uint64_t i = 0; i < N; i++) {
            int64_t n[2];
            workload_lengths(w, false, i, &n[0], &n[1]);
            for (int k = 0; k < 2; k++) {
                low[k] = n[k] < low[k] ? n[k] : low[k];
                high[k] = n[k] > high[k] ? n[k] : high[k];
                sum[k] += (double)n[k] - middle;
            }
            product += ((double)n[0] - middle) * ((double)n[1] - middle);
        }
        double half = (double)(cases[c].high - cases[c].low) / 2;
        for (int k = 0; k < 2; k++) {
            assert_int_equal(low[k], cases[c].low);
            assert_int_equal(high[k], cases[c].high);
            assert_true(fabs(sum[k] / N) < 0.04 * half);
        }
        assert_true(fabs(product / N) < 0.04 * half * half); /* independent of each other */
        workload_close(w);
    }
}

static void bad_random_lengths_are_refused_with_the_option_named(void **state)
{
    (void)state;
    struct workload *w = NULL;
    struct err e = {0};
    const struct {
        struct workload_spec spec;
        const char *names;
    } cases[] = {
        {random_spec(0, 10, 0), "--random-input-len"},
        {random_spec(10, 0, 0), "--random-output-len"},
        {random_spec(10, 10, 1), "--random-range-ratio"},
        {random_spec(10, 10, -0.1), "--random-range-ratio"},
        {random_spec(10, 10, NAN), "--random-range-ratio"},
        {random_spec(INT64_MAX, 10, 0), "--random-input-len"},
        {{.dataset = DATASET_RANDOM, .input_len = 1, .output_len = 1, .prefix_len = -1},
         "--random-prefix-len"},
        {{.dataset = DATASET_RANDOM, .input_len = 1, .ladder = {5, 0}, .ladder_count = 2},
         "ladder"},
        {{.dataset = DATASET_RANDOM, .ladder_count = WORKLOAD_MAX_LADDER + 1}, "ladder"},
        {{.dataset = DATASET_CUSTOM}, "--dataset-path"},
        {{.dataset = DATASET_SHAREGPT, .path = ""}, "--dataset-path"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(workload_open(&cases[i].spec, NULL, &w, &e), ERR_USAGE);
        assert_non_null(strstr(e.text, cases[i].names));
        assert_null(w);
    }
}

static void a_prefix_is_shared_within_the_run_and_differs_in_the_warm_up(void **state)
{
    (void)state;
    const uint32_t pool[] = {7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    for (int with_pool = 0; with_pool < 2; with_pool++) {
        struct workload_spec spec = random_spec(50, 10, 0);
        spec.prefix_len = 30;
        struct workload *w = open_ok(&spec);
        struct tokenization t = {.pool = pool, .pool_count = with_pool ? 10 : 0};
        workload_set_tokenization(w, &t);
        struct arena a = {0};
        struct prompt p, q, warm;
        workload_draw(w, false, 0, &a, &p);
        workload_draw(w, false, 1, &a, &q);
        workload_draw(w, true, 0, &a, &warm);
        assert_int_equal(p.input_tokens, 80);
        if (with_pool) {
            assert_int_equal(p.token_count, 80);
            assert_memory_equal(p.tokens, q.tokens, 30 * sizeof(uint32_t));
            assert_memory_not_equal(p.tokens + 30, q.tokens + 30, 50 * sizeof(uint32_t));
            assert_memory_not_equal(p.tokens, warm.tokens, 30 * sizeof(uint32_t));
        } else {
            size_t same = 0;
            while (same < p.text.n && p.text.p[same] == q.text.p[same])
                same++;
            assert_int_equal(count_words(p.text), 80);
            assert_true(count_words(slice_make(p.text.p, same)) >= 30);
            assert_true(count_words(slice_make(p.text.p, same)) < 35);
            assert_memory_not_equal(p.text.p, warm.text.p, 60);
        }
        arena_release(&a);
        workload_close(w);
    }
}

static void a_prefix_longer_than_what_overhead_leaves_keeps_length_and_own_end(void **state)
{
    (void)state;
    const uint32_t pool[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    for (int with_pool = 0; with_pool < 2; with_pool++) {
        struct workload_spec spec = random_spec(5, 10, 0);
        spec.prefix_len = 20;
        struct workload *w = open_ok(&spec);
        struct tokenization t = {
            .pool = pool, .pool_count = with_pool ? 9 : 0, .overhead_tokens = 12};
        workload_set_tokenization(w, &t);
        struct arena a = {0};
        struct prompt p[16];
        bool differ = false;
        for (uint64_t i = 0; i < 16; i++) {
            workload_draw(w, false, i, &a, &p[i]);
            assert_int_equal(with_pool ? p[i].token_count : count_words(p[i].text), 13);
            differ |=
                with_pool ? p[i].tokens[12] != p[0].tokens[12] : !slice_eq(p[i].text, p[0].text);
        }
        assert_true(differ);
        arena_release(&a);
        workload_close(w);
    }
}

/* ---- ladder ---- */

static void a_ladders_rungs_are_taken_in_turn_and_exact(void **state)
{
    (void)state;
    struct workload_spec specs[] = {profile_spec("chat"), random_spec(10, 5, 0.5)};
    for (size_t k = 0; k < 2; k++) {
        specs[k].ladder_count = 3;
        memcpy(specs[k].ladder, (int64_t[]){16, 64, 256}, 3 * sizeof(int64_t));
        struct workload *w = open_ok(&specs[k]);
        struct arena a = {0};
        for (uint64_t i = 0; i < 12; i++) {
            struct prompt p;
            workload_draw(w, false, i, &a, &p);
            assert_int_equal(p.rung, i % 3);
            assert_int_equal(p.output_tokens, specs[k].ladder[i % 3]);
            assert_true(p.exact_output);
        }
        arena_release(&a);
        workload_close(w);
    }
}

/* ---- tokens and words ---- */

static void pool_prompts_have_the_exact_number_of_ids_less_the_overhead(void **state)
{
    (void)state;
    uint32_t pool[100];
    for (uint32_t i = 0; i < 100; i++)
        pool[i] = 1000 + 3 * i;
    struct workload_spec spec = random_spec(200, 10, 0.9);
    struct workload *w = open_ok(&spec);
    workload_set_tokenization(
        w, &(struct tokenization){
               .pool = pool, .pool_count = 100, .tokens_per_word = 1.3, .overhead_tokens = 1});
    memset(pool, 0, sizeof pool); /* it was copied */
    struct arena a = {0};
    for (uint64_t i = 0; i < 300; i++) {
        struct prompt p;
        workload_draw(w, false, i, &a, &p);
        assert_int_equal(p.kind, PROMPT_TOKENS);
        assert_int_equal(p.token_count, p.input_tokens - 1);
        for (size_t k = 0; k < p.token_count; k++) {
            assert_in_range(p.tokens[k], 1000, 1297);
            assert_int_equal((p.tokens[k] - 1000) % 3, 0);
        }
    }
    arena_release(&a);
    workload_close(w);
}

static void a_prompt_shorter_than_the_overhead_still_has_one_token(void **state)
{
    (void)state;
    const uint32_t pool[] = {5};
    struct workload_spec spec = random_spec(3, 10, 0);
    struct workload *w = open_ok(&spec);
    struct arena a = {0};
    struct prompt p;
    workload_set_tokenization(w, &(struct tokenization){pool, 1, 0, 40});
    workload_draw(w, false, 0, &a, &p);
    assert_int_equal(p.token_count, 1);
    workload_set_tokenization(w, &(struct tokenization){NULL, 0, 1, 40});
    workload_draw(w, false, 0, &a, &p);
    assert_int_equal(count_words(p.text), 1);
    arena_release(&a);
    workload_close(w);
}

static void the_number_of_words_is_corrected_by_the_calibration(void **state)
{
    (void)state;
    struct workload_spec spec = random_spec(1000, 10, 0);
    struct workload *w = open_ok(&spec);
    workload_set_tokenization(
        w, &(struct tokenization){.tokens_per_word = 1.25, .overhead_tokens = 25});
    struct arena a = {0};
    struct prompt p;
    workload_draw(w, false, 0, &a, &p);
    assert_int_equal(count_words(p.text), 780);
    assert_int_equal(p.input_tokens, 1000);
    arena_release(&a);
    workload_close(w);
}

static void chat_prompts_are_words_even_with_a_pool(void **state)
{
    (void)state;
    const uint32_t pool[] = {5, 6};
    struct workload_spec spec = random_spec(30, 10, 0);
    spec.chat = true;
    struct workload *w = open_ok(&spec);
    workload_set_tokenization(w, &(struct tokenization){.pool = pool, .pool_count = 2});
    struct arena a = {0};
    struct prompt p;
    workload_draw(w, false, 0, &a, &p);
    assert_int_equal(p.kind, PROMPT_TEXT);
    assert_int_equal(count_words(p.text), 30);
    arena_release(&a);
    workload_close(w);
}

/* ---- nonces ---- */

static bool has_nonce(struct slice text)
{
    if (text.n < 17 || text.p[16] != ' ')
        return false;
    for (int i = 0; i < 16; i++)
        if (!strchr("0123456789abcdef", text.p[i]))
            return false;
    return true;
}

static void drawn_prompts_carry_a_nonce_only_when_asked_for(void **state)
{
    (void)state;
    struct workload_spec spec = random_spec(100, 10, 0);
    const struct {
        enum cache_bust bust;
        bool nonce;
    } cases[] = {{CACHE_BUST_AUTO, false}, {CACHE_BUST_OFF, false}, {CACHE_BUST_ON, true}};
    for (size_t c = 0; c < 3; c++) {
        spec.cache_bust = cases[c].bust;
        struct workload *w = open_ok(&spec);
        struct arena a = {0};
        struct prompt p, q;
        workload_draw(w, false, 0, &a, &p);
        workload_draw(w, false, 1, &a, &q);
        assert_int_equal(has_nonce(p.text), cases[c].nonce);
        if (cases[c].nonce) {
            assert_memory_not_equal(p.text.p, q.text.p, 16);
            /* nonce and about ten words fewer: the length stays */
            assert_in_range(count_words(p.text) - 1, 89, 91);
        }
        arena_release(&a);
        workload_close(w);
    }
}

/* Two loads of one seed: alike but for a nonce of their own, under which each keeps its shared
 * prefix. */
static void salted_loads_differ_in_their_nonce_alone(void **state)
{
    (void)state;
    struct workload_spec spec = random_spec(60, 10, 0.5);
    spec.prefix_len = 40;
    struct prompt p[2][2];
    struct arena a = {0};
    for (uint64_t side = 0; side < 2; side++) {
        spec.nonce_salt = side + 1;
        struct workload *w = open_ok(&spec);
        for (uint64_t i = 0; i < 2; i++) {
            workload_draw(w, false, i, &a, &p[side][i]);
            assert_true(has_nonce(p[side][i].text));
        }
        workload_close(w);
        assert_memory_equal(p[side][0].text.p, p[side][1].text.p, 16 + 40);
    }
    for (int i = 0; i < 2; i++) {
        assert_memory_not_equal(p[0][i].text.p, p[1][i].text.p, 16);
        assert_int_equal(p[0][i].text.n, p[1][i].text.n);
        assert_memory_equal(p[0][i].text.p + 16, p[1][i].text.p + 16, p[0][i].text.n - 16);
    }
    arena_release(&a);
}

static void salted_loads_differ_request_by_request_where_nonces_do(void **state)
{
    (void)state;
    struct workload_spec spec = random_spec(60, 10, 0);
    spec.cache_bust = CACHE_BUST_ON;
    struct prompt p[3];
    struct arena a = {0};
    for (uint64_t salt = 0; salt < 3; salt++) {
        spec.nonce_salt = salt;
        struct workload *w = open_ok(&spec);
        workload_draw(w, false, 7, &a, &p[salt]);
        workload_close(w);
        for (uint64_t other = 0; other < salt; other++) {
            assert_memory_not_equal(p[salt].text.p, p[other].text.p, 16);
            assert_true(strcmp(strchr(arena_strndup(&a, p[salt].text.p, p[salt].text.n), ' '),
                               strchr(arena_strndup(&a, p[other].text.p, p[other].text.n), ' ')) ==
                        0);
        }
    }
    arena_release(&a);
}

static void a_nonce_in_a_pool_prompt_replaces_ids_and_breaks_the_shared_prefix(void **state)
{
    (void)state;
    uint32_t pool[500];
    for (uint32_t i = 0; i < 500; i++)
        pool[i] = i;
    struct workload_spec spec = random_spec(100, 10, 0);
    spec.prefix_len = 50;
    struct tokenization t = {.pool = pool, .pool_count = 500};
    struct arena a = {0};
    struct prompt plain, nonced, other;
    struct workload *w = open_ok(&spec);
    workload_set_tokenization(w, &t);
    workload_draw(w, false, 0, &a, &plain);
    workload_close(w);
    spec.cache_bust = CACHE_BUST_ON;
    w = open_ok(&spec);
    workload_set_tokenization(w, &t);
    workload_draw(w, false, 0, &a, &nonced);
    workload_draw(w, false, 1, &a, &other);
    workload_close(w);
    assert_int_equal(nonced.token_count, 150);
    assert_memory_not_equal(nonced.tokens, plain.tokens, 16);
    assert_memory_not_equal(nonced.tokens, other.tokens, 16);
    assert_memory_equal(nonced.tokens + 4, plain.tokens + 4, 146 * sizeof(uint32_t));
    arena_release(&a);
}

static void salted_loads_of_a_pool_share_no_first_ids(void **state)
{
    (void)state;
    uint32_t pool[500];
    for (uint32_t i = 0; i < 500; i++)
        pool[i] = i;
    struct workload_spec spec = random_spec(100, 10, 0);
    struct tokenization t = {.pool = pool, .pool_count = 500};
    struct arena a = {0};
    struct prompt p[2][3], warm[2];
    for (uint64_t side = 0; side < 2; side++) {
        spec.nonce_salt = side + 1;
        struct workload *w = open_ok(&spec);
        workload_set_tokenization(w, &t);
        for (uint64_t i = 0; i < 3; i++)
            workload_draw(w, false, i, &a, &p[side][i]);
        workload_draw(w, true, 0, &a, &warm[side]);
        workload_close(w);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(p[0][i].token_count, 100);
        assert_memory_not_equal(p[0][i].tokens, p[1][i].tokens, 4 * sizeof(uint32_t));
        assert_memory_equal(p[0][i].tokens + 4, p[1][i].tokens + 4, 96 * sizeof(uint32_t));
    }
    assert_memory_not_equal(warm[0].tokens, warm[1].tokens, 4 * sizeof(uint32_t));
    arena_release(&a);
}

/* ---- determinism ---- */

static void warm_up_and_run_and_seeds_and_indices_all_differ(void **state)
{
    (void)state;
    struct workload_spec spec = random_spec(40, 40, 0), other = spec;
    other.seed = 43;
    struct workload *w = open_ok(&spec), *v = open_ok(&other);
    struct arena a = {0};
    struct prompt p[4];
    workload_draw(w, false, 0, &a, &p[0]);
    workload_draw(w, false, 1, &a, &p[1]);
    workload_draw(w, true, 0, &a, &p[2]);
    workload_draw(v, false, 0, &a, &p[3]);
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < i; j++)
            assert_false(slice_eq(p[i].text, p[j].text));
    arena_release(&a);
    workload_close(w);
    workload_close(v);
}

enum { DRAWS = 400, DRAWERS = 4 };

struct drawer {
    const struct workload *w;
    struct arena arena;
    struct prompt run[DRAWS], warm[DRAWS];
    unsigned number;
};

static void *draw_all(void *context)
{
    struct drawer *d = context;
    for (unsigned k = 0; k < DRAWS; k++) {
        /* Each in an order of its own: 7, 11, 13, 17 have no factor in common with 400. */
        unsigned i = k * (unsigned[]){7, 11, 13, 17}[d->number] % DRAWS;
        workload_draw(d->w, true, i, &d->arena, &d->warm[i]);
        workload_draw(d->w, false, i, &d->arena, &d->run[i]);
    }
    return NULL;
}

static void expect_same(const struct prompt *a, const struct prompt *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_true(slice_eq(a->text, b->text));
    assert_int_equal(a->token_count, b->token_count);
    if (a->token_count > 0)
        assert_memory_equal(a->tokens, b->tokens, a->token_count * sizeof *a->tokens);
    assert_int_equal(a->input_tokens, b->input_tokens);
    assert_int_equal(a->output_tokens, b->output_tokens);
}

static void draws_are_the_same_from_any_thread_in_any_order(void **state)
{
    (void)state;
    static struct drawer d[DRAWERS];
    uint32_t pool[64];
    for (uint32_t i = 0; i < 64; i++)
        pool[i] = i * i;
    for (int with_pool = 0; with_pool < 2; with_pool++) {
        struct workload_spec spec = profile_spec("chat");
        spec.prefix_len = 10;
        struct workload *w = open_ok(&spec);
        workload_set_tokenization(
            w, &(struct tokenization){.pool = pool, .pool_count = with_pool ? 64 : 0});
        pthread_t id[DRAWERS];
        for (unsigned t = 0; t < DRAWERS; t++) {
            d[t] = (struct drawer){.w = w, .number = t};
            assert_int_equal(pthread_create(&id[t], NULL, draw_all, &d[t]), 0);
        }
        for (unsigned t = 0; t < DRAWERS; t++)
            pthread_join(id[t], NULL);
        for (unsigned i = 0; i < DRAWS; i++) {
            int64_t in, out;
            workload_lengths(w, false, i, &in, &out);
            assert_int_equal(d[0].run[i].input_tokens, in);
            assert_int_equal(d[0].run[i].output_tokens, out);
            for (unsigned t = 1; t < DRAWERS; t++) {
                expect_same(&d[t].run[i], &d[0].run[i]);
                expect_same(&d[t].warm[i], &d[0].warm[i]);
            }
        }
        for (unsigned t = 0; t < DRAWERS; t++)
            arena_release(&d[t].arena);
        workload_close(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_holds_short_lower_case_words_without_doubles),
        cmocka_unit_test(words_are_as_many_as_asked_for_and_add_to_the_buffer),
        cmocka_unit_test(profile_lengths_have_their_medians_spread_and_bounds),
        cmocka_unit_test(fixed_profiles_give_their_pair_always),
        cmocka_unit_test(profiles_are_listed_and_found_by_name),
        cmocka_unit_test(an_unknown_profile_is_refused_with_the_list),
        cmocka_unit_test(output_len_overrides_a_profiles_outputs),
        cmocka_unit_test(ratio_zero_gives_exactly_the_lengths_asked_for),
        cmocka_unit_test(an_outline_is_the_prompt_without_its_text),
        cmocka_unit_test(lengths_fill_their_range_to_both_ends),
        cmocka_unit_test(bad_random_lengths_are_refused_with_the_option_named),
        cmocka_unit_test(a_prefix_is_shared_within_the_run_and_differs_in_the_warm_up),
        cmocka_unit_test(a_prefix_longer_than_what_overhead_leaves_keeps_length_and_own_end),
        cmocka_unit_test(a_ladders_rungs_are_taken_in_turn_and_exact),
        cmocka_unit_test(pool_prompts_have_the_exact_number_of_ids_less_the_overhead),
        cmocka_unit_test(a_prompt_shorter_than_the_overhead_still_has_one_token),
        cmocka_unit_test(the_number_of_words_is_corrected_by_the_calibration),
        cmocka_unit_test(chat_prompts_are_words_even_with_a_pool),
        cmocka_unit_test(drawn_prompts_carry_a_nonce_only_when_asked_for),
        cmocka_unit_test(salted_loads_differ_in_their_nonce_alone),
        cmocka_unit_test(salted_loads_differ_request_by_request_where_nonces_do),
        cmocka_unit_test(a_nonce_in_a_pool_prompt_replaces_ids_and_breaks_the_shared_prefix),
        cmocka_unit_test(salted_loads_of_a_pool_share_no_first_ids),
        cmocka_unit_test(warm_up_and_run_and_seeds_and_indices_all_differ),
        cmocka_unit_test(draws_are_the_same_from_any_thread_in_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
