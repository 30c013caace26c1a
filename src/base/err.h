#ifndef LOADLINE_BASE_ERR_H
#define LOADLINE_BASE_ERR_H

/* Errors: one list of negative codes, and a sentence a user can act on (what, where, what to try).
 * Functions that can fail for a reason a user should read take a struct err * (may be NULL) and
 * return a code; pure parsers return the code alone. BUG() is for our own mistakes, never for input. */

enum err_code {
    OK = 0,
    ERR_USAGE = -1,     /* options or configuration: exit 1 */
    ERR_INPUT = -2,     /* a file or text that cannot be read as what it should be: exit 1 */
    ERR_IO = -3,        /* the operating system refused: message has its words */
    ERR_NET = -4,       /* could not reach or talk to the server: exit 2 */
    ERR_HTTP = -5,      /* the server answered with an error status: exit 2 */
    ERR_PROTOCOL = -6,  /* bytes that break the protocol */
    ERR_TOO_BIG = -7,   /* a bound on a buffer was reached */
    ERR_TIMEOUT = -8,   /* no answer in time */
    ERR_TLS = -9,       /* handshake or certificate */
    ERR_INTERRUPTED = -10,
};

struct err {
    int code;
    char text[768];
};

/* Fills e (when not NULL) and returns code, so that `return err_set(e, ERR_IO, …)` reads well. */
int err_set(struct err *e, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts words in front of the sentence e already holds ("while opening x: …"). Returns e's code. */
int err_prefix(struct err *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

_Noreturn void err_bug(const char *file, int line, const char *what);

#define BUG(what) err_bug(__FILE__, __LINE__, (what))

#endif
