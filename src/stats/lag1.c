#include "stats/lag1.h"

double lag1_correlation(const double *x, size_t n)
{
    double mean = 0, squares = 0, products = 0;
    for (size_t i = 0; i < n; i++)
        mean += (x[i] - x[0]) / (double)n; /* of equal values exactly 0 */
    for (size_t i = 0; i < n; i++) {
        double d = x[i] - x[0] - mean;
        squares += d * d;
        if (i > 0)
            products += d * (x[i - 1] - x[0] - mean);
    }
    return squares > 0 ? products / squares : 0;
}
