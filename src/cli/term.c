#include "cli/term.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { DEFAULT_COLUMNS = 80, MIN_COLUMNS = 40 };

struct term term_of(FILE *stream)
{
    struct term t = {.columns = DEFAULT_COLUMNS};
    struct winsize size;
    const char *no_color = getenv("NO_COLOR"), *type = getenv("TERM");
    t.tty = isatty(fileno(stream)) == 1;
    t.color = t.tty && !(no_color && no_color[0]) && type && strcmp(type, "dumb") != 0;
    if (t.tty && ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        t.columns = size.ws_col < MIN_COLUMNS ? MIN_COLUMNS : size.ws_col;
    return t;
}

void term_say(const char *format, ...)
{
    va_list args;
    fputs("loadline: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

int term_exit_code(int err_code)
{
    switch (err_code) {
    case OK:
        return 0;
    case ERR_USAGE:
    case ERR_INPUT:
    case ERR_IO:
        return 1;
    case ERR_INTERRUPTED:
        return 130;
    default:
        return 2;
    }
}

int term_fail(const struct err *e)
{
    term_say("%s", e->text);
    return term_exit_code(e->code);
}
