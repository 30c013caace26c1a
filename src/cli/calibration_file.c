#include "cli/calibration_file.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "base/mem.h"
#include "drive/host.h"

static const char SCHEMA[] = "loadline.calibration/1";

enum { MAX_BYTES = 1 << 20 };

/* ---- JSON ---- */

static json_t *us(int64_t ns)
{
    return json_real((double)ns / 1e3);
}

static json_t *real(double x)
{
    return isnan(x) ? json_null() : json_real(x);
}

static json_t *whole(uint64_t n)
{
    return json_integer((json_int_t)n);
}

static json_t *spread_object(const struct spread *s)
{
    return json_pack("{s:o, s:o, s:o}", "p50", us(s->p50), "p99", us(s->p99), "max", us(s->max));
}

static json_t *error_object(const struct calibration_error *x)
{
    if (x->n == 0)
        return json_null();
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "n", whole(x->n), "min", us(x->min), "p50",
                     us(x->p50), "p99", us(x->p99), "p99.9", us(x->p999), "max", us(x->max));
}

static json_t *errors_object(const struct calibration_error errors[2][CALIBRATION_STAMPS])
{
    static const char *const names[] = {"uncensored", "censored"};
    json_t *o = json_object();
    for (int c = 0; c < 2; c++)
        json_object_set_new(o, names[c],
                            json_pack("{s:o, s:o}", "kernel",
                                      error_object(&errors[c][CALIBRATION_KERNEL]), "user_space",
                                      error_object(&errors[c][CALIBRATION_USER])));
    return o;
}

static json_t *level_object(const struct calibrate_level *l)
{
    static const char *const names[] = {"ttft", "token_arrival", "itl"};
    const struct calibration *c = &l->result;
    json_t *errors = json_object();
    for (int of = 0; of < CALIBRATION_KINDS; of++)
        json_object_set_new(errors, names[of], errors_object(c->error[of]));
    return json_pack(
        "{s:I, s:f, s:f, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
        "streams", (json_int_t)l->streams, "itl_ms", (double)l->itl_ns / 1e6, "duration_s",
        (double)l->duration_ns / 1e9, "output_tokens", (json_int_t)l->tokens, "requests",
        whole(c->requests), "events", whole(c->events), "unmatched_events", whole(c->unmatched),
        "censored_fraction", real(c->events ? (double)c->censored / (double)c->events : NAN),
        "censored_ours_fraction", real(l->censored_ours_fraction), "rx_stamped_fraction",
        real(l->stamped_fraction), "cpu_user_us_per_event", real(l->cpu_user_us_per_event),
        "cpu_total_us_per_event", real(l->cpu_total_us_per_event), "busy_fraction",
        real(l->busy_fraction), "bursts", whole(l->bursts), "burst_lateness_us",
        spread_object(&l->lateness), "burst_width_us", spread_object(&l->width), "error_us",
        errors);
}

static json_t *host_object(void)
{
    struct buf text = {0};
    host_describe(&text);
    json_t *o = json_loadb(text.p, text.n, 0, NULL);
    buf_release(&text);
    return o ? o : json_object();
}

char *calibration_json(const struct calibrate_level *levels, size_t count)
{
    char at[32];
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(at, sizeof at, "%Y-%m-%dT%H:%M:%SZ", &utc);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, level_object(&levels[i]));
    json_t *o = json_pack("{s:s, s:s, s:o, s:b, s:o}", "schema", SCHEMA, "at", at, "host",
                          host_object(), "loopback", 1, "levels", list);
    char *text = json_dumps(o, JSON_INDENT(2) | JSON_REAL_PRECISION(10));
    json_decref(o);
    return text;
}

/* ---- the file ---- */

/* Fills the folder, without a trailing slash. False where neither variable says where. */
static bool state_folder(char *out, size_t out_bytes)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    int n = -1;
    if (state && state[0] == '/') /* the specification: others are to be ignored */
        n = snprintf(out, out_bytes, "%s/loadline", state);
    else if (home && home[0])
        n = snprintf(out, out_bytes, "%s/.local/state/loadline", home);
    return n > 0 && (size_t)n < out_bytes;
}

static void make_folders(char *path)
{
    for (char *p = path + 1; *p; p++)
        if (*p == '/') {
            *p = '\0';
            mkdir(path, 0700);
            *p = '/';
        }
    mkdir(path, 0700);
}

int calibration_save(const char *json, struct err *e)
{
    char folder[PATH_MAX - 64], name[PATH_MAX], fresh[PATH_MAX];
    if (!state_folder(folder, sizeof folder))
        return err_set(e, ERR_IO, "the calibration is not kept: HOME is not set");
    make_folders(folder);
    snprintf(name, sizeof name, "%s/calibration.json", folder);
    snprintf(fresh, sizeof fresh, "%s/calibration.json.%d", folder, (int)getpid());
    FILE *file = fopen(fresh, "we");
    bool ok = file && fprintf(file, "%s\n", json) > 0;
    ok = file && fclose(file) == 0 && ok;
    if (ok && rename(fresh, name) == 0)
        return OK;
    int why = errno;
    unlink(fresh);
    return err_set(e, ERR_IO, "cannot keep the calibration as %s: %s", name, strerror(why));
}

static bool same(json_t *a, json_t *b, const char *key)
{
    return json_equal(json_object_get(a, key), json_object_get(b, key));
}

static json_t *load(void)
{
    char folder[PATH_MAX - 64], name[PATH_MAX];
    struct stat about;
    if (!state_folder(folder, sizeof folder))
        return NULL;
    snprintf(name, sizeof name, "%s/calibration.json", folder);
    if (stat(name, &about) != 0 || !S_ISREG(about.st_mode) || about.st_size > MAX_BYTES)
        return NULL;
    return json_load_file(name, 0, NULL);
}

char *calibration_last(void)
{
    char *text = NULL;
    json_t *o = load(), *here = host_object(), *host = json_object_get(o, "host");
    const char *schema = json_string_value(json_object_get(o, "schema"));
    if (schema && strcmp(schema, SCHEMA) == 0 && same(host, here, "cpu") &&
        same(host, here, "cores"))
        text = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(10));
    json_decref(o);
    json_decref(here);
    return text;
}
