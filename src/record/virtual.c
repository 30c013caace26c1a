#include "record/virtual.h"

#include "base/json.h"

bool virtual_run(const struct run_record *run)
{
    struct json j = json_of(slice_of(run->context_json ? run->context_json : ""));
    struct slice key, value;
    bool found = false;
    for (json_enter_object(&j); json_next_key(&j, &key);) {
        if (slice_is(key, VIRTUAL_KEY) && json_peek(&j) == JSON_STRING)
            found = json_string(&j, &value) && slice_is(value, VIRTUAL_VALUE);
        else
            json_skip(&j);
    }
    return found;
}
