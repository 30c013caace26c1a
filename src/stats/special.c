#include "stats/special.h"

#include <float.h>
#include <math.h>

static const double half_log_two_pi = 0.91893853320467274178;

/* Error of Stirling's formula, ln Γ(x + 1) − ((x + ½) ln x − x + ½ ln 2π) (Loader, Fast and
 * Accurate Computation of Binomial Probabilities, 2000). The series is that of ln Γ with the
 * Bernoulli numbers (DLMF 5.11.1); from 16 on its sixth term is below 1e-16. */
static double stirling_error(double x)
{
    if (x < 16) {
        int sign;
        return lgamma_r(x + 1, &sign) - ((x + 0.5) * log(x) - x + half_log_two_pi);
    }
    double r = 1 / (x * x);
    return (1.0 / 12 -
            r * (1.0 / 360 -
                 r * (1.0 / 1260 - r * (1.0 / 1680 - r * (1.0 / 1188 - r * (691.0 / 360360)))))) /
           x;
}

/* x ln(x/m) + m − x without cancellation where x is near m (Loader's bd0). */
static double deviance(double x, double m)
{
    if (fabs(x - m) >= 0.1 * (x + m))
        return x * log(x / m) + m - x;
    double v = (x - m) / (x + m);
    double sum = (x - m) * v;
    double term = 2 * x * v;
    for (int j = 3;; j += 2) {
        term *= v * v;
        double more = sum + term / j;
        if (more == sum)
            return sum;
        sum = more;
    }
}

/* x^a y^b / B(a, b), y = 1 − x. With lgamma alone nothing would be left of the digits when a and b
 * are millions; this is Loader's binomial density times ab/(a + b). */
static double beta_front(double a, double b, double x, double y)
{
    double n = a + b;
    double log_density = stirling_error(n) - stirling_error(a) - stirling_error(b) -
                         deviance(a, n * x) - deviance(b, n * y);
    return exp(log_density - half_log_two_pi) * sqrt(a / n * b);
}

/* The continued fraction of I_x(a, b)/(x^a y^b/B(a, b)) by Didonato and Morris (Significant Digit
 * Computation of the Incomplete Beta Function Ratios, 1992), by Lentz's method; quick for x
 * below the mean. It is a contraction of DLMF 8.17.22, whose own terms cancel when a is large and y
 * small; here what is small comes in by lambda = a − (a + b)x alone. Its number of steps grows as
 * the root of the larger parameter. */
static double beta_fraction(double a, double b, double x, double y)
{
    enum { MAX_STEPS = 1000000 };
    const double tiny = 1e-300;
    double lambda = a > b ? (a + b) * y - b : a - (a + b) * x;
    double c = a / (a + 1) * (lambda + 1);
    double d = 0, h = c;
    for (int i = 1; i <= MAX_STEPS; i++) {
        double n = i;
        double middle = a + 2 * n - 1;
        double over = (a + n - 1) / middle * ((a + b + n - 1) / middle) * n * (b - n) * x * x;
        double under =
            n + n * (b - n) * x / middle + (a + n) / (middle + 2) * (lambda + 1 + n * (1 + y));
        d = under + over * d;
        c = under + over / c;
        d = 1 / (fabs(d) < tiny ? tiny : d);
        c = fabs(c) < tiny ? tiny : c;
        h *= c * d;
        if (fabs(c * d - 1) <= DBL_EPSILON)
            break;
    }
    return 1 / h;
}

/* I_x(a, b), with y = 1 − x given too, for where x or y is so small that the difference would lose
 * it. */
static double beta_inc(double a, double b, double x, double y)
{
    if (isnan(a) || isnan(b) || isnan(x))
        return NAN;
    if (!(x > 0))
        return 0;
    if (!(y > 0))
        return 1;
    if (!(a > 0))
        return 1; /* the limit: all mass at 0 */
    if (!(b > 0))
        return 0;
    if (x <= (a + 1) / (a + b + 2))
        return beta_front(a, b, x, y) * beta_fraction(a, b, x, y);
    return 1 - beta_front(b, a, y, x) * beta_fraction(b, a, y, x);
}

double special_beta_inc(double a, double b, double x)
{
    return beta_inc(a, b, x, 1 - x);
}

double special_binomial_cdf(double k, double n, double p)
{
    k = floor(k);
    if (k < 0)
        return 0;
    if (k >= n)
        return 1;
    return beta_inc(n - k, k + 1, 1 - p, p);
}

double special_normal_cdf(double z)
{
    return 0.5 * erfc(-z * M_SQRT1_2);
}

/* Abramowitz & Stegun 26.2.23, |error| < 4.5e-4: the z > 0 that leaves q < ½ above it. */
static double normal_upper_guess(double q)
{
    double t = sqrt(-2 * log(q));
    return t - (2.515517 + t * (0.802853 + t * 0.010328)) /
                   (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
}

double special_normal_quantile(double p)
{
    if (!(p > 0 && p < 1))
        return p == 0 ? -INFINITY : p == 1 ? INFINITY : NAN;
    double q = p < 0.5 ? p : 1 - p;
    double z = -normal_upper_guess(q);
    enum { HALLEY_STEPS = 3 }; /* each triples the digits: one to two would do */
    for (int i = 0; i < HALLEY_STEPS; i++) {
        double density = exp(-z * z / 2 - half_log_two_pi);
        double u = (special_normal_cdf(z) - q) / density;
        z -= u / (1 + z * u / 2);
    }
    return p < 0.5 ? z : -z;
}

/* P(T > t), t ≥ 0. */
static double t_upper(double t, double df)
{
    double square = t * t;
    return 0.5 * beta_inc(df / 2, 0.5, df / (df + square), square / (df + square));
}

double special_t_cdf(double t, double df)
{
    if (isnan(t) || !(df > 0))
        return NAN;
    if (isinf(df))
        return special_normal_cdf(t);
    if (isinf(t))
        return t > 0;
    return t < 0 ? t_upper(-t, df) : 1 - t_upper(t, df);
}

static double t_density(double t, double df)
{
    int sign;
    return exp(lgamma_r((df + 1) / 2, &sign) - lgamma_r(df / 2, &sign) -
               (df + 1) / 2 * log1p(t * t / df)) /
           sqrt(df * M_PI);
}

/* The t > 0 with P(T > t) = q, 0 < q < ½: Newton's steps, and halving where they leave the bracket.
 */
static double t_upper_quantile(double q, double df)
{
    enum { MAX_STEPS = 2000 };
    double low = 0, high = 1;
    while (t_upper(high, df) > q && high < DBL_MAX / 2) {
        low = high;
        high *= 2;
    }
    double t = low + (high - low) / 2;
    for (int i = 0; i < MAX_STEPS; i++) {
        double excess = t_upper(t, df) - q;
        if (excess > 0)
            low = t;
        else
            high = t;
        double next = t + excess / t_density(t, df);
        if (!(next > low && next < high))
            next = low + (high - low) / 2;
        if (fabs(next - t) <= 2 * DBL_EPSILON * t)
            return next;
        t = next;
    }
    return t;
}

double special_t_quantile(double p, double df)
{
    if (!(p >= 0 && p <= 1) || !(df > 0))
        return NAN;
    if (isinf(df))
        return special_normal_quantile(p);
    if (p == 0 || p == 1)
        return p == 0 ? -INFINITY : INFINITY;
    if (p == 0.5)
        return 0;
    return p < 0.5 ? -t_upper_quantile(p, df) : t_upper_quantile(1 - p, df);
}
