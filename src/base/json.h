#ifndef LOADLINE_BASE_JSON_H
#define LOADLINE_BASE_JSON_H

/* A pull scanner over one JSON text in memory: no allocation, no copies, views into the text. Made for
 * the hot path (one token event is one small object); configuration and results use jansson.
 *
 *     struct json j = json_of(text);
 *     struct slice key;
 *     for (json_enter_object(&j); json_next_key(&j, &key);)
 *         if (slice_is(key, "id")) json_string(&j, &id); else json_skip(&j);
 *     if (json_end(&j) < 0) …malformed…
 *
 * Errors are sticky: after the first one every call returns false or ERR_PROTOCOL and moves nothing, so
 * loops end by themselves and one check at the end suffices. Depth is bounded (JSON_MAX_DEPTH).
 * The whole grammar of RFC 8259 is checked for everything passed over, skipped values included. */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

enum { JSON_MAX_DEPTH = 256 };

enum json_type {
    JSON_INVALID = 0, /* an error, or the text is at its end */
    JSON_OBJECT,
    JSON_ARRAY,
    JSON_STRING,
    JSON_NUMBER,
    JSON_TRUE,
    JSON_FALSE,
    JSON_NULL,
};

struct json {
    const char *p;     /* next byte to look at */
    const char *end;
    const char *begin;
    int depth;
    bool first;        /* just entered an object or array: no comma before the next item */
    bool failed;
};

struct json json_of(struct slice text);

/* Type of the value ahead; consumes blanks only. */
enum json_type json_peek(struct json *j);

/* The value ahead must be of the type; otherwise an error. A number asked for by json_int must be whole
 * and fit. json_string gives the raw text between the quotes, escapes not yet undone. */
bool json_enter_object(struct json *j);
bool json_next_key(struct json *j, struct slice *raw_key); /* false: the object ended (or failed) */
bool json_enter_array(struct json *j);
bool json_next_item(struct json *j);                       /* false: the array ended (or failed) */
/* jansson has a function of this name too: under another symbol a program may link both. (One source file
 * cannot include both headers.) */
bool json_string(struct json *j, struct slice *raw) __asm__("loadline_json_string");
bool json_int(struct json *j, int64_t *out);
bool json_double(struct json *j, double *out);
bool json_bool(struct json *j, bool *out);
bool json_skip(struct json *j);

/* The text of the value ahead, brackets and quotes included; consumes it. */
bool json_raw(struct json *j, struct slice *out);

/* OK when nothing failed and nothing but blanks is left; ERR_PROTOCOL otherwise. */
int json_end(struct json *j);

/* Byte offset reached, for messages. */
size_t json_offset(const struct json *j);

/* Undoes escapes of a raw string (\uXXXX and surrogate pairs included) and appends UTF-8 to out.
 * A lone surrogate becomes U+FFFD, invalid UTF-8 is passed through. ERR_TOO_BIG from the buffer. */
int json_unescape(struct slice raw, struct buf *out);

/* Whether the bytes are well-formed UTF-8; if not, *at is where the first ill-formed sequence begins. */
bool json_is_utf8(struct slice text, size_t *at);

/* Writers: append to out. Strings are quoted and escaped; invalid UTF-8 becomes U+FFFD. */
int json_put_string(struct buf *out, struct slice text);
int json_put_int(struct buf *out, int64_t v);
int json_put_double(struct buf *out, double v); /* shortest that reads back the same; null when not finite */

#endif
