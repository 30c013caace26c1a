#include "measure/cache.h"

#include <math.h>
#include <string.h>

/* A counter over time: its sum over label sets at the first and the last moment it was read. */
struct counter {
    int64_t first_ns, last_ns;
    double first, last;
    bool seen;
};

struct pass {
    struct counter hits, queries;
};

static void counter_add(struct counter *c, int64_t at_ns, double value)
{
    if (!c->seen || at_ns < c->first_ns) {
        c->first_ns = at_ns;
        c->first = 0;
    }
    if (!c->seen || at_ns > c->last_ns) {
        c->last_ns = at_ns;
        c->last = 0;
    }
    c->seen = true;
    if (at_ns == c->first_ns)
        c->first += value;
    if (at_ns == c->last_ns)
        c->last += value;
}

/* "vllm:prefix_cache_hits_total" is the counter "prefix_cache_hits" of whatever engine. */
static bool is_counter(const char *name, const char *stem)
{
    const char *colon = strrchr(name, ':');
    const char *bare = colon ? colon + 1 : name;
    size_t n = strlen(stem);
    return strncmp(bare, stem, n) == 0 && (bare[n] == '\0' || strcmp(bare + n, "_total") == 0);
}

static int take(void *context, const struct sample_record *s)
{
    struct pass *p = context;
    if (!isfinite(s->value))
        return 0;
    if (is_counter(s->name, "prefix_cache_hits"))
        counter_add(&p->hits, s->at_ns, s->value);
    else if (is_counter(s->name, "prefix_cache_queries"))
        counter_add(&p->queries, s->at_ns, s->value);
    return 0;
}

int cache_read(struct record_reader *r, int64_t run_id, double *share, struct err *e)
{
    struct pass p = {0};
    int rc = record_reader_samples(r, run_id, take, &p, e);
    double hits = p.hits.last - p.hits.first, queries = p.queries.last - p.queries.first;
    bool known = p.hits.seen && p.queries.seen && queries > 0 && hits >= 0 && hits <= queries;
    *share = known ? hits / queries : NAN;
    return rc;
}
