#include "serve/fault.h"

#include <string.h>

#include "base/buf.h"
#include "base/rng.h"
#include "base/units.h"
#include "sim/text.h"

static const char *const names[FAULT_KINDS] = {
    [FAULT_REFUSE] = "refuse",
    [FAULT_RESET] = "reset",
    [FAULT_429] = "429",
    [FAULT_500] = "500",
    [FAULT_RESET_MIDSTREAM] = "reset-midstream",
    [FAULT_STALL] = "stall",
    [FAULT_TRUNCATE] = "truncate",
    [FAULT_MALFORMED_CHUNK] = "malformed-chunk",
    [FAULT_MALFORMED_JSON] = "malformed-json",
    [FAULT_ERROR] = "error",
    [FAULT_SLOW_HEADERS] = "slow-headers",
    [FAULT_SPLIT_UTF8] = "split-utf8",
    [FAULT_COALESCE] = "coalesce",
    [FAULT_ONE_BYTE] = "one-byte",
};

static int find(struct slice name)
{
    for (int k = FAULT_NONE + 1; k < FAULT_KINDS; k++)
        if (slice_is(name, names[k]))
            return k;
    return FAULT_NONE;
}

static int unknown(struct slice name, struct err *e)
{
    struct buf all = {0};
    for (int k = FAULT_NONE + 1; k < FAULT_KINDS; k++)
        buf_printf(&all, "%s%s", k > FAULT_NONE + 1 ? ", " : "", names[k]);
    int rc = err_set(e, ERR_USAGE, "--fault knows no \"%.*s\"; there are %s", SLICE_ARG(name),
                     buf_cstr(&all));
    buf_release(&all);
    return rc;
}

int fault_rates_add(struct fault_rates *f, struct slice text, struct err *e)
{
    const char *equals = text.n > 0 ? memchr(text.p, '=', text.n) : NULL;
    double rate, sum = 0;
    if (!equals)
        return err_set(e, ERR_USAGE, "--fault takes KIND=RATE, as in stall=0.01, not \"%.*s\"",
                       SLICE_ARG(text));
    size_t name_bytes = (size_t)(equals - text.p);
    int kind = find(slice_make(text.p, name_bytes));
    if (kind == FAULT_NONE)
        return unknown(slice_make(text.p, name_bytes), e);
    int rc = units_number(slice_make(equals + 1, text.n - name_bytes - 1), "the rate of --fault", 0,
                          1, &rate, e);
    if (rc < 0)
        return rc;
    for (int k = FAULT_REFUSE + 1; k < FAULT_KINDS; k++)
        sum += k == kind ? rate : f->rate[k];
    if (sum > 1)
        return err_set(e, ERR_USAGE, "the rates of --fault add up to more than 1");
    f->rate[kind] = rate;
    return OK;
}

struct fault fault_draw(const struct fault_rates *f, uint64_t seed, struct slice request_id,
                        bool stream)
{
    struct fault none = {.kind = FAULT_NONE};
    if (request_id.n == 0)
        return none;
    uint64_t hash = text_hash(TEXT_HASH_BEGIN, request_id.p, request_id.n);
    struct rng r = rng_at(seed, RNG_FAULT, hash);
    double u = rng_unit(&r), where = rng_unit(&r), below = 0;
    for (int k = FAULT_REFUSE + 1; k < FAULT_KINDS; k++) {
        below += f->rate[k];
        if (f->rate[k] > 0 && u <= below)
            return stream || k < FAULT_RESET_MIDSTREAM
                       ? (struct fault){.kind = (enum fault_kind)k, .where = where}
                       : none;
    }
    return none;
}

bool fault_refuses(const struct fault_rates *f, uint64_t seed, uint64_t connection)
{
    uint64_t hash = text_hash(TEXT_HASH_BEGIN, &connection, sizeof connection);
    struct rng r = rng_at(seed, RNG_FAULT, hash);
    return rng_unit(&r) <= f->rate[FAULT_REFUSE];
}

int64_t fault_place(const struct fault *f, int64_t tokens)
{
    if (tokens < 2)
        return 0;
    int64_t place = 1 + (int64_t)(f->where * (double)(tokens - 1));
    return place < tokens ? place : tokens - 1;
}
