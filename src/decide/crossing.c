#include "decide/crossing.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "stats/isotonic.h"

static int by_load(const void *a, const void *b)
{
    const struct tail_point *x = a, *y = b;
    return (x->load > y->load) - (x->load < y->load);
}

/* Sorts the points and lays the rising line through them. */
static void lay_line(struct tail_point *p, size_t n)
{
    double *measured = MEM_ARRAY(double, 3 * n + 1), *weight = measured + n, *risen = weight + n;
    qsort(p, n, sizeof *p, by_load);
    for (size_t i = 0; i < n; i++) {
        measured[i] = p[i].measured;
        weight[i] = (double)p[i].level->offered;
    }
    isotonic_fit(measured, weight, n, true, risen);
    for (size_t i = 0; i < n; i++)
        p[i].risen = risen[i];
    free(measured);
}

static size_t line(const struct level *levels, size_t n,
                   double (*tail)(const struct level *, size_t), size_t j, struct tail_point *out)
{
    size_t points = 0;
    for (size_t i = 0; i < n; i++) {
        const struct level *l = &levels[i];
        double x = level_on_curve(l) ? log(tail(l, j)) : NAN;
        if (!isnan(x))
            out[points++] = (struct tail_point){
                .load = level_load(l), .measured = fmin(x, CROSSING_MOST), .level = l};
    }
    lay_line(out, points);
    return points;
}

static double tail_of_objective(const struct level *l, size_t j)
{
    return l->tail[j];
}

static double tail_of_ttft(const struct level *l, size_t j)
{
    (void)j;
    return l->ttft_p99_s;
}

size_t crossing_line(const struct level *levels, size_t n, size_t j, struct tail_point *out)
{
    return line(levels, n, tail_of_objective, j, out);
}

size_t crossing_line_of_ttft(const struct level *levels, size_t n, struct tail_point *out)
{
    return line(levels, n, tail_of_ttft, 0, out);
}

static struct crossing crossing_of(const struct tail_point *p, size_t n, int objective)
{
    struct crossing c = {.load = n > 0 ? INFINITY : NAN, .binding = objective, .slope = NAN};
    size_t i = 0;
    while (i < n && p[i].risen < 0)
        i++;
    if (i == n)
        return c;
    if (i == 0) {
        c.load = 0;
        return c;
    }
    double width = log(p[i].load) - log(p[i - 1].load), rise = p[i].risen - p[i - 1].risen;
    c.load = exp(log(p[i - 1].load) - p[i - 1].risen / rise * width);
    c.slope = width > 0 ? rise / width : NAN;
    return c;
}

void crossing_find(const struct level *levels, size_t n, size_t objectives, struct crossing *out)
{
    struct tail_point *p = MEM_ARRAY(struct tail_point, n + 1);
    *out = (struct crossing){.load = NAN, .binding = -1, .slope = NAN};
    for (size_t j = 0; j < objectives; j++) {
        struct crossing c = crossing_of(p, crossing_line(levels, n, j, p), (int)j);
        if (!(c.load >= out->load))
            *out = c;
    }
    free(p);
}
