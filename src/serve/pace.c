#include "serve/pace.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "serve/generation.h"

void pace_init(struct server *s)
{
    s->lanes = MEM_ARRAY(struct lane, (size_t)s->config->replicas);
    for (int i = 0; i < s->config->replicas; i++)
        s->lanes[i].engine = engine_new(s->config, s->options->seed + (uint64_t)i);
}

void pace_release(struct server *s)
{
    for (int i = 0; i < s->config->replicas; i++)
        engine_free(s->lanes[i].engine);
    free(s->lanes);
}

static int64_t requests_in(const struct lane *l)
{
    struct engine_counts c = engine_counts(l->engine);
    return c.running + c.waiting;
}

struct lane *pace_lane(struct server *s)
{
    struct lane *best = &s->lanes[0];
    for (int i = 1; i < s->config->replicas; i++)
        if (requests_in(&s->lanes[i]) < requests_in(best))
            best = &s->lanes[i];
    return best;
}

static void begin_step(struct lane *l, int64_t start_ns)
{
    int64_t duration_ns;
    l->stepping = engine_step_begin(l->engine, &duration_ns);
    if (!l->stepping)
        return;
    int64_t now_ns = clock_mono_ns();
    l->due_ns = start_ns + duration_ns;
    if (l->due_ns < now_ns)
        l->due_ns = now_ns + duration_ns;
}

/* What was sent since s->burst was opened. */
static void close_burst(struct server *s, const struct lane *l, int64_t due_ns)
{
    struct burst *b = &s->burst;
    b->open = false;
    if (b->sends > 0)
        lateness_add(&s->lateness, b->first_ns - due_ns, b->last_ns - b->first_ns, b->sends);
    if (s->truth)
        truth_add_step(s->truth, &(struct truth_step){.replica = (uint32_t)(l - s->lanes),
                                                      .sends = b->sends,
                                                      .due_ns = due_ns,
                                                      .first_ns = b->first_ns,
                                                      .last_ns = b->last_ns});
}

/* The metronome's instant: a token for each of its streams. */
static void beat(struct server *s)
{
    struct metronome *m = &s->metronome;
    struct engine_token token;
    int64_t now_ns = clock_mono_ns();
    s->burst = (struct burst){.open = true};
    metronome_begin(m);
    while (metronome_take(m, &token))
        generation_token(token.owner, token.last, now_ns);
    close_burst(s, &s->lanes[0], m->due_ns);
    metronome_end(m, clock_mono_ns());
}

static void end_step(struct server *s, struct lane *l)
{
    const struct engine_token *tokens;
    int64_t now_ns = clock_mono_ns();
    s->burst = (struct burst){.open = true};
    size_t n = engine_step_end(l->engine, &tokens);
    for (size_t i = 0; i < n; i++)
        generation_token(tokens[i].owner, tokens[i].last, now_ns);
    close_burst(s, l, l->due_ns);
    begin_step(l, l->due_ns);
}

void pace_run(struct server *s)
{
    if (s->metronome.running && s->metronome.due_ns <= clock_mono_ns())
        beat(s);
    for (int i = 0; i < s->config->replicas; i++)
        if (s->lanes[i].stepping && s->lanes[i].due_ns <= clock_mono_ns())
            end_step(s, &s->lanes[i]);
}

void pace_begin(struct server *s)
{
    metronome_start(&s->metronome, clock_mono_ns());
    for (int i = 0; i < s->config->replicas; i++)
        if (!s->lanes[i].stepping && requests_in(&s->lanes[i]) > 0)
            begin_step(&s->lanes[i], clock_mono_ns());
}

int64_t pace_due_ns(const struct server *s)
{
    int64_t due_ns = s->metronome.running ? s->metronome.due_ns : INT64_MAX;
    for (int i = 0; i < s->config->replicas; i++)
        if (s->lanes[i].stepping && s->lanes[i].due_ns < due_ns)
            due_ns = s->lanes[i].due_ns;
    return due_ns;
}
