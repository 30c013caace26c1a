#include "stats/rank.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

size_t rank_of(double p, size_t n)
{
    /* The product of a decimal fraction and n is off by an ulp or two: 0.07 · 100
     * = 7.000000000000001. */
    const double slack = 4 * DBL_EPSILON;
    double rank = ceil(p * (double)n * (1 - slack));
    if (rank < 1)
        return 1;
    return rank >= (double)n ? n : (size_t)rank;
}

static void swap(double *a, double *b)
{
    double t = *a;
    *a = *b;
    *b = t;
}

/* Splits x into less than, equal to and greater than a pivot; the equal ones are x[*first … *end).
 */
static void split(double *x, size_t n, double pivot, size_t *first, size_t *end)
{
    size_t low = 0, high = n;
    for (size_t i = 0; i < high;) {
        if (x[i] < pivot)
            swap(&x[i++], &x[low++]);
        else if (x[i] > pivot)
            swap(&x[i], &x[--high]);
        else
            i++;
    }
    *first = low;
    *end = high;
}

/* A pivot nobody can foresee is not needed, one that no usual order of the data defeats is (Knuth's
 * MMIX). */
static size_t next_place(uint64_t *state, size_t n)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (size_t)(*state >> 33) % n;
}

static double middle_of(double a, double b, double c)
{
    return fmax(fmin(a, b), fmin(fmax(a, b), c));
}

double rank_select(double *x, size_t n, size_t k)
{
    if (k < 1 || k > n)
        BUG("a rank outside the sample");
    uint64_t state = n;
    for (;;) {
        double pivot =
            middle_of(x[next_place(&state, n)], x[next_place(&state, n)], x[next_place(&state, n)]);
        size_t first, end;
        split(x, n, pivot, &first, &end);
        if (k > first && k <= end)
            return pivot;
        if (k <= first) {
            n = first;
        } else {
            x += end;
            n -= end;
            k -= end;
        }
    }
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void rank_sort(double *x, size_t n)
{
    if (n > 1)
        qsort(x, n, sizeof *x, by_size);
}

/* Selection by counting. The values less the smallest are numbers of some bits; these are cut into
 * digits of at most DIGIT_BITS. One pass per digit, highest first, counts the next digit of all
 * values that begin with the digits found so far for some rank; the counts tell the next digit of
 * each rank. Ranks that still share their beginning share their counts. Nothing is moved or copied.
 */

enum { DIGIT_BITS = 16 };

struct sought {      /* one rank on its way to its value */
    size_t rank;     /* among the values that begin with prefix */
    uint64_t prefix; /* its leading digits, as far as they are known */
    size_t *counts;  /* of the next digit, of the values that begin with prefix */
    size_t place;    /* where the answer goes */
};

struct selection {
    const uint64_t *x;
    size_t n;
    uint64_t least;
    unsigned bits;       /* of the values less `least` */
    unsigned first_bits; /* of the highest digit */

    struct sought *sought; /* in the order of their ranks, hence of their prefixes */
    size_t m;
    /* By highest digit: 1 + the first of the sought with it, or 0. Most values are passed over with
     * one look. */
    uint32_t *by_first_digit;
    size_t *tables; /* room for m tables of counts */
};

static int by_rank(const void *a, const void *b)
{
    const struct sought *x = a, *y = b;
    return (x->rank > y->rank) - (x->rank < y->rank);
}

static unsigned bits_of(uint64_t v)
{
    return v ? 64 - (unsigned)__builtin_clzll(v) : 0;
}

static void count_first_digit(struct selection *s, unsigned shift)
{
    const uint64_t *x = s->x, *end = x + s->n;
    uint64_t least = s->least;
    size_t *counts = s->tables;
    for (; x < end; x++)
        counts[(*x - least) >> shift]++;
    for (size_t j = 0; j < s->m; j++)
        s->sought[j].counts = counts;
}

/* Gives each prefix that is sought a table, and notes where those of each first digit begin. */
static void share_tables(struct selection *s, unsigned known_bits, size_t table_size)
{
    memset(s->by_first_digit, 0, sizeof *s->by_first_digit << s->first_bits);
    size_t *table = s->tables;
    for (size_t j = 0; j < s->m; j++) {
        struct sought *q = &s->sought[j];
        if (j > 0 && q->prefix != q[-1].prefix)
            table += table_size;
        q->counts = table;
        uint32_t *slot = &s->by_first_digit[q->prefix >> (known_bits - s->first_bits)];
        if (*slot == 0)
            *slot = (uint32_t)j + 1;
    }
}

static void count_next_digit(struct selection *s, unsigned known_bits, unsigned digit_bits)
{
    share_tables(s, known_bits, (size_t)1 << digit_bits);
    unsigned first_shift = s->bits - s->first_bits;
    unsigned known_shift = s->bits - known_bits;
    unsigned digit_shift = known_shift - digit_bits;
    uint64_t mask = (UINT64_C(1) << digit_bits) - 1;
    const uint64_t *x = s->x, *end = x + s->n;
    uint64_t least = s->least;
    const uint32_t *by_first_digit = s->by_first_digit;
    for (; x < end; x++) {
        uint64_t v = *x - least;
        uint32_t from = by_first_digit[v >> first_shift];
        if (from == 0)
            continue;
        uint64_t prefix = v >> known_shift;
        size_t j = from - 1;
        while (j < s->m && s->sought[j].prefix < prefix)
            j++;
        if (j < s->m && s->sought[j].prefix == prefix)
            s->sought[j].counts[v >> digit_shift & mask]++;
    }
}

/* Appends to each prefix the digit in which its rank falls. */
static void take_digit(struct selection *s, unsigned digit_bits)
{
    for (size_t j = 0; j < s->m; j++) {
        struct sought *q = &s->sought[j];
        size_t digit = 0;
        while (q->rank > q->counts[digit])
            q->rank -= q->counts[digit++];
        q->prefix = q->prefix << digit_bits | digit;
    }
}

static void find_range(struct selection *s)
{
    uint64_t least = s->x[0], most = s->x[0];
    for (size_t i = 1; i < s->n; i++) {
        least = s->x[i] < least ? s->x[i] : least;
        most = s->x[i] > most ? s->x[i] : most;
    }
    s->least = least;
    s->bits = bits_of(most - least);
}

/* All digits, highest first, as equal in bits as they can be. */
static void find_digits(struct selection *s)
{
    unsigned digits = (s->bits + DIGIT_BITS - 1) / DIGIT_BITS;
    unsigned digit_bits = (s->bits + digits - 1) / digits;
    size_t table_bytes = sizeof(size_t) << digit_bits;
    s->first_bits = digit_bits;
    s->tables = mem_alloc(s->m * table_bytes);
    s->by_first_digit = mem_alloc(sizeof *s->by_first_digit << digit_bits);
    for (unsigned known = 0; known < s->bits;) {
        unsigned next = s->bits - known < digit_bits ? s->bits - known : digit_bits;
        memset(s->tables, 0, s->m * table_bytes);
        if (known == 0)
            count_first_digit(s, s->bits - next);
        else
            count_next_digit(s, known, next);
        take_digit(s, next);
        known += next;
    }
    free(s->tables);
    free(s->by_first_digit);
}

void rank_select_many_u64(const uint64_t *x, size_t n, const size_t *ranks, size_t m, uint64_t *out)
{
    if (m == 0)
        return;
    struct selection s = {.x = x, .n = n, .sought = MEM_ARRAY(struct sought, m), .m = m};
    for (size_t j = 0; j < m; j++) {
        if (ranks[j] < 1 || ranks[j] > n)
            BUG("a rank outside the sample");
        s.sought[j] = (struct sought){.rank = ranks[j], .place = j};
    }
    qsort(s.sought, m, sizeof *s.sought, by_rank);
    find_range(&s);
    if (s.bits > 0)
        find_digits(&s);
    for (size_t j = 0; j < m; j++)
        out[s.sought[j].place] = s.least + s.sought[j].prefix;
    free(s.sought);
}
