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

/* The same sources as above; the beta function by DLMF 8.17.22 with 40 digits. Parameters from 0.1
 * to 3·10⁷, up to six standard deviations from the mean: a random choice from 2,900 such values,
 * and where cancellation threatens most. */
static void all_are_right_to_ten_digits_over_a_wide_range(void **state)
{
    (void)state;
    static const struct {
        double a, b, x, value;
    } beta[] = {
        {0.1, 10000, 0.00010486206385669913, 0.97766943029602857},
        {0.5, 0.1, 0.001, 0.0055872164393213889},
        {0.5, 2, 0.001, 0.047418353514224849},
        {0.5, 2, 0.4138089935299395, 0.83182230961344174},
        {0.5, 3.7, 0.9711389607657961, 0.9999994234395782},
        {0.5, 20, 0.001, 0.1575838139836385},
        {0.5, 20, 0.024390243902439025, 0.67667818825170914},
        {0.5, 100000, 4.742585154746327e-05, 0.99792883332040026},
        {0.5, 30000000, 8.737734156126552e-08, 0.97796020461632226},
        {1, 0.1, 0.001, 0.00010004502852067864},
        {1, 200, 2.469059597020283e-05, 0.0049260073913097145},
        {1.5, 1, 0.001, 3.1622776601683794e-5},
        {2, 5, 0.001, 1.4960044976005001e-5},
        {2, 64, 0.05124529516560873, 0.85233909093506173},
        {2, 1000000, 6.2426218379288975e-06, 0.98591518553154933},
        {5, 10, 1e-12, 2.0019999999849848e-57},
        {10, 2, 0.21315966038729106, 1.7174956112671687e-6},
        {10, 1000, 1e-12, 2.8821635598357608e-97},
        {20, 1, 0.9523809523809523, 0.37688948287300028},
        {20, 2, 0.5494288326932071, 6.2910734331240352e-5},
        {20, 5, 0.8, 0.45987732975757934},
        {64, 1000, 0.016435947388435256, 3.1838982946424991e-18},
        {200, 1.5, 0.9985963336918133, 0.90494674568557363},
        {200, 20, 0.9284288922641598, 0.84249606525874477},
        {200, 10000, 0.001, 4.3567307814612196e-179},
        {1000, 0.1, 0.9980038757078143, 0.0056950573904844236},
        {1000, 1, 0.9980029955069887, 0.13547052836391329},
        {10000, 0.1, 0.9998951379361433, 0.022330569703958217},
        {10000, 0.5, 0.999950002499875, 0.31732260624777618},
        {10000, 20, 0.998003992015968, 0.47034600015412703},
        {30000000, 0.5, 0.9999998419119833, 0.0020712681184050773},
        {30000000, 0.5, 0.9999999833333336, 0.31731051201989891},
        {30000000, 2, 0.9999998861928913, 0.14523766131277617},
        {30000000, 2, 0.9999999804737844, 0.8827563986807104},
        {30000000, 10, 0.9999990342115724, 1.4727961966995676e-5},
        {30000000, 10, 0.9999996666667778, 0.45792973523215812},
    };
    static const struct {
        double k, n, p, value;
    } binomial[] = {
        {0, 5, 1e-06, 0.99999500000999999},
        {0, 20, 1e-06, 0.99998000018999886},
        {0, 20, 0.01, 0.81790693759723087},
        {0, 100, 0.001, 0.90479214711370904},
        {0, 100, 0.01, 0.3660323412732295},
        {0, 100000, 1e-06, 0.90483737279405965},
        {3, 20, 0.5, 0.0012884140014648438},
        {4, 5, 0.9, 0.40950999999999993},
        {4, 5, 0.999, 0.0049900099950010044},
        {42, 50000000, 1e-06, 0.143502107266051},
        {45, 100, 0.5, 0.18410080866334812},
        {993, 1000, 0.99, 0.87112337383011221},
        {99971, 100000, 0.9999, 7.6312744123514663e-7},
        {5001581, 10000000, 0.5, 0.84140001165605702},
    };
    static const struct {
        double z, p;
    } normal[] = {
        {-25.4, 1.2609324105604744e-142}, {-22.6, 2.1668590876034485e-113},
        {-19.8, 1.4884687758892645e-87},  {-19.1, 1.2624358221853197e-81},
        {-17, 4.1059962020989063e-65},    {-14.2, 4.5806205518947896e-46},
        {-12.8, 8.1975617131629325e-38},  {-9.3, 7.022284240441626e-21},
        {-7.2, 3.0106279811174336e-13},   {-3, 0.0013498980316300945},
        {1.2, 0.88493032977829172},       {4.7, 0.99999869919254608},
    };
    static const struct {
        double p, z;
    } normal_quantile[] = {
        {1e-100, -21.273453560965324},  {0.0001, -3.7190164854556806},
        {0.0014, -2.9888822673157905},  {0.01, -2.3263478740408411},
        {0.2, -0.84162123357291417},    {0.3, -0.52440051270804082},
        {0.4, -0.25334710313579974},    {0.499, -0.0025066308995717662},
        {0.501, 0.0025066308995717662}, {0.8, 0.84162123357291436},
        {0.95, 1.6448536269514723},     {0.975, 1.9599639845400539},
    };
    static const struct {
        double t, df, p;
    } t[] = {
        {-10, 1, 0.03172551743055357},         {-5, 1, 0.062832958189001184},
        {-5, 30, 1.1648342733503898e-5},       {-3, 100000000, 0.0013498983640187472},
        {-2, 100000000, 0.022750133297953376}, {-1, 1.7, 0.21905143615032088},
        {-0.5, 5.67, 0.3179400786595589},      {-0.5, 100000000, 0.30853753927608897},
        {0.1, 0.5, 0.5268341894356968},        {0.1, 1.7, 0.53457101072014024},
        {0.7, 10, 0.75005621491355782},        {1, 1000, 0.84122379095766385},
        {2, 19, 0.96999898180695082},          {4, 1, 0.92202086962263067},
        {4, 30, 0.99980907718195812},
    };
    static const struct {
        double p, df, t;
    } t_quantile[] = {
        {1e-12, 1, -318309886183.79068},         {1e-12, 1000, -7.1242289253144091},
        {1e-12, 100000000, -7.0344847131227749}, {1e-08, 3, -479.52506957973828},
        {1e-05, 5.67, -12.946137101820947},      {1e-05, 19, -5.6267662327240456},
        {0.01, 5.67, -3.2048908528311204},       {0.05, 1, -6.3137515146750427},
        {0.2, 1000, -0.84198082216242852},       {0.45, 19, -0.12735198289187441},
        {0.45, 1000, -0.12569326251871635},      {0.95, 100000000, 1.6448536421891639},
        {0.975, 30, 2.0422724563012379},         {0.975, 100000000, 1.9599640082627664},
        {0.995, 10, 3.1692726726169507},         {0.99999, 0.5, 1028491156.3257014},
        {0.99999, 30, 5.0540324214481056},
    };
    for (size_t i = 0; i < COUNT_OF(beta); i++)
        assert_close(special_beta_inc(beta[i].a, beta[i].b, beta[i].x), beta[i].value, "beta_inc",
                     beta[i].a, beta[i].b, beta[i].x);
    for (size_t i = 0; i < COUNT_OF(binomial); i++)
        assert_close(special_binomial_cdf(binomial[i].k, binomial[i].n, binomial[i].p),
                     binomial[i].value, "binomial_cdf", binomial[i].k, binomial[i].n,
                     binomial[i].p);
    for (size_t i = 0; i < COUNT_OF(normal); i++)
        assert_close(special_normal_cdf(normal[i].z), normal[i].p, "normal_cdf", normal[i].z, 0, 0);
    for (size_t i = 0; i < COUNT_OF(normal_quantile); i++)
        assert_close(special_normal_quantile(normal_quantile[i].p), normal_quantile[i].z,
                     "normal_quantile", normal_quantile[i].p, 0, 0);
    for (size_t i = 0; i < COUNT_OF(t); i++)
        assert_close(special_t_cdf(t[i].t, t[i].df), t[i].p, "t_cdf", t[i].t, t[i].df, 0);
    for (size_t i = 0; i < COUNT_OF(t_quantile); i++)
        assert_close(special_t_quantile(t_quantile[i].p, t_quantile[i].df), t_quantile[i].t,
                     "t_quantile", t_quantile[i].p, t_quantile[i].df, 0);
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
        cmocka_unit_test(all_are_right_to_ten_digits_over_a_wide_range),
    };
    return cmocka_run_group_tests_name("special functions", tests, NULL, NULL);
}
