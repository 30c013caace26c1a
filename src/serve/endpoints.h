#ifndef LOADLINE_SERVE_ENDPOINTS_H
#define LOADLINE_SERVE_ENDPOINTS_H

/* What each path answers. */

#include "serve/client.h"

/* Answers the client's complete request at once, or begins a generation for it. */
void endpoints_answer(struct client *c);

#endif
