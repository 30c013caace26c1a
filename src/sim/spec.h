#ifndef LOADLINE_SIM_SPEC_H
#define LOADLINE_SIM_SPEC_H

/* What to simulate, as written behind "sim:" — [MODEL][@GPU[xTP]][?key=value&…]. Left out: llama-3.1-8b, h100, one
 * GPU, the engine's own defaults. docs/engine.md has the keys. */

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"
#include "sim/catalog.h"
#include "sim/definitions.h"

enum { SIM_BLOCK_TOKENS = 16, SIM_MAX_REPLICAS = 64 };

enum sim_engine { SIM_VLLM, SIM_SGLANG, SIM_TGI, SIM_TRTLLM, SIM_ENGINES };

/* Who of the waiting goes first: in order of arrival; the smallest priority; the longest cached prefix. */
enum sim_policy { SIM_FCFS, SIM_PRIORITY, SIM_LONGEST_PREFIX };

/* What a request must find free to be admitted (trtllm): its whole life, or the next step. */
enum sim_capacity { SIM_NO_EVICT, SIM_MAX_UTILIZATION };

enum sim_router { SIM_LEAST_LOADED, SIM_ROUND_ROBIN };

struct sim_config {
    const struct sim_model *model;
    const struct sim_gpu *gpu;
    int tp;                            /* GPUs that share one copy of the weights */
    enum sim_engine engine;
    enum sim_precision precision;      /* of the weights inside the layers */
    enum sim_precision kv_precision;   /* of the cache: bf16 or fp8 */
    int replicas;                      /* engines side by side; those that decode when prefill_replicas > 0 */
    int prefill_replicas;              /* engines that only compute prompts and hand their cache on; 0: none */
    double link_bytes_per_s;           /* between the two */
    enum sim_router router;
    enum sim_policy policy;
    enum sim_capacity capacity;
    bool prefix_caching;
    int draft_tokens;                  /* guessed ahead for each sequence; 0: none */
    double acceptance;                 /* probability that a draft behind accepted ones is accepted */
    double step_s, sequence_s;         /* the host's work, per step and per sequence of a step */
    bool host_hidden;                  /* it is done while the GPU runs the step before */
    double noise_cv;                   /* coefficient of variation of a step's time; 0: none */
    double drift_cv;                   /* the same, of a slow wandering */
    int64_t noise_seed;                /* goes into the seed of both and of nothing else */
    double step_scale;                 /* every step takes so many times as long */
    int64_t max_num_seqs;              /* sequences in one step */
    int64_t max_num_batched_tokens;    /* tokens in one step */
    int64_t chunk_tokens;              /* of one prompt in one step at most */
    int64_t max_model_len;             /* prompt and output of one request together */
    double waiting_served_ratio;       /* tgi: waiting per running that interrupt decoding for a prompt */
    int64_t max_waiting_tokens;        /* tgi: steps after which any waiting one does */
    int64_t kv_blocks;                 /* of SIM_BLOCK_TOKENS tokens, per replica */
    double start_s;                    /* a server's: how long it is not ready, as if it loaded weights */
};

/* ERR_USAGE with a sentence that says what is known, or why the weights do not fit. `own` (may be NULL) are looked
 * into before the catalog and must outlive the configuration. */
int spec_parse(struct slice text, struct sim_config *out, struct err *e);
int spec_parse_with(struct slice text, const struct definitions *own, struct sim_config *out,
                    struct err *e);

/* The value of the key "definitions": a file the caller reads and parses. Empty when not there. */
struct slice spec_definitions(struct slice text);

/* One line for people: model, GPUs, cache and limits. Returns out. */
const char *spec_describe(const struct sim_config *c, char *out, size_t out_bytes);

/* The longest output there may be behind a prompt of so many tokens, 0 when there is no room. max_tokens is what was
 * asked for, below 1 when nothing was: a chat may then fill the context, and a completion gets the 16 tokens of vLLM's
 * and OpenAI's default. */
int64_t spec_output_limit(const struct sim_config *c, int64_t prompt_tokens, int64_t max_tokens,
                          bool chat);

/* Bytes of cache of one token, over all GPUs without copies. */
double spec_kv_bytes(const struct sim_config *c);

const char *spec_precision_name(enum sim_precision p);
const char *spec_engine_name(enum sim_engine engine);

#endif
