#ifndef LOADLINE_TESTS_HTTP_PARSER_ORACLE_H
#define LOADLINE_TESTS_HTTP_PARSER_ORACLE_H

/* What Node's http_parser makes of a stream of messages, as the text that http1_trace writes. */

#include "http1_trace.h"

struct oracle {
    struct buf text;
    bool failed;
    const char *error; /* http_parser's name for what it disliked, when failed */
};

void oracle_run(struct oracle *o, enum http1_kind kind, struct slice bytes);
void oracle_release(struct oracle *o);

#endif
