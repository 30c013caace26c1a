#ifndef LOADLINE_SIM_TEXT_H
#define LOADLINE_SIM_TEXT_H

/* Text and tokens, without a real vocabulary. A text falls into pieces, each a token: letters up to
 * TEXT_PIECE_LETTERS with the blank in front of them, digits up to three, anything else one character each.
 * A blank always begins a piece, so texts that begin with one can be joined and their counts add up.
 * A token's number is a hash of its piece: any server of the same vocabulary size gives the same. */

#include <stdint.h>

#include "base/rng.h"
#include "base/slice.h"

enum { TEXT_PIECE_LETTERS = 8, TEXT_PIECE_DIGITS = 3 };

/* Bytes of the piece in front of a text that is not empty. */
size_t text_piece(struct slice text);

int64_t text_count(struct slice text);

/* In [0, vocabulary − TEXT_SPECIAL_TOKENS). */
uint32_t text_token(struct slice piece, int vocabulary);

/* Numbers at the end of the vocabulary stand for marks of the chat template, counted from there. A message is BEGIN
 * role BODY content END; BEGIN "assistant" BODY then invites the answer. */
enum { TEXT_SPECIAL_TOKENS = 16 };
enum text_mark { TEXT_MARK_BEGIN = 1, TEXT_MARK_BODY = 2, TEXT_MARK_END = 3 };

/* A length at which a model would end its answer by itself: geometric. */
int64_t text_natural_tokens(struct rng *r);

/* Of bytes; continue with the value of the bytes before, or begin with TEXT_HASH_BEGIN (FNV-1a, 64 bits). */
#define TEXT_HASH_BEGIN UINT64_C(0xcbf29ce484222325)
uint64_t text_hash(uint64_t before, const void *p, size_t n);

/* A generated token: a plain word behind a blank, one piece. `r` is of stream RNG_SIM_TEXT. */
struct slice text_word(struct rng *r);

#endif
