#include "workload/arrivals.h"

#include <math.h>

#include "base/clock.h"
#include "base/rng.h"

void arrivals_init(struct arrivals *a, const struct arrivals_spec *spec)
{
    *a = (struct arrivals){.spec = *spec};
}

/* Mean 1: in units of the mean gap at the rate of the moment. */
static double unit_gap(const struct arrivals_spec *s, uint64_t index)
{
    if (isinf(s->burstiness))
        return 1.0;
    struct rng r = rng_at(s->seed, RNG_ARRIVAL, index);
    if (s->burstiness == 1.0)
        return rng_exponential(&r);
    return rng_gamma(&r, s->burstiness) / s->burstiness;
}

static double ramp_rate(const struct arrivals_spec *s, double x)
{
    if (x > 1.0)
        x = 1.0;
    if (s->ramp == RAMP_LINEAR)
        return s->ramp_start + (s->ramp_end - s->ramp_start) * x;
    return s->ramp_start * pow(s->ramp_end / s->ramp_start, x);
}

static double index_ramp_gap(const struct arrivals_spec *s, uint64_t index, double unit)
{
    double n = (double)s->ramp_requests;
    double rate = ramp_rate(s, (double)index / n);
    if (rate <= 0.0) /* a ramp up from nothing: its second rate, or the first gap would never end */
        rate = ramp_rate(s, (double)(index + 1) / n);
    return unit / rate;
}

/* Gap g with ∫ rate over [at, at+g] = unit: for unit exponentials this is exactly the Poisson
 * process of that rate function. Behind the ramp the rate stays at ramp_end. */
static double time_ramp_gap(const struct arrivals_spec *s, double at_s, double unit)
{
    double length_s = (double)s->ramp_ns / (double)NS_PER_S;
    if (at_s >= length_s)
        return unit / s->ramp_end;
    double left_s = length_s - at_s;
    double rate = ramp_rate(s, at_s / length_s);
    if (s->ramp == RAMP_LINEAR) {
        double slope = (s->ramp_end - s->ramp_start) / length_s;
        double in_ramp = (rate + 0.5 * slope * left_s) * left_s;
        if (unit > in_ramp)
            return left_s + (unit - in_ramp) / s->ramp_end;
        /* The smaller root of slope/2·g² + rate·g = unit, in the form that does not cancel. */
        return 2.0 * unit / (rate + sqrt(fmax(0.0, rate * rate + 2.0 * slope * unit)));
    }
    double growth = log(s->ramp_end / s->ramp_start) / length_s;
    double in_ramp = growth == 0.0 ? rate * left_s : rate * expm1(growth * left_s) / growth;
    if (unit > in_ramp)
        return left_s + (unit - in_ramp) / s->ramp_end;
    return growth == 0.0 ? unit / rate : log1p(growth * unit / rate) / growth;
}

/* The unit used up step by step, for the same reason. */
static double steps_gap(const struct arrivals_spec *s, double at_s, double unit)
{
    double gap = 0;
    for (size_t i = 0; i < s->step_count; i++) {
        double left_s = (double)s->steps[i].until_ns / (double)NS_PER_S - (at_s + gap);
        bool last = i + 1 == s->step_count;
        if (left_s <= 0 && !last)
            continue;
        if (last || unit <= s->steps[i].rate * left_s)
            return gap + unit / s->steps[i].rate;
        unit -= s->steps[i].rate * left_s;
        gap += left_s;
    }
    return INFINITY;
}

static double gap_s(const struct arrivals *a)
{
    const struct arrivals_spec *s = &a->spec;
    if (s->ramp == RAMP_NONE && isinf(s->rate))
        return 0.0;
    double unit = unit_gap(s, a->next_index);
    if (s->ramp == RAMP_NONE)
        return unit / s->rate;
    if (s->ramp == RAMP_STEPS)
        return steps_gap(s, a->at_s, unit);
    if (s->ramp_requests > 0)
        return index_ramp_gap(s, a->next_index, unit);
    return time_ramp_gap(s, a->at_s, unit);
}

bool arrivals_next(struct arrivals *a, int64_t *at_ns)
{
    const double last_s = (double)INT64_MAX / 2 / (double)NS_PER_S;
    if (a->spec.at_ns) {
        if (a->next_index >= a->spec.at_count)
            return false;
        *at_ns = a->spec.at_ns[a->next_index++];
        return true;
    }
    double at_s = a->at_s + gap_s(a);
    if (!(at_s <= last_s)) /* a rate of nothing: no request comes any more */
        return false;
    a->at_s = at_s;
    a->next_index++;
    *at_ns = llround(at_s * (double)NS_PER_S);
    return true;
}
