#include "report/calibration_quote.h"

#include <stdio.h>

#include <jansson.h>

#include "report/layout.h"

static json_t *fitting_level(json_t *levels, uint64_t peak)
{
    json_t *best = NULL, *level;
    json_int_t best_streams = 0;
    size_t i;
    json_array_foreach(levels, i, level)
    {
        json_int_t streams = json_integer_value(json_object_get(level, "streams"));
        bool covers = (uint64_t)streams >= peak, best_covers = (uint64_t)best_streams >= peak;
        if (!best || (covers && !best_covers) || (covers && streams < best_streams) ||
            (!best_covers && streams > best_streams)) {
            best = level;
            best_streams = streams;
        }
    }
    return best;
}

static const char *us_of(json_t *error, const char *percentile, char *out)
{
    return layout_ms(json_number_value(json_object_get(error, percentile)), out);
}

const char *calibration_quote(const struct summary *s, char *out, size_t out_bytes)
{
    char k50[LAYOUT_NUMBER], k99[LAYOUT_NUMBER], u50[LAYOUT_NUMBER], u99[LAYOUT_NUMBER];
    json_t *o = s->calibration_json ? json_loads(s->calibration_json, 0, NULL) : NULL;
    json_t *level = fitting_level(json_object_get(o, "levels"), s->run.peak_in_flight);
    json_t *error = json_object_get(
        json_object_get(json_object_get(level, "error_us"), "token_arrival"), "uncensored");
    json_t *kernel = json_object_get(error, "kernel"), *user = json_object_get(error, "user_space");
    const char *at = json_string_value(json_object_get(o, "at"));
    const char *quote = NULL;
    if (json_is_object(kernel) && json_is_object(user)) {
        snprintf(out, out_bytes,
                 "instrument error on this machine: token arrival p50 %s µs, p99 %s µs by kernel "
                 "stamps; %s µs and %s µs by user-space ones (loadline calibrate, %lld streams, "
                 "%.10s, over loopback)",
                 us_of(kernel, "p50", k50), us_of(kernel, "p99", k99), us_of(user, "p50", u50),
                 us_of(user, "p99", u99),
                 (long long)json_integer_value(json_object_get(level, "streams")), at ? at : "");
        quote = out;
    }
    json_decref(o);
    return quote;
}
