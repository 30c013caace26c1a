#include "stats/moments.h"

#include <math.h>

void moments_add(struct moments *m, double x)
{
    m->min = m->n == 0 || x < m->min ? x : m->min;
    m->max = m->n == 0 || x > m->max ? x : m->max;
    m->n++;
    double delta = x - m->mean;
    m->mean += delta / (double)m->n;
    m->m2 += delta * (x - m->mean);
}

double moments_sd(const struct moments *m)
{
    return m->n < 2 ? 0 : sqrt(m->m2 / (double)(m->n - 1));
}
