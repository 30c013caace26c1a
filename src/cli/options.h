#ifndef LOADLINE_CLI_OPTIONS_H
#define LOADLINE_CLI_OPTIONS_H

/* Command-line options from tables: one row an option says how it is parsed, what help shows and what shell
 * completion offers, so that the three cannot disagree. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

enum option_type {
    OPTION_FLAG,     /* bool */
    OPTION_TEXT,     /* const char * */
    OPTION_PATH,     /* const char *, a file (for completion) */
    OPTION_COUNT,    /* int64_t, within [low, high] */
    OPTION_NUMBER,   /* double, within [low, high] */
    OPTION_DURATION, /* int64_t ns; a unit is required */
    OPTION_LIST,     /* struct option_list: may be given several times */
    OPTION_CHOICE,   /* const char *, one of `choices` */
    OPTION_GROUP,    /* no option: a heading of the help */
};

enum { OPTION_LIST_MAX = 32 };

struct option_list {
    const char *items[OPTION_LIST_MAX];
    size_t n;
};

struct option {
    enum option_type type;
    const char *name;    /* without dashes; of a group: its title */
    char letter;         /* short form, 0 for none */
    const char *argument; /* as shown in help */
    const char *help;
    size_t offset;       /* of its field in the options' struct */
    double low, high;
    const char *choices; /* "a|b|c": all that an OPTION_CHOICE takes; of another type, what completion offers */
    bool secret;         /* its value is never written anywhere */
};

/* A command's options: tables of its own and tables it shares, which all describe one struct. A table ends with
 * a row that has no name. */
enum { OPTION_TABLES_MAX = 8 };

struct option_set {
    const struct option *tables[OPTION_TABLES_MAX]; /* up to the first NULL */
};

/* The i-th row of all tables in order; NULL behind the last. */
const struct option *option_at(const struct option_set *set, size_t i);

enum { OPTIONS_MAX_OPERANDS = 8 };

struct operands {
    const char *items[OPTIONS_MAX_OPERANDS];
    size_t n;
};

/* Parses argv[0..argc) (without the program and command names) into `into`. Every option at most once unless it is
 * a list. Values of secret options are copied and blanked in argv, so that the process title does not show
 * them. ERR_USAGE names the option, what is wrong and the nearest name. */
int options_parse(const struct option_set *set, int argc, char **argv, void *into,
                  struct operands *operands, struct err *e);

/* Overwrites and frees the copies of secret values that options_parse made in `from`. */
void options_forget_secrets(const struct option_set *set, void *from);

void options_help(const struct option_set *set, FILE *out);

/* Whether an argument, "--name" or "--name=value", is an option of the set. */
bool options_know(const struct option_set *set, const char *argument);

/* The command line as it may be stored and shown: quoted for a shell, secret values replaced by ***. The caller
 * frees it. Call it before options_parse blanks them. */
char *options_command_line(const struct option_set *set, int argc, char **argv);

/* The candidate nearest to `word` in edits, or NULL when none is near. candidate(i) ends with NULL. */
const char *options_nearest(const char *word, const char *(*candidate)(const void *, size_t),
                            const void *context);

#endif
