#include "stats/early.h"

#include "stats/special.h"

uint64_t early_h_min(double p, double c, uint64_t t)
{
    if (!(p > 0))
        return 1;
    if (!(p < 1) || !(c < 1))
        return UINT64_MAX; /* no number of requests would do */
    double over = (double)t + 1;
    uint64_t high = 1;
    while (high < UINT64_MAX / 2 && special_beta_inc((double)high, over, p) > 1 - c)
        high *= 2;
    uint64_t low = high / 2; /* too few, or 0 */
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        if (special_beta_inc((double)middle, over, p) > 1 - c)
            low = middle;
        else
            high = middle;
    }
    return high;
}

uint64_t early_total(double p, double c, uint64_t t)
{
    uint64_t h = early_h_min(p, c, t);
    return h > UINT64_MAX - t ? UINT64_MAX : h + t;
}
