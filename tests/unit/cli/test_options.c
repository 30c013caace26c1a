/* The command line: values, complaints, and secrets that are written nowhere. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/run_options.h"

struct things {
    bool loud;
    const char *name, *file, *color, *key;
    int64_t count, wait_ns;
    double rate;
    struct option_list tags, secrets;
};

#define AT(field) offsetof(struct things, field)

static const struct option TABLE[] = {
    {OPTION_GROUP, "Things", 0, NULL, NULL, 0, 0, 0, NULL, false},
    {OPTION_FLAG, "loud", 'l', NULL, "be loud", AT(loud), 0, 0, NULL, false},
    {OPTION_TEXT, "name", 'n', "NAME", "a name", AT(name), 0, 0, NULL, false},
    {OPTION_PATH, "file", 'f', "FILE", "a file", AT(file), 0, 0, NULL, false},
    {OPTION_CHOICE, "color", 0, "red|green", "a color", AT(color), 0, 0, "red|green", false},
    {OPTION_COUNT, "count", 'c', "N", "a count", AT(count), 1, 1000, NULL, false},
    {OPTION_NUMBER, "rate", 0, "R", "a rate", AT(rate), 0.5, INFINITY, NULL, false},
    {OPTION_DURATION, "wait", 0, "TIME", "a time", AT(wait_ns), 0, 0, NULL, false},
    {OPTION_LIST, "tag", 't', "TAG", "tags", AT(tags), 0, 0, NULL, false},
    {OPTION_TEXT, "key", 'k', "KEY", "a secret", AT(key), 0, 0, NULL, true},
    {0},
};
static const struct option MORE[] = {
    {OPTION_LIST, "hidden", 0, "TEXT", "secrets", AT(secrets), 0, 0, NULL, true},
    {0},
};
static const struct option_set SET = {{TABLE, MORE}};
enum { WORDS_MAX = 40 };

struct line { /* a command line that may be written into, and what came of it */
    char *argv[WORDS_MAX];
    int argc;
    struct things got;
    struct operands operands;
    struct err err;
    int rc;
};

static int set_up(void **state)
{
    *state = test_calloc(1, sizeof(struct line));
    return 0;
}

static void forget(struct line *l)
{
    for (int i = 0; i < l->argc; i++)
        free(l->argv[i]);
    options_forget_secrets(&SET, &l->got);
    assert_null(l->got.key);
    assert_int_equal(l->got.secrets.n, 0);
    *l = (struct line){0};
}

static int tear_down(void **state)
{
    forget(*state);
    test_free(*state);
    return 0;
}

static void words(struct line *l, const char *const *w)
{
    forget(l);
    for (; *w; w++)
        l->argv[l->argc++] = strdup(*w);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void parse(struct line *l, const char *const *w)
{
    words(l, w);
    l->rc = options_parse(&SET, l->argc, l->argv, &l->got, &l->operands, &l->err);
}

static void assert_parsed(const struct line *l)
{
    if (l->rc != OK)
        fail_msg("%s", l->err.text);
}

static void assert_refused(struct line *l, const char *const *w, const char *sentence)
{
    parse(l, w);
    assert_int_equal(l->rc, ERR_USAGE);
    if (!strstr(l->err.text, sentence))
        fail_msg("\"%s\" does not say \"%s\"", l->err.text, sentence);
}

/* --- values --- */

static void every_type_is_read_from_a_word_of_its_own(void **state)
{
    struct line *l = *state;
    parse(l, WORDS("--loud", "--name", "me", "--file", "/tmp/x", "--color", "green", "--count",
                   "2k", "target"));
    assert_int_equal(l->rc, ERR_USAGE); /* 2000 is above the table's limit */
    parse(l, WORDS("--loud", "--name", "me", "--file", "/tmp/x", "--color", "green", "--count",
                   "1k", "--rate", "2.5", "--wait", "1.5s", "target"));
    assert_parsed(l);
    assert_true(l->got.loud);
    assert_string_equal(l->got.name, "me");
    assert_string_equal(l->got.file, "/tmp/x");
    assert_string_equal(l->got.color, "green");
    assert_int_equal(l->got.count, 1000);
    assert_true(l->got.rate == 2.5);
    assert_int_equal(l->got.wait_ns, 1500 * NS_PER_MS);
    assert_int_equal(l->operands.n, 1);
    assert_string_equal(l->operands.items[0], "target");
}

static void every_type_is_read_from_behind_an_equals_sign(void **state)
{
    struct line *l = *state;
    parse(l, WORDS("--name=a=b", "--color=red", "--count=7", "--rate=inf", "--wait=2m", "--tag=x",
                   "--file="));
    assert_parsed(l);
    assert_string_equal(l->got.name, "a=b");
    assert_string_equal(l->got.color, "red");
    assert_int_equal(l->got.count, 7);
    assert_true(isinf(l->got.rate));
    assert_int_equal(l->got.wait_ns, 120 * NS_PER_S);
    assert_string_equal(l->got.tags.items[0], "x");
    assert_string_equal(l->got.file, "");
}

static void letters_take_values_beside_them_or_behind_them(void **state)
{
    struct line *l = *state;
    parse(l, WORDS("-l", "-nme", "-f", "x", "-c3"));
    assert_parsed(l);
    assert_true(l->got.loud);
    assert_string_equal(l->got.name, "me");
    assert_string_equal(l->got.file, "x");
    assert_int_equal(l->got.count, 3);
}

static void a_list_collects_and_its_length_is_bounded(void **state)
{
    struct line *l = *state;
    const char *many[OPTION_LIST_MAX + 2] = {0};
    parse(l, WORDS("--tag", "a", "-t", "b", "--tag=c"));
    assert_parsed(l);
    assert_int_equal(l->got.tags.n, 3);
    assert_string_equal(l->got.tags.items[1], "b");
    for (int i = 0; i < OPTION_LIST_MAX; i++)
        many[i] = "-tx";
    parse(l, many);
    assert_parsed(l);
    many[OPTION_LIST_MAX] = "-tx";
    assert_refused(l, many, "--tag is given more than 32 times");
}

static void what_stands_behind_an_option_is_its_value(void **state)
{
    struct line *l = *state;
    parse(l, WORDS("--name", "--loud", "-f", "-", "-t", "-5"));
    assert_parsed(l);
    assert_string_equal(l->got.name, "--loud");
    assert_false(l->got.loud);
    assert_string_equal(l->got.file, "-");
    assert_string_equal(l->got.tags.items[0], "-5");
}

static void two_dashes_end_the_options(void **state)
{
    struct line *l = *state;
    parse(l, WORDS("-l", "--", "--name", "-x", "--"));
    assert_parsed(l);
    assert_null(l->got.name);
    assert_int_equal(l->operands.n, 3);
    assert_string_equal(l->operands.items[0], "--name");
    assert_string_equal(l->operands.items[2], "--");
}

static void a_single_dash_is_an_operand(void **state)
{
    struct line *l = *state;
    parse(l, WORDS("-", "a"));
    assert_parsed(l);
    assert_int_equal(l->operands.n, 2);
}

static void nothing_is_touched_that_is_not_given(void **state)
{
    struct line *l = *state;
    words(l, WORDS("x"));
    l->got.count = 42;
    l->got.rate = 1;
    assert_int_equal(options_parse(&SET, l->argc, l->argv, &l->got, &l->operands, &l->err), OK);
    assert_int_equal(l->got.count, 42);
    assert_true(l->got.rate == 1);
    assert_false(l->got.loud);
}

/* --- complaints --- */

static void an_unknown_option_names_the_nearest(void **state)
{
    struct line *l = *state;
    assert_refused(l, WORDS("--cuont", "3"), "unknown option --cuont; did you mean --count?");
    assert_refused(l, WORDS("--colour=red"), "unknown option --colour; did you mean --color?");
    assert_refused(l, WORDS("--nam", "x"), "did you mean --name?");
    assert_refused(l, WORDS("--hid", "x"), "did you mean --hidden?");
    assert_refused(l, WORDS("--zzzzzz"), "unknown option --zzzzzz; --help lists them all");
    assert_refused(l, WORDS("--Things"), "unknown option --Things; --help"); /* a heading is none */
    assert_refused(l, WORDS("-z"), "unknown option -z");
    assert_refused(l, WORDS("--=3"), "unknown option");
    assert_refused(
        l,
        WORDS("--aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
              "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
        "unknown option");
}

static void an_option_given_twice_is_refused(void **state)
{
    struct line *l = *state;
    assert_refused(l, WORDS("--count", "1", "-c", "2"), "--count is given twice");
    assert_refused(l, WORDS("-l", "--loud"), "--loud is given twice");
}

static void a_missing_value_is_named(void **state)
{
    struct line *l = *state;
    assert_refused(l, WORDS("--count"), "--count needs a value: --count N");
    assert_refused(l, WORDS("-f"), "--file needs a value: --file FILE");
    assert_refused(l, WORDS("--count="), "--count");
}

static void a_flag_takes_no_value(void **state)
{
    struct line *l = *state;
    assert_refused(l, WORDS("--loud=yes"), "--loud takes no value");
    assert_refused(l, WORDS("-lx"), "--loud takes no value");
}

static void values_of_the_wrong_kind_are_refused_with_the_option_named(void **state)
{
    struct line *l = *state;
    assert_refused(l, WORDS("--color", "blue"), "--color takes red|green, not \"blue\"");
    assert_refused(l, WORDS("--color", "re"), "--color takes red|green");
    assert_refused(l, WORDS("--color", ""), "--color takes red|green");
    assert_refused(l, WORDS("--count", "0"), "--count");
    assert_refused(l, WORDS("--count", "1001"), "--count");
    assert_refused(l, WORDS("--count", "3x"), "--count");
    assert_refused(l, WORDS("--count", "1.5"), "--count");
    assert_refused(l, WORDS("--rate", "0.4"), "--rate");
    assert_refused(l, WORDS("--rate", "nan"), "--rate");
    assert_refused(l, WORDS("--rate", "fast"), "--rate");
    assert_refused(l, WORDS("--wait", "5"), "--wait"); /* a unit is required */
    assert_refused(l, WORDS("--wait", "-5s"), "--wait");
}

static void too_many_operands_are_refused(void **state)
{
    struct line *l = *state;
    assert_refused(l, WORDS("1", "2", "3", "4", "5", "6", "7", "8", "nine"), "from \"nine\" on");
}

/* --- secrets --- */

static void assert_no_secret_left(const struct line *l)
{
    for (int i = 0; i < l->argc; i++)
        assert_null(strstr(l->argv[i], "s3cret"));
}

static void secrets_are_copied_and_blanked_in_the_process_title(void **state)
{
    struct line *l = *state;
    static const char *const LINES[][6] = {
        {"--key", "s3cret", "x"}, {"--key=s3cret", "x"}, {"-k", "s3cret", "x"}, {"-ks3cret", "x"}};
    for (int i = 0; i < 4; i++) {
        parse(l, LINES[i]);
        assert_parsed(l);
        assert_string_equal(l->got.key, "s3cret");
        assert_no_secret_left(l);
        assert_string_equal(l->operands.items[0], "x");
    }
    parse(l, WORDS("--hidden", "A: s3cret", "--hidden=B: s3cret"));
    assert_parsed(l);
    assert_int_equal(l->got.secrets.n, 2);
    assert_string_equal(l->got.secrets.items[1], "B: s3cret");
    assert_no_secret_left(l);
    assert_int_equal(strlen(l->argv[1]),
                     strlen("A: s3cret")); /* its place in memory is as it was */
}

static void assert_line(struct line *l, const char *const *w, const char *wanted)
{
    words(l, w);
    char *text = options_command_line(&SET, l->argc, l->argv);
    assert_string_equal(text, wanted);
    free(text);
}

static void the_stored_line_hides_secrets_in_every_form(void **state)
{
    struct line *l = *state;
    assert_line(l, WORDS("u", "--key", "s3cret", "-l"), "u --key *** -l");
    assert_line(l, WORDS("u", "--key=s3cret", "-l"), "u --key=*** -l");
    assert_line(l, WORDS("u", "-k", "s3cret"), "u -k ***");
    assert_line(l, WORDS("u", "-ks3cret"), "u -k***");
    assert_line(l, WORDS("--hidden", "A: s3cret", "--hidden=B: s3cret"),
                "--hidden *** --hidden=***");
    assert_line(l, WORDS("u", "--key"), "u --key");
    assert_line(l, WORDS("--key", "--key"), "--key ***");
}

static void values_that_look_like_options_shift_no_secret_into_view(void **state)
{
    struct line *l = *state;
    assert_line(l, WORDS("--name", "--key", "--key", "s3cret"), "--name --key --key ***");
    assert_line(l, WORDS("--name", "--hidden", "-k", "s3cret"), "--name --hidden -k ***");
    assert_line(l, WORDS("--hidden", "--key", "-l", "x"), "--hidden *** -l x");
    assert_line(l, WORDS("--", "--key", "open"), "-- --key open");
}

static void the_stored_line_can_be_given_to_a_shell_again(void **state)
{
    struct line *l = *state;
    assert_line(l,
                WORDS("http://h:80/v1", "--rate=2.5", "--name", "a b", "--file", "it's", "",
                      "--tag", "$x;y", "-"),
                "http://h:80/v1 --rate=2.5 --name 'a b' --file 'it'\\''s' '' --tag '$x;y' -");
    assert_line(l, WORDS("a"), "a");
    words(l, WORDS("a"));
    char *text = options_command_line(&SET, 0, l->argv);
    assert_string_equal(text, "");
    free(text);
}

/* --- the program's own tables --- */

static void the_commands_tables_are_sound(void **state)
{
    (void)state;
    for (const struct command *c = COMMANDS; c->name; c++) {
        const struct option *o;
        for (size_t i = 0; c->options && (o = option_at(c->options, i)); i++) {
            assert_non_null(o->name);
            if (o->type == OPTION_GROUP)
                continue;
            assert_true(o->help && o->help[0]);
            assert_int_equal(o->type == OPTION_FLAG, o->argument == NULL);
            assert_true(o->choices ? o->type == OPTION_CHOICE || o->type == OPTION_TEXT
                                   : o->type != OPTION_CHOICE);
            if (o->type == OPTION_COUNT || o->type == OPTION_NUMBER)
                assert_true(o->low < o->high);
            for (size_t k = 0; k < i; k++) {
                const struct option *other = option_at(c->options, k);
                if (other->type == OPTION_GROUP)
                    continue;
                assert_string_not_equal(o->name, other->name);
                assert_true(o->letter == 0 || o->letter != other->letter);
                assert_int_not_equal(o->offset, other->offset);
            }
        }
    }
}

static void an_option_is_known_by_its_name_alone(void **state)
{
    (void)state;
    assert_true(options_know(&RUN_OPTIONS, "--seed"));
    assert_true(options_know(&RUN_OPTIONS, "--seed=5"));
    assert_false(options_know(&RUN_OPTIONS, "--see"));
    assert_false(options_know(&RUN_OPTIONS, "--listen"));
    assert_true(options_know(&SIM_OPTIONS, "--listen=x"));
    assert_false(options_know(&RUN_OPTIONS, "seed"));
    assert_false(options_know(&RUN_OPTIONS, "--"));
    assert_false(options_know(&RUN_OPTIONS, "--=x"));
    assert_false(options_know(&RUN_OPTIONS, "-o"));
    assert_false(options_know(&RUN_OPTIONS, ""));
}

static void what_carries_credentials_is_secret(void **state)
{
    static const char *const SECRET[] = {"api-key", "header"};
    (void)state;
    for (size_t k = 0; k < 2; k++) {
        bool secret = false;
        const struct option *o;
        for (size_t i = 0; (o = option_at(&RUN_OPTIONS, i)); i++)
            if (strcmp(o->name, SECRET[k]) == 0)
                secret = o->secret;
        assert_true(secret);
    }
}

static void help_fits_a_terminal_and_names_every_option(void **state)
{
    (void)state;
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    options_help(&RUN_OPTIONS, f);
    fclose(f);
    const struct option *o;
    for (size_t i = 0; (o = option_at(&RUN_OPTIONS, i)); i++) {
        char name[64];
        snprintf(name, sizeof name, "%s%s", o->type == OPTION_GROUP ? "\n" : "--", o->name);
        assert_non_null(strstr(text, name));
    }
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        assert_true(strlen(line) <= 80);
    free(text);
}

#define LINE_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LINE_TEST(every_type_is_read_from_a_word_of_its_own),
        LINE_TEST(every_type_is_read_from_behind_an_equals_sign),
        LINE_TEST(letters_take_values_beside_them_or_behind_them),
        LINE_TEST(a_list_collects_and_its_length_is_bounded),
        LINE_TEST(what_stands_behind_an_option_is_its_value),
        LINE_TEST(two_dashes_end_the_options),
        LINE_TEST(a_single_dash_is_an_operand),
        LINE_TEST(nothing_is_touched_that_is_not_given),
        LINE_TEST(an_unknown_option_names_the_nearest),
        LINE_TEST(an_option_given_twice_is_refused),
        LINE_TEST(a_missing_value_is_named),
        LINE_TEST(a_flag_takes_no_value),
        LINE_TEST(values_of_the_wrong_kind_are_refused_with_the_option_named),
        LINE_TEST(too_many_operands_are_refused),
        LINE_TEST(secrets_are_copied_and_blanked_in_the_process_title),
        LINE_TEST(the_stored_line_hides_secrets_in_every_form),
        LINE_TEST(values_that_look_like_options_shift_no_secret_into_view),
        LINE_TEST(the_stored_line_can_be_given_to_a_shell_again),
        LINE_TEST(the_commands_tables_are_sound),
        cmocka_unit_test(an_option_is_known_by_its_name_alone),
        LINE_TEST(what_carries_credentials_is_secret),
        LINE_TEST(help_fits_a_terminal_and_names_every_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
