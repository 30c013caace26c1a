/* Measured points against the simulated engine: engine-accuracy CSV [--rows]
 *
 * Each row of the file is a closed loop that somebody ran on real GPUs: engine, its version, model,
 * GPU, precision, GPUs, mean lengths, whether they vary (uniform in 0.8 to 1 of the length),
 * concurrency, mean time per output token. The same loop is run through the simulated engine in
 * virtual time and the two means are compared. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "sim/engine.h"

enum {
    COLUMNS = 12,
    LINE_BYTES = 512,
    TURNS = 6, /* requests of each user */
    MIN_REQUESTS = 24,
    MAX_GROUPS = 512,
    GROUP_BYTES = 96,
};

#define SHORTEST_SHARE 0.8 /* of the length, where lengths vary */

enum column {
    ENGINE,
    VERSION,
    MODEL,
    GPU,
    PRECISION,
    TP,
    INPUT,
    OUTPUT,
    JITTER,
    CONCURRENCY,
    TPOT,
    TTFT,
};

static const char *const header[COLUMNS] = {
    "engine", "version", "model",         "gpu",         "precision", "tp",
    "isl",    "osl",     "length_jitter", "concurrency", "tpot_ms",   "ttft_ms",
};

struct row {
    char line[LINE_BYTES];
    const char *at[COLUMNS];
    double measured_ms, simulated_ms;
};

struct user { /* of the closed loop: one request after the other */
    int64_t output, first_ns;
};

struct loop {
    struct engine *engine;
    const struct row *row;
    uint64_t sent, ended;
    int64_t now_ns;
    double tpot_ns;
    uint64_t counted;
};

_Noreturn static void die(const char *what, const char *text)
{
    fprintf(stderr, "engine-accuracy: %s: %s\n", what, text);
    exit(1);
}

static double number(const struct row *r, enum column c)
{
    char *end;
    double v = strtod(r->at[c], &end);
    if (end == r->at[c] || *end || !(v >= 0))
        die(header[c], r->at[c]);
    return v;
}

static bool split(struct row *r)
{
    int n = 0;
    r->line[strcspn(r->line, "\r\n")] = '\0';
    char *rest = r->line;
    for (char *field; n < COLUMNS && (field = strsep(&rest, ","));)
        r->at[n++] = field;
    return n == COLUMNS && !rest;
}

static int64_t draw_length(struct rng *g, double length, bool varies)
{
    double share = varies ? SHORTEST_SHARE + (1 - SHORTEST_SHARE) * rng_unit(g) : 1;
    double n = round(length * share);
    return n < 1 ? 1 : (int64_t)n;
}

static void send(struct loop *l, struct user *u)
{
    struct rng g = rng_at(1, RNG_LENGTH, l->sent++);
    bool varies = number(l->row, JITTER) > 0;
    int64_t input = draw_length(&g, number(l->row, INPUT), varies);
    *u = (struct user){.output = draw_length(&g, number(l->row, OUTPUT), varies)};
    if (!engine_submit(l->engine, input, u->output, u))
        die("a request is longer than the context", l->row->at[MODEL]);
}

static void take(struct loop *l, const struct engine_token *t, uint64_t requests)
{
    struct user *u = t->owner;
    if (t->index == 0)
        u->first_ns = l->now_ns;
    if (!t->last)
        return;
    l->ended++;
    if (u->output > 1) {
        l->tpot_ns += (double)(l->now_ns - u->first_ns) / (double)(u->output - 1);
        l->counted++;
    }
    if (l->sent < requests)
        send(l, u);
}

/* Rows whose lengths vary are of the InferenceMAX suite, whose launch scripts are public: ten
 * requests a user, vLLM with asynchronous scheduling, an fp8 cache for Llama everywhere and for
 * gpt-oss on Blackwell, TensorRT-LLM with max_num_tokens of 20,000 for gpt-oss, 16,384 on
 * Blackwell, and a request's longest length and 200 on Hopper. */
static bool of_suite(const struct row *r)
{
    return number(r, JITTER) > 0;
}

static bool suite_fp8_cache(const struct row *r)
{
    return strncmp(r->at[MODEL], "llama", 5) == 0 || strstr(r->at[GPU], "b200");
}

static int64_t suite_step_tokens(const struct row *r)
{
    if (strncmp(r->at[MODEL], "gpt-oss", 7) == 0)
        return 20000;
    if (strstr(r->at[GPU], "b200"))
        return 16384;
    return (int64_t)(number(r, INPUT) + number(r, OUTPUT)) + 200;
}

/* TensorRT-LLM's PyTorch backend and vLLM from 0.14 prepare a step while the one before runs. */
static bool overlaps(const struct row *r)
{
    int major = 0, minor = 0;
    if (strcmp(r->at[ENGINE], "vllm") != 0 || of_suite(r))
        return true;
    return sscanf(r->at[VERSION], "%d.%d", &major, &minor) == 2 && (major > 0 || minor >= 14);
}

static struct sim_config config_of(const struct row *r)
{
    char text[256], more[96] = "";
    struct sim_config c;
    struct err e;
    if (of_suite(r) && suite_fp8_cache(r))
        strcat(more, "&kv_precision=fp8");
    if (of_suite(r) && strcmp(r->at[ENGINE], "trtllm") == 0)
        snprintf(more + strlen(more), sizeof more - strlen(more), "&max_num_batched_tokens=%lld",
                 (long long)suite_step_tokens(r));
    snprintf(text, sizeof text, "%s@%sx%s?engine=%s&precision=%s&async_scheduling=%s%s",
             r->at[MODEL], r->at[GPU], r->at[TP], r->at[ENGINE], r->at[PRECISION],
             overlaps(r) ? "on" : "off", more);
    if (spec_parse(slice_of(text), &c, &e) < 0)
        die(text, e.text);
    return c;
}

static double simulate(const struct row *r)
{
    struct sim_config c = config_of(r);
    size_t users = (size_t)number(r, CONCURRENCY);
    uint64_t requests = users * TURNS < MIN_REQUESTS ? MIN_REQUESTS : users * TURNS;
    struct user *all = MEM_ARRAY(struct user, users);
    struct loop l = {.engine = engine_new(&c, 1), .row = r};
    for (size_t i = 0; i < users; i++)
        send(&l, &all[i]);
    int64_t step_ns;
    while (engine_step_begin(l.engine, &step_ns)) {
        const struct engine_token *tokens;
        size_t n = engine_step_end(l.engine, &tokens);
        l.now_ns += step_ns;
        for (size_t i = 0; i < n; i++)
            take(&l, &tokens[i], requests);
    }
    engine_free(l.engine);
    free(all);
    return l.counted ? l.tpot_ns / (double)l.counted * 1e-6 : 0;
}

static size_t read_rows(const char *path, struct row **out)
{
    FILE *f = fopen(path, "r");
    if (!f)
        die("cannot open", path);
    struct row *rows = NULL, first;
    size_t n = 0, room = 0;
    if (!fgets(first.line, sizeof first.line, f) || !split(&first))
        die("this is not a file of measured points", path);
    for (int i = 0; i < COLUMNS; i++)
        if (strcmp(first.at[i], header[i]) != 0)
            die("no such column", header[i]);
    for (;;) {
        if (n == room) {
            room = room ? 2 * room : 256;
            rows = mem_resize(rows, room * sizeof *rows);
        }
        if (!fgets(rows[n].line, sizeof rows[n].line, f))
            break;
        if (rows[n].line[0] != '\n')
            n++;
    }
    fclose(f);
    for (size_t i = 0; i < n; i++) { /* now that they stay where they are */
        if (!split(&rows[i]))
            die("a line has another number of columns", rows[i].line);
        rows[i].measured_ms = number(&rows[i], TPOT);
    }
    *out = rows;
    return n;
}

/* ---- the report ---- */

struct group {
    char name[GROUP_BYTES];
    double *errors;
    size_t n;
};

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double mape(const struct group *g)
{
    double sum = 0;
    for (size_t i = 0; i < g->n; i++)
        sum += fabs(g->errors[i]);
    return g->n ? 100 * sum / (double)g->n : 0;
}

static double median(struct group *g)
{
    if (g->n == 0)
        return 0;
    qsort(g->errors, g->n, sizeof(double), by_value);
    return 50 * (g->errors[(g->n - 1) / 2] + g->errors[g->n / 2]);
}

static struct group *find_group(struct group *groups, size_t *count, const char *name, size_t rows)
{
    for (size_t i = 0; i < *count; i++)
        if (strcmp(groups[i].name, name) == 0)
            return &groups[i];
    if (*count == MAX_GROUPS)
        die("too many kinds of points", name);
    struct group *g = &groups[(*count)++];
    snprintf(g->name, sizeof g->name, "%s", name);
    g->errors = MEM_ARRAY(double, rows);
    return g;
}

static void put_in(struct group *groups, size_t *count, const struct row *r, size_t rows)
{
    char name[GROUP_BYTES];
    snprintf(name, sizeof name, "%-7s %-13s %s", r->at[ENGINE], r->at[GPU], r->at[MODEL]);
    double error = r->simulated_ms / r->measured_ms - 1;
    struct group *g = find_group(groups, count, name, rows);
    g->errors[g->n++] = error;
    const struct sim_model *m = catalog_model(slice_of(r->at[MODEL]));
    g = find_group(groups, count, m->experts.count ? "moe" : "dense", rows);
    g->errors[g->n++] = error;
}

static void print_row(const struct row *r)
{
    printf(
        "%-7s %-15s %-14s %-6s %-5s x%-2s %6s in %5s out %5s users: measured %8.3f ms, simulated "
        "%8.3f ms, %+6.1f %%\n",
        r->at[ENGINE], r->at[VERSION], r->at[MODEL], r->at[GPU], r->at[PRECISION], r->at[TP],
        r->at[INPUT], r->at[OUTPUT], r->at[CONCURRENCY], r->measured_ms, r->simulated_ms,
        100 * (r->simulated_ms / r->measured_ms - 1));
}

static void report(struct row *rows, size_t n, bool print_rows)
{
    struct group groups[MAX_GROUPS];
    size_t count = 0;
    find_group(groups, &count, "dense", n);
    find_group(groups, &count, "moe", n);
    for (size_t i = 0; i < n; i++) {
        rows[i].simulated_ms = simulate(&rows[i]);
        put_in(groups, &count, &rows[i], n);
        if (print_rows)
            print_row(&rows[i]);
    }
    for (size_t i = 2; i < count; i++)
        printf("%-44s n %3zu  MAPE %5.1f %%  median error %+6.1f %%\n", groups[i].name, groups[i].n,
               mape(&groups[i]), median(&groups[i]));
    for (size_t i = 0; i < 2; i++)
        printf("%s MAPE %.1f %%\n", groups[i].name, mape(&groups[i]));
    for (size_t i = 0; i < count; i++)
        free(groups[i].errors);
}

int main(int argc, char **argv)
{
    const char *path = NULL;
    bool print_rows = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--rows") == 0)
            print_rows = true;
        else
            path = argv[i];
    }
    if (!path) {
        printf("engine-accuracy: nothing to do without a file: engine-accuracy CSV [--rows]\n");
        return 0;
    }
    struct row *rows;
    size_t n = read_rows(path, &rows);
    report(rows, n, print_rows);
    free(rows);
    return 0;
}
