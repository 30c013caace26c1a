#ifndef LOADLINE_BASE_RNG_H
#define LOADLINE_BASE_RNG_H

/* Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw, SC 2011), key = seed,
 * counter = (draw, stream, index). The numbers of item `index` of `stream` depend on nothing else, so
 * request i is the same whatever thread draws it and in whatever order. The mappings to floating point
 * are our own, so results are the same on every platform. */

#include <stdint.h>

/* Every use of randomness has a stream of its own; a number here is never reused. */
enum rng_stream {
    RNG_ARRIVAL = 1,
    RNG_LENGTH = 2,
    RNG_PROMPT = 3,
    RNG_NONCE = 4,
    RNG_SHUFFLE = 5,
    RNG_THINK = 6,
    RNG_PREFIX = 7,
    RNG_SIM_TEXT = 8,
    RNG_SIM_NOISE = 9,
    RNG_FAULT = 10,
    RNG_SIM_DRIFT = 20,
    RNG_SIM_DRAFT = 21,
    RNG_PERMUTATION = 30,
    RNG_BOOTSTRAP = 31,
    RNG_WARMUP = 0x100, /* added to any of the above for the warm-up's requests */
};

struct rng {
    uint32_t key[2];
    uint32_t counter[4];
    uint32_t block[4];
    unsigned used; /* words of block already given out */
};

struct rng rng_at(uint64_t seed, uint32_t stream, uint64_t index);

uint32_t rng_u32(struct rng *r);
uint64_t rng_u64(struct rng *r);
double rng_unit(struct rng *r);                  /* uniform in (0, 1], 53 bits */
uint64_t rng_below(struct rng *r, uint64_t n);   /* uniform in [0, n), n > 0, unbiased */
double rng_exponential(struct rng *r);           /* mean 1 */
double rng_normal(struct rng *r);                /* mean 0, variance 1 (Box–Muller, one of the pair) */
double rng_gamma(struct rng *r, double shape);   /* scale 1 (Marsaglia & Tsang 2000) */

/* The bare block function, for tests against the published vectors. */
void rng_philox4x32_10(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

#endif
