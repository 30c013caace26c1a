#include "stats/kneedle.h"

#include <stdlib.h>

#include "base/mem.h"

/* How far the curve lies beyond the diagonal, in the order in which it is looked through. Fills
 * distance[0 … n); false: the curve is flat. */
static bool find_distances(const double *x, const double *y, size_t n, enum kneedle_shape shape,
                           double *distance)
{
    double least = y[0], most = y[0], width = x[n - 1] - x[0];
    for (size_t i = 1; i < n; i++) {
        least = y[i] < least ? y[i] : least;
        most = y[i] > most ? y[i] : most;
    }
    if (!(most > least) || !(width > 0))
        return false;
    for (size_t i = 0; i < n; i++) {
        double above = (y[i] - least) / (most - least) - (x[i] - x[0]) / width;
        if (shape == KNEEDLE_CONCAVE)
            distance[i] = above;
        else
            distance[n - 1 - i] = -above;
    }
    return true;
}

/* n: none. */
static size_t first_knee(const double *d, size_t n, double drop)
{
    size_t candidate = n;
    for (size_t i = 1; i < n; i++) {
        bool last = i == n - 1;
        if (!last && d[i] > d[i - 1] && d[i] >= d[i + 1])
            candidate = i;
        else if (candidate < n && d[i] < d[candidate] - drop)
            return candidate;
        else if (!last && d[i] <= d[i - 1] && d[i] < d[i + 1])
            candidate = n; /* it rises again before it has fallen far enough */
    }
    return n;
}

bool kneedle_find(const double *x, const double *y, size_t n, enum kneedle_shape shape,
                  double sensitivity, size_t *index)
{
    if (n < 3)
        return false;
    double *distance = MEM_ARRAY(double, n);
    size_t knee = n;
    if (find_distances(x, y, n, shape, distance))
        knee = first_knee(distance, n, sensitivity / (double)(n - 1));
    free(distance);
    if (knee == n)
        return false;
    *index = shape == KNEEDLE_CONCAVE ? knee : n - 1 - knee;
    return true;
}
