/* Reference values: mpmath 1.3 at 50 digits (betainc with regularized=True, ncdf, findroot); the
 * binomial sums by adding the terms downward from k with 50 digits, the first term from loggamma.
 */

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "stats/special.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

static void assert_close(double got, double want, const char *what, double a, double b, double c)
{
    if (!(fabs(got - want) <= 1e-10 * fabs(want)))
        fail_msg("%s(%g, %g, %g) = %.17g, should be %.17g", what, a, b, c, got, want);
}

static void incomplete_beta_is_right_to_ten_digits(void **state)
{
    (void)state;
    static const struct {
        double a, b, x, value;
    } cases[] = {
        {2, 3, 0.5, 0.6875},
        {0.5, 0.5, 0.3, 0.36901011956554538276},
        {10, 1, 0.9, 0.3486784401},
        {44, 1, 0.9, 0.0096977372978752360288},
        {1, 1, 0.25, 0.25},
        {100, 200, 0.3, 0.10884306564490983653},
        {5000, 50, 0.99, 0.45333141278251005717},
        {0.5, 20, 0.001, 0.15758381398363849393},
        {20, 0.5, 0.999, 0.84241618601636150607},
        {3, 7.5, 1e-8, 1.0093749507929698326e-22},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        double a = cases[i].a, b = cases[i].b, x = cases[i].x;
        assert_close(special_beta_inc(a, b, x), cases[i].value, "beta_inc", a, b, x);
    }
}

static void incomplete_beta_has_its_ends_and_its_symmetry(void **state)
{
    (void)state;
    assert_true(special_beta_inc(3, 4, 0) == 0);
    assert_true(special_beta_inc(3, 4, 1) == 1);
    for (double x = 0.125; x < 1; x += 0.125)
        assert_close(special_beta_inc(2.5, 40, x), 1 - special_beta_inc(40, 2.5, 1 - x), "sum", x,
                     0, 0);
}

static void binomial_sums_are_right_to_ten_digits(void **state)
{
    (void)state;
    static const struct {
        double k, n, p, value;
    } cases[] = {
        {4, 10, 0.5, 0.376953125},
        {0, 1, 0.5, 0.5},
        {2, 20, 0.1, 0.676926805189466036},
        {89, 100, 0.9, 0.416844487733508197},
        {40, 100, 0.5, 0.0284439668204903958},
        {980, 1000, 0.99, 0.00328835978772746637},
        {989800, 1e6, 0.99, 0.0227424973605220879},
        {49499000, 5e7, 0.99, 0.0777468856312895212},
        {24990000, 5e7, 0.5, 0.00233990080531363555},
        {3, 1e6, 1e-6, 0.981011904437096605},
        {3.9, 1e6, 1e-6, 0.981011904437096605},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        double k = cases[i].k, n = cases[i].n, p = cases[i].p;
        assert_close(special_binomial_cdf(k, n, p), cases[i].value, "binomial_cdf", k, n, p);
    }
    assert_true(special_binomial_cdf(-1, 5, 0.5) == 0);
    assert_true(special_binomial_cdf(5, 5, 0.5) == 1);
    assert_true(special_binomial_cdf(2, 5, 0) == 1);
    assert_true(special_binomial_cdf(2, 5, 1) == 0);
}

static void normal_distribution_is_right_to_ten_digits(void **state)
{
    (void)state;
    static const struct {
        double z, p;
    } cdf[] = {
        {0, 0.5},
        {1, 0.841344746068542949},
        {1.959963984540054, 0.974999999999999986},
        {-2.5, 0.00620966532577613517},
        {-8, 6.22096057427178412e-16},
        {-20, 2.7536241186062337e-89},
        {3, 0.998650101968369905},
    };
    static const struct {
        double p, z;
    } quantile[] = {
        {0.5, 0},
        {0.6, 0.253347103135799799},
        {0.9, 1.28155156554460047},
        {0.975, 1.95996398454005424},
        {0.995, 2.57582930354890076},
        {0.999, 3.09023230616781354},
        {0.025, -1.95996398454005424},
        {1e-5, -4.26489079392282463},
        {1e-20, -9.26234008979840757},
        {1e-300, -37.0470962993611992},
    };
    for (size_t i = 0; i < COUNT_OF(cdf); i++)
        assert_close(special_normal_cdf(cdf[i].z), cdf[i].p, "normal_cdf", cdf[i].z, 0, 0);
    assert_true(fabs(special_normal_quantile(0.5)) < 1e-15);
    for (size_t i = 1; i < COUNT_OF(quantile); i++)
        assert_close(special_normal_quantile(quantile[i].p), quantile[i].z, "normal_quantile",
                     quantile[i].p, 0, 0);
    assert_true(isinf(special_normal_quantile(1)));
    assert_true(isnan(special_normal_quantile(1.5)));
}

static void t_distribution_is_right_to_ten_digits(void **state)
{
    (void)state;
    static const struct {
        double t, df, p;
    } cdf[] = {
        {1, 1, 0.75},
        {2, 5, 0.949030260585070822},
        {-2.5, 3.7, 0.035911011455913388},
        {-40, 3, 0.0000171903403945792641},
        {0.001, 10, 0.500389108312629508},
        {2.0930240544, 19, 0.974999999999589097},
        {-6, 1e6, 9.86924906177217335e-10},
    };
    static const struct {
        double p, df, t;
    } quantile[] = {
        {0.975, 1, 12.7062047361747046},   {0.975, 2, 4.30265272974946385},
        {0.975, 4, 2.77644510519779436},   {0.975, 9, 2.26215716279820554},
        {0.975, 19, 2.09302405440830977},  {0.995, 10, 3.16927267261695123},
        {0.95, 5, 2.01504837333302424},    {0.975, 6.4, 2.41031449964789207},
        {0.6, 30, 0.255605364951912772},   {0.025, 19, -2.09302405440830977},
        {0.975, 1e6, 1.95996635681410704}, {0.9999, 3, 22.2037422732041829},
    };
    for (size_t i = 0; i < COUNT_OF(cdf); i++)
        assert_close(special_t_cdf(cdf[i].t, cdf[i].df), cdf[i].p, "t_cdf", cdf[i].t, cdf[i].df, 0);
    for (size_t i = 0; i < COUNT_OF(quantile); i++)
        assert_close(special_t_quantile(quantile[i].p, quantile[i].df), quantile[i].t, "t_quantile",
                     quantile[i].p, quantile[i].df, 0);
    assert_close(special_t_quantile(0.975, INFINITY), 1.95996398454005424, "t_quantile", 0.975, 0,
                 0);
    assert_true(special_t_quantile(0.5, 7) == 0);
    assert_true(isinf(special_t_quantile(1, 7)));
    assert_true(isnan(special_t_quantile(0.5, 0)));
}

static void t_quantile_undoes_t_cdf_far_out(void **state)
{
    (void)state;
    static const double dfs[] = {0.3, 1, 2.5, 40, 1e5};
    static const double ps[] = {1e-12, 1e-6, 0.01, 0.3, 0.499};
    for (size_t i = 0; i < COUNT_OF(dfs); i++)
        for (size_t j = 0; j < COUNT_OF(ps); j++)
            assert_close(special_t_cdf(special_t_quantile(ps[j], dfs[i]), dfs[i]), ps[j],
                         "t_cdf of t_quantile", ps[j], dfs[i], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(incomplete_beta_is_right_to_ten_digits),
        cmocka_unit_test(incomplete_beta_has_its_ends_and_its_symmetry),
        cmocka_unit_test(binomial_sums_are_right_to_ten_digits),
        cmocka_unit_test(normal_distribution_is_right_to_ten_digits),
        cmocka_unit_test(t_distribution_is_right_to_ten_digits),
        cmocka_unit_test(t_quantile_undoes_t_cdf_far_out),
    };
    return cmocka_run_group_tests_name("special functions", tests, NULL, NULL);
}
