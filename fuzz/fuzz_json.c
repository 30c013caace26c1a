/* The JSON scanner: a skip and a walk come to the same verdict, and what is taken writes back. */
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_string(struct slice raw)
{
    struct buf text = {0}, again = {0};
    struct slice back;
    if (json_unescape(raw, &text) < 0 || json_put_string(&again, buf_slice(&text)) < 0)
        BUG("a buffer without a maximum refused");
    struct json j = json_of(buf_slice(&again));
    if (!json_string(&j, &back) || json_end(&j) < 0)
        BUG("what was written is not a string");
    buf_release(&text);
    buf_release(&again);
}

static void check_number(struct json *j)
{
    struct json copy = *j;
    struct buf text = {0};
    double d, back;
    int64_t i;
    json_int(&copy, &i);
    copy = *j;
    if (json_double(&copy, &d)) {
        json_put_double(&text, d);
        struct json again = json_of(buf_slice(&text));
        if (!json_double(&again, &back) || back != d || json_end(&again) < 0)
            BUG("a number did not come back");
        buf_release(&text);
    }
    json_skip(j);
}

static void walk(struct json *j)
{
    struct slice s;
    bool b;
    switch (json_peek(j)) {
    case JSON_OBJECT:
        for (json_enter_object(j); json_next_key(j, &s);) {
            check_string(s);
            walk(j);
        }
        break;
    case JSON_ARRAY:
        for (json_enter_array(j); json_next_item(j);)
            walk(j);
        break;
    case JSON_STRING:
        if (json_string(j, &s))
            check_string(s);
        break;
    case JSON_NUMBER:
        check_number(j);
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        json_bool(j, &b);
        break;
    default:
        json_skip(j);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = slice_make((const char *)data, size), raw;
    struct json skipped = json_of(in), walked = json_of(in), taken = json_of(in);
    json_skip(&skipped);
    walk(&walked);
    if (json_end(&skipped) != json_end(&walked))
        BUG("skip and walk disagree");
    if (json_raw(&taken, &raw) && raw.n > size)
        BUG("a value longer than the text");
    if (json_offset(&walked) > size)
        BUG("past the end");
    check_string(in); /* bytes that no scanner has passed */
    return 0;
}
