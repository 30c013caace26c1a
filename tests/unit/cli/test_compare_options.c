/* What the options of a comparison mean together. */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "cli/commands.h"
#include "cli/compare_options.h"

enum { WORDS_MAX = 16 };

struct given {
    struct compare_options o;
    struct compare_spec spec;
    struct err err;
    int rc;
};

/* Words in one string, parted by bars. */
static struct given parse(const char *line)
{
    static char text[512];
    char *argv[WORDS_MAX];
    int argc = 0;
    struct given g = {0};
    struct operands operands = {0};
    snprintf(text, sizeof text, "%s", line);
    for (char *word = strtok(text, "|"); word && argc < WORDS_MAX; word = strtok(NULL, "|"))
        argv[argc++] = word;
    compare_options_defaults(&g.o);
    g.rc = options_parse(&COMPARE_OPTIONS, argc, argv, &g.o, &operands, &g.err);
    if (g.rc == OK)
        g.rc = compare_options_spec(&g.o, &g.spec, &g.err);
    return g;
}

static struct given completed(const char *line)
{
    struct given g = parse(line);
    if (g.rc == OK) {
        compare_spec_complete(&g.spec);
        g.rc = compare_options_complete(&g.o, &g.spec, &g.err);
    }
    return g;
}

static void what_is_not_given_stays_zero_until_it_is_filled_in(void **state)
{
    (void)state;
    struct given g = parse("--quiet");
    assert_true(g.spec.metrics.n == 0 && g.spec.gates.n == 0 && g.spec.margin == 0 &&
                !g.spec.goodput && !g.spec.allow_mismatch);
    compare_spec_complete(&g.spec);
    assert_true(g.spec.metrics.n == 6 && g.spec.margin == 0.05);
    g = parse("--metrics|mean e2e|--margin|0.5 %|--allow-mismatch|--goodput|ttft:1s");
    compare_spec_complete(&g.spec);
    assert_true(g.spec.metrics.n == 1 && g.spec.margin == 0.005 && g.spec.allow_mismatch);
    assert_string_equal(g.spec.goodput, "ttft:1s");
}

static void ten_rounds_of_a_minute_are_the_default(void **state)
{
    (void)state;
    struct given g = completed("--request-rate|4");
    assert_int_equal(g.rc, OK);
    assert_true(g.o.rounds == 10 && g.o.run.duration_ns == 60 * NS_PER_S && g.o.run.seed >= 0);
    g = completed("--request-rate|4|--num-prompts|50");
    assert_true(g.o.run.duration_ns < 0);
    g = completed("--request-rate|inf|--rounds|3"); /* all at once: by number */
    assert_true(g.o.run.duration_ns < 0 && g.o.rounds == 3);
}

static void expect_refused(struct given g, const char *words)
{
    assert_int_equal(g.rc, ERR_USAGE);
    if (!strstr(g.err.text, words))
        fail_msg("\"%s\" lacks \"%s\"", g.err.text, words);
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    expect_refused(parse("--margin|5"), "5%");
    expect_refused(parse("--margin|%"), "--margin");
    expect_refused(parse("--margin|nan%"), "--margin");
    expect_refused(parse("--margin|0%"), "above 0");
    expect_refused(parse("--goodput|fast"), "goodput");
    expect_refused(parse("--rounds|501"), "500");
    expect_refused(parse("--fail-if|p50 ttft worse|--fail-if|p50 ttft better"), "column 10");
    expect_refused(completed("--fail-if|p50 ttft worse|--rounds|5"), "--rounds 6");
    expect_refused(completed("--metrics|goodput"), "--goodput");
    expect_refused(completed("--fail-if|goodput worse"), "--goodput");
    expect_refused(completed("--offline|--before-b|true"), "--offline has none");
    expect_refused(completed("--ready-timeout|5s"), "--before");
}

static void files_take_no_load(void **state)
{
    (void)state;
    static const char *const loads[] = {
        "--rounds|8",    "--duration|5s",    "--num-prompts|9",     "--before-a|ls",
        "--before-b|ls", "--request-rate|1", "--max-concurrency|1", "--seed|1",
        "--offline",     "--output-len|4",   "--context|gpu=x",     "--model|m"};
    for (size_t i = 0; i < sizeof loads / sizeof loads[0]; i++) {
        struct given g = parse(loads[i]);
        assert_int_equal(g.rc, OK);
        assert_int_equal(compare_options_refuse_load(&g.o, &g.err), ERR_USAGE);
    }
    struct given g = parse("--metrics|p50 ttft|--margin|1%|--fail-if|p50 ttft worse|--json|-");
    assert_int_equal(compare_options_refuse_load(&g.o, &g.err), OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_given_stays_zero_until_it_is_filled_in),
        cmocka_unit_test(ten_rounds_of_a_minute_are_the_default),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(files_take_no_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
