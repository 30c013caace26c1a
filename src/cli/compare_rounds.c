#include "cli/compare_rounds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/before.h"
#include "cli/session.h"
#include "cli/term.h"
#include "decide/compare_file.h"

static const char *const names[COMPARE_SIDES] = {"A", "B"};

struct pass {
    const struct compare_rounds *given;
    const struct compare_options *options;
    struct session *s; /* of COMPARE_SIDES */
    int64_t blocks_done, blocks;
    int64_t started_ns; /* of the first block */
};

/* --- the two servers --- */

/* The names under which a machine calls itself; others may be one machine too, but that is not ours
 * to find out. */
static bool is_loopback(const char *host)
{
    static const char *const names_of_it[] = {"localhost", "127.0.0.1", "::1"};
    for (size_t i = 0; i < sizeof names_of_it / sizeof names_of_it[0]; i++)
        if (strcasecmp(host, names_of_it[i]) == 0)
            return true;
    return false;
}

static bool is_one_host(const char *a, const char *b)
{
    return strcasecmp(a, b) == 0 || (is_loopback(a) && is_loopback(b));
}

/* Loads of the same seed on one server would find the other's prompts in its cache. */
static bool is_one_server(const char *a, const char *b)
{
    struct url x, y;
    if (strncmp(a, "sim:", 4) == 0 || strncmp(b, "sim:", 4) == 0)
        return false;
    if (url_parse(slice_of(a), &x, NULL) < 0 || url_parse(slice_of(b), &y, NULL) < 0)
        return false;
    if (x.is_unix || y.is_unix)
        return x.is_unix && y.is_unix && strcmp(x.host, y.host) == 0;
    return x.port == y.port && is_one_host(x.host, y.host);
}

static bool may_nonces(const struct pass *p)
{
    const char *bust = p->options->run.cache_bust;
    return !bust || strcmp(bust, "off") != 0;
}

static bool needs_nonces(const struct pass *p)
{
    return may_nonces(p) &&
           is_one_server(p->given->targets[COMPARE_A], p->given->targets[COMPARE_B]);
}

/* The items of a file are the same in every round: without a nonce of the round, the same on both
 * sides, all but the first would come out of the servers' caches. */
static uint64_t salt_of(const struct pass *p, int side)
{
    if (needs_nonces(p))
        return (uint64_t)side + 1;
    return may_nonces(p) && p->s[side].plan.workload.dataset == DATASET_CUSTOM ? 1 : 0;
}

static void say_waiting(void *context)
{
    struct session *s = context;
    if (!s->options->quiet)
        term_say("%s: waiting for its first answer", s->name);
}

/* The user's command, if there is one, and then the server that it started. */
static int bring_up(struct pass *p, enum compare_side side, int64_t round, struct err *e)
{
    static const char *const options[] = {"--before-a", "--before-b"}, *const sides[] = {"a", "b"};
    struct session *s = &p->s[side];
    struct before b = {.option = options[side],
                       .command = p->options->before[side],
                       .side = sides[side],
                       .round = round,
                       .signal_fd = s->signal_fd};
    if (!b.command)
        return OK;
    int rc = before_run(&b, e);
    return rc < 0 ? rc
                  : before_await(&s->ask, s->name, p->options->ready_timeout_ns, say_waiting, s, e);
}

static bool same_pool(const struct tokenization *a, const struct tokenization *b)
{
    return a->pool && b->pool && a->pool_count == b->pool_count &&
           memcmp(a->pool, b->pool, a->pool_count * sizeof *a->pool) == 0;
}

/* Drawn prompts have to be the same at both: token ids when both servers make the same ones of a
 * text, else words, as many as A's tokenizer needs. */
static void agree_on_prompts(struct pass *p)
{
    struct session *a = &p->s[COMPARE_A], *b = &p->s[COMPARE_B];
    struct tokenization *t = &a->probed.tokenization;
    if (p->options->run.offline || !workload_synthetic(a->workload))
        return;
    if (t->pool && !same_pool(t, &b->probed.tokenization))
        probe_word_lengths(&a->ask, &a->plan.api, a->plan.seed, &a->probed);
    struct tokenization agreed = *t;
    if (agreed.pool)
        agreed.pool = b->probed.pool; /* the same ids, in memory of its own */
    session_use_tokenization(a, t);
    session_use_tokenization(b, &agreed);
}

static int check_models(const struct pass *p, struct err *e)
{
    const char *a = p->s[COMPARE_A].probed.model, *b = p->s[COMPARE_B].probed.model;
    if (strcmp(a, b) == 0 || p->options->allow_mismatch)
        return OK;
    return err_set(e, ERR_USAGE,
                   "the model is %.200s at A and %.200s at B; --allow-mismatch compares all the "
                   "same",
                   a, b);
}

/* A last: it is the first to be loaded, and only one of them may be there. */
static int ask_both(struct pass *p, struct err *e)
{
    for (int side = COMPARE_B; side >= COMPARE_A; side--) {
        struct session *s = &p->s[side];
        int rc = bring_up(p, (enum compare_side)side, 0, e);
        if (rc == OK && salt_of(p, side) != 0)
            rc = session_salt_nonces(s, salt_of(p, side), e);
        if (rc == OK)
            rc = session_ask(s, e);
        if (rc < 0)
            return rc;
    }
    agree_on_prompts(p);
    return check_models(p, e);
}

/* --- blocks --- */

/* By the pace so far, or, before there is one, by what is offered; below 0 unknown. */
static double seconds_left(const struct pass *p)
{
    const struct load_spec *l = &p->s[COMPARE_A].plan.load;
    double left = (double)(p->blocks - p->blocks_done);
    if (p->options->run.offline)
        return -1;
    if (p->blocks_done > 0)
        return (double)(clock_mono_ns() - p->started_ns) / 1e9 / (double)p->blocks_done * left;
    return l->duration_ns > 0 ? (double)l->duration_ns / 1e9 * left : -1;
}

static int load_block(struct pass *p, enum compare_side side, int64_t round, struct err *e)
{
    struct session *s = &p->s[side], *other = &p->s[1 - side];
    char label[48];
    struct run_record run;
    int rc = round == 1 && side == COMPARE_A ? OK : bring_up(p, side, round, e);
    if (rc < 0)
        return rc;
    snprintf(label, sizeof label, "%lld/%lld %s", (long long)round, (long long)p->options->rounds,
             s->name);
    struct session_point point = {.kind = compare_kinds[side],
                                  .ordinal = round,
                                  .seed = session_seed(s, round),
                                  .load = s->plan.load,
                                  .warmup_requests = (uint64_t)p->options->run.warmup_requests,
                                  .slo = "",
                                  .from_idle = true,
                                  .label = label,
                                  .series_left_s = seconds_left(p)};
    rc = session_load(s, &point, &run, e);
    p->blocks_done++;
    if (s->twin && other->twin) /* one room's clock: the other waited meanwhile */
        twin_wait(other->twin, twin_now_ns(s->twin));
    return rc;
}

/* What is not the same shows in the first round already; the others would be for nothing. */
static int look_for_mismatch(const struct pass *p, bool *mismatch, struct err *e)
{
    struct record_reader *r;
    struct comparison c;
    *mismatch = false;
    int rc = record_reader_open(p->s[COMPARE_A].run_file, &r, e);
    if (rc < 0)
        return rc;
    rc = compare_of_file(r, NULL, &c, e);
    if (rc == OK) {
        *mismatch = c.mismatch && !c.spec.allow_mismatch;
        comparison_release(&c);
    }
    record_reader_close(r);
    return rc;
}

static int load_rounds(struct pass *p, struct err *e)
{
    bool mismatch = false;
    p->started_ns = clock_mono_ns();
    p->blocks = COMPARE_SIDES * p->options->rounds;
    for (int64_t round = 1; round <= p->options->rounds && !mismatch; round++) {
        enum compare_side first = round % 2 == 1 ? COMPARE_A : COMPARE_B;
        int rc = load_block(p, first, round, e);
        if (rc == OK)
            rc = load_block(p, (enum compare_side)(1 - first), round, e);
        if (rc == OK && round == 1)
            rc = look_for_mismatch(p, &mismatch, e);
        if (rc < 0)
            return rc;
    }
    if (mismatch && !p->options->run.quiet)
        term_say("stopped after the first round: what was compared is not the same");
    return OK;
}

/* --- all of it --- */

static int store_plan(struct pass *p, struct err *e)
{
    const struct compare_options *o = p->options;
    struct buf json = {0};
    struct compare_spec spec;
    int rc = compare_options_spec(o, &spec, e);
    if (rc < 0)
        return rc;
    compare_spec_complete(&spec);
    struct compare_plan plan = {.metrics = o->metrics,
                                .fail_if = o->fail_if.items,
                                .fail_if_count = o->fail_if.n,
                                .margin = spec.margin,
                                .allow_mismatch = o->allow_mismatch,
                                .rounds = o->rounds,
                                .own_nonces = needs_nonces(p),
                                .before = {o->before[COMPARE_A], o->before[COMPARE_B]}};
    compare_plan_put(&plan, &json);
    rc = record_writer_meta(p->s[COMPARE_A].writer, COMPARE_META_KEY, buf_cstr(&json), e);
    buf_release(&json);
    return rc;
}

int compare_rounds_run(const struct compare_rounds *r, char path[COMPARE_PATH], struct err *e)
{
    struct session *s = MEM_ARRAY(struct session, COMPARE_SIDES);
    struct pass p = {.given = r, .options = r->options, .s = s};
    struct err close_error;
    path[0] = '\0';
    int rc = session_start(s, COMPARE_SIDES, &r->options->run, r->targets, names, r->command, e);
    if (rc < 0) {
        free(s);
        return rc;
    }
    rc = store_plan(&p, e);
    if (rc == OK)
        rc = ask_both(&p, e);
    if (rc == OK)
        rc = load_rounds(&p, e);
    if (s[COMPARE_A].runs > 0)
        snprintf(path, COMPARE_PATH, "%s", s[COMPARE_A].run_file);
    session_close(&s[COMPARE_B], &close_error);
    int closed = session_close(&s[COMPARE_A], &close_error);
    free(s);
    if (rc == OK && closed < 0) {
        *e = close_error;
        return closed;
    }
    return rc;
}
