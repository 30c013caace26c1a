#ifndef LOADLINE_STATS_SPECIAL_H
#define LOADLINE_STATS_SPECIAL_H

/* Special functions, to a relative 1e-10 or better where they are used. */

double special_beta_inc(double a, double b, double x);     /* regularised I_x(a, b) */
double special_binomial_cdf(double k, double n, double p); /* P(X ≤ k) */
double special_normal_cdf(double z);
double special_normal_quantile(double p);
double special_t_cdf(double t, double df);
double special_t_quantile(double p, double df);

#endif
