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

void pace_run(struct server *s)
{
    const struct engine_token *tokens;
    size_t n;
    int64_t at_ns, now_ns = clock_mono_ns();
    while (cluster_run(s->cluster, now_ns, &tokens, &n, &at_ns)) {
        for (size_t i = 0; i < n; i++)
            generation_token(tokens[i].owner, &tokens[i], now_ns);
        now_ns = clock_mono_ns();
        cluster_begin(s->cluster, now_ns);
    }
}

void pace_begin(struct server *s)
{
    cluster_begin(s->cluster, clock_mono_ns());
}

int64_t pace_due_ns(const struct server *s)
{
    return cluster_due_ns(s->cluster);
}
