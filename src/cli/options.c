#include "cli/options.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/units.h"

enum { MAX_WORD = 64 };

/* Levenshtein distance of two short words. */
static size_t distance(const char *a, const char *b)
{
    size_t n = strlen(b), row[MAX_WORD + 1];
    if (strlen(a) > MAX_WORD || n > MAX_WORD)
        return MAX_WORD;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t above = row[j];
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            if (above + 1 < best)
                best = above + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            diagonal = above;
            row[j] = best;
        }
    }
    return row[n];
}

const char *options_nearest(const char *word, const char *(*candidate)(const void *, size_t),
                            const void *context)
{
    const char *best = NULL, *name;
    size_t limit = strlen(word) / 3 + 1, best_distance = limit + 1;
    for (size_t i = 0; (name = candidate(context, i)); i++) {
        size_t d = distance(word, name);
        if (d < best_distance) {
            best = name;
            best_distance = d;
        }
    }
    if (best)
        return best;
    for (size_t i = 0; (name = candidate(context, i)); i++) /* a name begun, or its end */
        if (strlen(word) >= 3 && strstr(name, word))
            return name;
    return NULL;
}

const struct option *option_at(const struct option_set *set, size_t i)
{
    for (size_t t = 0; t < OPTION_TABLES_MAX && set->tables[t]; t++)
        for (const struct option *o = set->tables[t]; o->name; o++)
            if (i-- == 0)
                return o;
    return NULL;
}

static const char *option_name_at(const void *context, size_t i)
{
    const struct option *o;
    for (size_t row = 0; (o = option_at(context, row)); row++)
        if (o->type != OPTION_GROUP && i-- == 0)
            return o->name;
    return NULL;
}

enum { NOT_FOUND = -1 };

/* Place of the option of that name, or of that letter when n is 0. */
static int find(const struct option_set *set, const char *name, size_t n)
{
    const struct option *o;
    for (size_t i = 0; (o = option_at(set, i)); i++) {
        bool same =
            n == 0 ? o->letter == name[0] : strlen(o->name) == n && memcmp(o->name, name, n) == 0;
        if (o->type != OPTION_GROUP && same)
            return (int)i;
    }
    return NOT_FOUND;
}

static bool is_choice(const char *choices, const char *value)
{
    size_t n = strlen(value);
    for (const char *p = choices; p && *p;) {
        const char *bar = strchr(p, '|');
        size_t len = bar ? (size_t)(bar - p) : strlen(p);
        if (len == n && memcmp(p, value, n) == 0)
            return true;
        p = bar ? bar + 1 : NULL;
    }
    return false;
}

static int store(const struct option *o, const char *value, void *into, struct err *e)
{
    char *field = (char *)into + o->offset;
    char what[96];
    snprintf(what, sizeof what, "--%s", o->name);
    switch (o->type) {
    case OPTION_TEXT:
    case OPTION_PATH:
        memcpy(field, &value, sizeof value);
        return OK;
    case OPTION_CHOICE:
        if (!is_choice(o->choices, value))
            return err_set(e, ERR_USAGE, "%s takes %s, not \"%s\"", what, o->choices, value);
        memcpy(field, &value, sizeof value);
        return OK;
    case OPTION_COUNT:
        return units_count(slice_of(value), what, (int64_t)o->low, (int64_t)o->high,
                           (int64_t *)(void *)field, e);
    case OPTION_NUMBER:
        return units_number(slice_of(value), what, o->low, o->high, (double *)(void *)field, e);
    case OPTION_DURATION:
        return units_duration_ns(slice_of(value), what, (int64_t *)(void *)field, e);
    case OPTION_LIST: {
        struct option_list *list = (struct option_list *)(void *)field;
        if (list->n == OPTION_LIST_MAX)
            return err_set(e, ERR_USAGE, "%s is given more than %d times", what, OPTION_LIST_MAX);
        list->items[list->n++] = value;
        return OK;
    }
    default:
        BUG("an option of no type");
    }
}

static int unknown(const struct option_set *set, const char *argument, struct err *e)
{
    char word[MAX_WORD + 1];
    snprintf(word, sizeof word, "%.*s", (int)strcspn(argument + 2, "="), argument + 2);
    const char *near = options_nearest(word, option_name_at, set);
    if (near)
        return err_set(e, ERR_USAGE, "unknown option --%s; did you mean --%s?", word, near);
    return err_set(e, ERR_USAGE, "unknown option --%s; --help lists them all", word);
}

/* Place of the option an argument names, and its value when that is part of the argument. */
static int recognise(const struct option_set *set, char *argument, char **value)
{
    *value = NULL;
    if (argument[1] != '-') {
        *value = argument[2] ? argument + 2 : NULL;
        return find(set, argument + 1, 0);
    }
    char *equals = strchr(argument, '=');
    size_t n = equals ? (size_t)(equals - argument) - 2 : strlen(argument) - 2;
    *value = equals ? equals + 1 : NULL;
    return n == 0 ? NOT_FOUND : find(set, argument + 2, n);
}

bool options_know(const struct option_set *set, const char *argument)
{
    size_t n = strcspn(argument, "=");
    return n > 2 && memcmp(argument, "--", 2) == 0 && find(set, argument + 2, n - 2) != NOT_FOUND;
}

static int take_operand(struct operands *operands, const char *argument, struct err *e)
{
    if (operands->n == OPTIONS_MAX_OPERANDS)
        return err_set(e, ERR_USAGE, "too many operands, from \"%s\" on", argument);
    operands->items[operands->n++] = argument;
    return OK;
}

static const char *keep_secret(char *value)
{
    char *copy = mem_strdup(value);
    memset(value, '*', strlen(value));
    return copy;
}

int options_parse(const struct option_set *set, int argc, char **argv, void *into,
                  struct operands *operands, struct err *e)
{
    size_t rows = 0;
    while (option_at(set, rows))
        rows++;
    bool *seen = MEM_ARRAY(bool, rows + 1);
    bool only_operands = false;
    int rc = OK;
    for (int i = 0; rc == OK && i < argc; i++) {
        char *argument = argv[i], *value;
        if (only_operands || argument[0] != '-' || argument[1] == '\0') {
            rc = take_operand(operands, argument, e);
            continue;
        }
        if (strcmp(argument, "--") == 0) {
            only_operands = true;
            continue;
        }
        int place = recognise(set, argument, &value);
        if (place == NOT_FOUND) {
            rc = argument[1] == '-'
                     ? unknown(set, argument, e)
                     : err_set(e, ERR_USAGE, "unknown option %s; --help lists them all", argument);
            break;
        }
        const struct option *o = option_at(set, (size_t)place);
        if (seen[place] && o->type != OPTION_LIST) {
            rc = err_set(e, ERR_USAGE, "--%s is given twice", o->name);
            break;
        }
        seen[place] = true;
        if (o->type == OPTION_FLAG) {
            if (value)
                rc = err_set(e, ERR_USAGE, "--%s takes no value", o->name);
            *((bool *)into + o->offset) = true;
            continue;
        }
        if (!value && i + 1 < argc)
            value = argv[++i];
        if (!value) {
            rc =
                err_set(e, ERR_USAGE, "--%s needs a value: --%s %s", o->name, o->name, o->argument);
            break;
        }
        rc = store(o, o->secret ? keep_secret(value) : value, into, e);
    }
    free(seen);
    return rc;
}

static void forget(const char *secret)
{
    if (!secret)
        return;
    explicit_bzero((char *)secret, strlen(secret));
    free((char *)secret);
}

void options_forget_secrets(const struct option_set *set, void *from)
{
    const struct option *o;
    for (size_t i = 0; (o = option_at(set, i)); i++) {
        char *field = (char *)from + o->offset;
        if (!o->secret)
            continue;
        if (o->type == OPTION_LIST) {
            struct option_list *list = (struct option_list *)(void *)field;
            while (list->n > 0)
                forget(list->items[--list->n]);
        } else {
            const char **text = (const char **)(void *)field;
            forget(*text);
            *text = NULL;
        }
    }
}

/* --- help --- */

enum { HELP_COLUMN = 28, HELP_WIDTH = 80 };

/* Text wrapped into the columns from `column` on; the cursor stands there. */
static void put_wrapped(FILE *out, const char *text, int column)
{
    int at = column;
    while (*text) {
        int n = (int)strcspn(text, " ");
        if (at > column && at + 1 + n > HELP_WIDTH) {
            fprintf(out, "\n%*s", column, "");
            at = column;
        }
        if (at > column)
            fputc(' ', out);
        fprintf(out, "%.*s", n, text);
        at += n + (at > column);
        text += n;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

void options_help(const struct option_set *set, FILE *out)
{
    const struct option *o;
    for (size_t i = 0; (o = option_at(set, i)); i++) {
        if (o->type == OPTION_GROUP) {
            fprintf(out, "\n%s\n", o->name);
            continue;
        }
        char left[96];
        int n = snprintf(left, sizeof left, "  %s%c%s--%s%s%s", o->letter ? "-" : "",
                         o->letter ? o->letter : ' ', o->letter ? ", " : "   ", o->name,
                         o->argument ? " " : "", o->argument ? o->argument : "");
        fprintf(out, "%s", left);
        if (n >= HELP_COLUMN)
            fprintf(out, "\n%*s", HELP_COLUMN, "");
        else
            fprintf(out, "%*s", HELP_COLUMN - n, "");
        put_wrapped(out, o->help, HELP_COLUMN);
    }
}

/* --- the command line, to be kept --- */

static void put_quoted(struct buf *out, const char *word)
{
    bool plain = word[0] != '\0';
    for (const char *p = word; *p; p++)
        plain = plain && (isalnum((unsigned char)*p) || strchr("-_=./:@,%+^", *p));
    if (plain) {
        buf_puts(out, word);
        return;
    }
    buf_putc(out, '\'');
    for (const char *p = word; *p; p++) {
        if (*p == '\'')
            buf_puts(out, "'\\''");
        else
            buf_putc(out, *p);
    }
    buf_putc(out, '\'');
}

static const struct option *named(const struct option_set *set, char *argument, char **value)
{
    int place = recognise(set, argument, value);
    return place == NOT_FOUND ? NULL : option_at(set, (size_t)place);
}

/* Walks as options_parse does: what stands behind an option is its value, whatever it looks like.
 */
char *options_command_line(const struct option_set *set, int argc, char **argv)
{
    struct buf out = {0};
    const struct option *wants_value = NULL;
    bool only_operands = false;
    for (int i = 0; i < argc; i++) {
        char *value = NULL;
        const struct option *o = NULL;
        if (i > 0)
            buf_putc(&out, ' ');
        if (wants_value) {
            if (wants_value->secret)
                buf_puts(&out, "***");
            else
                put_quoted(&out, argv[i]);
            wants_value = NULL;
            continue;
        }
        if (!only_operands && argv[i][0] == '-' && argv[i][1] != '\0')
            o = named(set, argv[i], &value);
        only_operands = only_operands || strcmp(argv[i], "--") == 0;
        if (o && o->type != OPTION_FLAG && !value)
            wants_value = o;
        if (!o || !o->secret || !value) {
            put_quoted(&out, argv[i]);
            continue;
        }
        buf_append(&out, argv[i], (size_t)(value - argv[i]));
        buf_puts(&out, "***");
    }
    buf_cstr(&out);
    return out.p;
}
