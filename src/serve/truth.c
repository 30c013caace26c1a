#include "serve/truth.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

enum {
    CHUNK_ENTRIES = 1 << 14,
    MAX_CHUNKS = 1 << 16, /* a thousand million entries: hours at any rate the server reaches */
};

struct log { /* entries of one size, in chunks */
    char **chunks;
    size_t chunk_slots;
    uint32_t n;
};

struct truth {
    struct log requests, tokens, steps;
};

static void *log_at(const struct log *l, size_t entry_bytes, uint32_t i)
{
    return l->chunks[i / CHUNK_ENTRIES] + i % CHUNK_ENTRIES * entry_bytes;
}

static void *log_add(struct log *l, size_t entry_bytes)
{
    size_t chunk = l->n / CHUNK_ENTRIES;
    if (l->n % CHUNK_ENTRIES == 0) {
        if (chunk == MAX_CHUNKS)
            BUG("the truth has more entries than it can number");
        if (chunk == l->chunk_slots) {
            l->chunk_slots = chunk ? 2 * chunk : 16;
            l->chunks = mem_resize(l->chunks, l->chunk_slots * sizeof *l->chunks);
        }
        l->chunks[chunk] = mem_alloc(CHUNK_ENTRIES * entry_bytes);
    }
    return log_at(l, entry_bytes, l->n++);
}

static void log_release(struct log *l)
{
    for (size_t i = 0; i * CHUNK_ENTRIES < l->n; i++)
        free(l->chunks[i]);
    free(l->chunks);
}

struct truth *truth_new(void)
{
    return MEM_NEW(struct truth);
}

void truth_free(struct truth *t)
{
    if (!t)
        return;
    log_release(&t->requests);
    log_release(&t->tokens);
    log_release(&t->steps);
    free(t);
}

uint32_t truth_add_request(struct truth *t, struct slice name, int64_t arrived_ns, int64_t tokens)
{
    struct truth_request *r = log_add(&t->requests, sizeof *r);
    size_t n = name.n < sizeof r->name ? name.n : sizeof r->name - 1;
    *r = (struct truth_request){.arrived_ns = arrived_ns, .tokens = tokens};
    if (n > 0)
        memcpy(r->name, name.p, n);
    return t->requests.n - 1;
}

uint32_t truth_add_token(struct truth *t, const struct truth_token *token)
{
    *(struct truth_token *)log_add(&t->tokens, sizeof *token) = *token;
    return t->tokens.n - 1;
}

uint32_t truth_add_step(struct truth *t, const struct truth_step *step)
{
    *(struct truth_step *)log_add(&t->steps, sizeof *step) = *step;
    return t->steps.n - 1;
}

uint32_t truth_requests(const struct truth *t)
{
    return t->requests.n;
}

uint32_t truth_tokens(const struct truth *t)
{
    return t->tokens.n;
}

uint32_t truth_steps(const struct truth *t)
{
    return t->steps.n;
}

const struct truth_request *truth_request_at(const struct truth *t, uint32_t i)
{
    return log_at(&t->requests, sizeof(struct truth_request), i);
}

const struct truth_token *truth_token_at(const struct truth *t, uint32_t i)
{
    return log_at(&t->tokens, sizeof(struct truth_token), i);
}

const struct truth_step *truth_step_at(const struct truth *t, uint32_t i)
{
    return log_at(&t->steps, sizeof(struct truth_step), i);
}
