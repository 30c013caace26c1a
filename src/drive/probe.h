#ifndef LOADLINE_DRIVE_PROBE_H
#define LOADLINE_DRIVE_PROBE_H

/* Questions to the server before any load: does it answer at all, which model, which optional fields does it
 * take, how does it turn text into tokens. Blocking. */

#include "api/protocol.h"
#include "net/fetch.h"
#include "record/writer.h"
#include "workload/workload.h"

struct probe_target { /* where and how to ask */
    const struct endpoint *endpoint;
    const struct protocol *protocol;
    const char *path;                  /* of the protocol's requests */
    const char *const *header_lines;   /* Authorization and the user's own */
    size_t header_count;
    int64_t timeout_ns;                /* for each question */
    int cancel_fd;
    void (*say)(void *context, const char *sentence); /* what the user should know; may be NULL */
    void *context;
};

struct probe_result { /* zero-initialise; probe_release frees */
    char model[256];
    char engine[64], engine_version[64];   /* "" unknown */
    uint32_t *pool;                        /* token ids of plain text; NULL without /tokenize */
    size_t pool_count;
    const char *tokenize_path;             /* NULL: the server has none that we know */
    struct tokenization tokenization;      /* pool and calibration */
    bool usage;                            /* the server reports usage */
    unsigned refused;                      /* set of enum api_field the server would not take */
};

/* Finds the model's name when api->model is NULL or empty, then makes one small request with every optional
 * field, leaving out what the server refuses (api->fields is reduced, one sentence each to `say`).
 * api->ending is set from how that answer ended. api->model points into *out afterwards. Errors carry the server's own words. */
int probe_server(const struct probe_target *t, struct api_options *api, struct probe_result *out,
                 struct err *e);

/* Whether the server answers at all, one question: not while it is still starting (no connection, or 502, 503, 504).
 * ERR_INTERRUPTED when the user does not want to wait; otherwise *e says how it failed. */
int probe_answers(const struct probe_target *t, struct err *e);

/* Prepares drawn prompts: token ids through /tokenize where the server has it and takes them (completions), else
 * the length of words is calibrated from the usage the server reports. */
int probe_tokenization(const struct probe_target *t, const struct api_options *api, uint64_t seed,
                       struct probe_result *out, struct err *e);

/* The second way alone, for prompts that must be the same text at several servers. */
void probe_word_lengths(const struct probe_target *t, const struct api_options *api, uint64_t seed,
                        struct probe_result *out);

/* Counts the tokens of a text at the server (struct token_counter's function; context: struct probe_counter). */
struct probe_counter {
    const struct probe_target *target;
    const char *model, *path;
};
int probe_count_tokens(void *context, struct slice text, int64_t *tokens, struct err *e);

/* Reads /metrics once and queues its samples (histogram buckets left out) at at_ns. False if there is none. */
bool probe_metrics(const struct probe_target *t, struct record_writer *w, int64_t at_ns);

void probe_release(struct probe_result *r);

#endif
