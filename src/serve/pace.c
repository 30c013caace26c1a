#include "serve/pace.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "serve/generation.h"

void pace_init(struct server *s)
{
    s->cluster = cluster_new(s->config, s->options->seed);
    s->counted = MEM_ARRAY(struct exposition, (size_t)cluster_engines(s->cluster));
}

void pace_release(struct server *s)
{
    cluster_free(s->cluster);
    free(s->counted);
}

/* What was sent since s->burst was opened. */
static void close_burst(struct server *s, int engine, int64_t due_ns)
{
    struct burst *b = &s->burst;
    b->open = false;
    if (b->sends > 0)
        lateness_add(&s->lateness, b->first_ns - due_ns, b->last_ns - b->first_ns, b->sends);
    if (s->truth)
        truth_add_step(s->truth, &(struct truth_step){.replica = (uint32_t)engine,
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
    int64_t now_ns = clock_mono_ns(), step_tokens = 0;
    s->burst = (struct burst){.open = true};
    metronome_begin(m);
    while (metronome_take(m, &token)) {
        step_tokens += generation_step_tokens(token.owner, &token);
        generation_token(token.owner, &token, now_ns);
    }
    close_burst(s, 0, m->due_ns);
    if (step_tokens > 0)
        exposition_add(&s->counted[0], EXPOSITION_STEP_TOKENS, (double)step_tokens);
    metronome_end(m, clock_mono_ns());
}

void pace_run(struct server *s)
{
    const struct engine_token *tokens;
    size_t n;
    int engine;
    int64_t at_ns, now_ns = clock_mono_ns();
    if (s->metronome.running && s->metronome.due_ns <= now_ns)
        beat(s);
    while (cluster_run(s->cluster, now_ns, &tokens, &n, &engine, &at_ns)) {
        int64_t step_tokens = 0;
        s->burst = (struct burst){.open = true};
        for (size_t i = 0; i < n; i++) {
            step_tokens += generation_step_tokens(tokens[i].owner, &tokens[i]);
            generation_token(tokens[i].owner, &tokens[i], now_ns);
        }
        if (engine >= 0)
            close_burst(s, engine, at_ns);
        if (step_tokens > 0)
            exposition_add(&s->counted[engine], EXPOSITION_STEP_TOKENS, (double)step_tokens);
        now_ns = clock_mono_ns();
        cluster_begin(s->cluster, now_ns);
    }
}

void pace_begin(struct server *s)
{
    metronome_start(&s->metronome, clock_mono_ns());
    cluster_begin(s->cluster, clock_mono_ns());
}

int64_t pace_due_ns(const struct server *s)
{
    int64_t due_ns = cluster_due_ns(s->cluster);
    return s->metronome.running && s->metronome.due_ns < due_ns ? s->metronome.due_ns : due_ns;
}
