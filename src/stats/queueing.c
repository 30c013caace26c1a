#include "stats/queueing.h"

#include <math.h>

#include "stats/special.h"

double queueing_closed_rate_bound(double n, double alone_s, double think_s, double most_rate)
{
    return fmin(n / (alone_s + think_s), most_rate);
}

double queueing_closed_latency_bound(double n, double alone_s, double think_s, double most_rate)
{
    return fmax(alone_s, n / most_rate - think_s);
}

double queueing_decode_batch(double rate, double output_tokens, double c0_s, double c1_s)
{
    double tokens = rate * output_tokens;
    double idle = 1 - tokens * c1_s;
    return idle > 0 ? tokens * c0_s / idle : INFINITY;
}

double queueing_prefill_ttft(double rate, double prefill_s)
{
    double idle = 1 - rate * prefill_s;
    return idle > 0 ? prefill_s + rate * prefill_s * prefill_s / (2 * idle) : INFINITY;
}

double queueing_batching_latency_bound(double rate, double alpha_s, double tau0_s)
{
    double u = rate * alpha_s, v = rate * tau0_s;
    if (!(u < 1))
        return INFINITY;
    double phi0 = (alpha_s + tau0_s) / (2 * (1 - u)) * (1 + 2 * v + (1 - v) / (1 + u));
    double phi1 = 1.5 * tau0_s / (1 - u) + alpha_s / 2 * (u + 2) / (1 - u * u);
    return fmin(phi0, phi1);
}

bool queueing_budget_stable(double rate, double prompt_tokens, double output_tokens, double budget,
                            double step_s)
{
    return rate * (prompt_tokens + output_tokens) < budget / step_s;
}

double queueing_burst_factor(double cv_gaps, double cv_service)
{
    return (cv_gaps * cv_gaps + cv_service * cv_service) / 2;
}

double queueing_run_length(double utilisation, double half_width, double level)
{
    double idle = 1 - utilisation;
    if (!(idle > 0))
        return INFINITY;
    double z = special_normal_quantile(1 - (1 - level) / 2);
    return 2 * z * z * (1 + utilisation) / (utilisation * idle * idle * half_width * half_width);
}
