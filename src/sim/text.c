#include "sim/text.h"

#include <math.h>
#include <stdbool.h>

#define FNV_PRIME UINT64_C(0x100000001b3)

/* A power of two of them, so that a word takes few random bits and no bias. None has more letters
 * than a piece holds. */
static const char *const words[] = {
    " air",    " anchor",  " and",     " apple",   " are",     " as",       " at",      " autumn",
    " back",   " bay",     " be",      " bell",    " below",   " bird",     " blue",    " boat",
    " bread",  " bridge",  " bright",  " bring",   " by",      " calm",     " came",    " candle",
    " carry",  " chart",   " clear",   " cloud",   " coast",   " cold",     " crew",    " current",
    " dark",   " dawn",    " day",     " deck",    " deep",    " depth",    " door",    " down",
    " draw",   " drift",   " dry",     " early",   " east",    " edge",     " engine",  " evening",
    " far",    " field",   " fine",    " fire",    " fish",    " flag",     " floor",   " flow",
    " for",    " forest",  " from",    " front",   " full",    " gale",     " garden",  " gate",
    " glass",  " go",      " gold",    " grain",   " green",   " ground",   " gull",    " harbour",
    " has",    " heavy",   " high",    " hill",    " hold",    " home",     " house",   " hull",
    " in",     " iron",    " is",      " island",  " it",      " keel",     " keep",    " kind",
    " lake",   " lamp",    " land",    " large",   " late",    " leaf",     " left",    " light",
    " line",   " little",  " load",    " long",    " low",     " map",      " mark",    " mast",
    " meadow", " milk",    " mist",    " moon",    " morning", " mountain", " near",    " new",
    " night",  " north",   " oak",     " of",      " old",     " on",       " open",    " over",
    " paper",  " path",    " pilot",   " plain",   " port",    " quay",     " quiet",   " rain",
    " red",    " river",   " road",    " rock",    " roof",    " room",     " rope",    " round",
    " rudder", " sail",    " salt",    " sand",    " sea",     " seed",     " shade",   " ship",
    " shore",  " short",   " silver",  " sky",     " slow",    " small",    " snow",    " song",
    " south",  " spring",  " stair",   " star",    " steady",  " steel",    " stern",   " still",
    " stone",  " storm",   " stream",  " street",  " strong",  " summer",   " sun",     " swell",
    " table",  " tall",    " that",    " the",     " then",    " thin",     " tide",    " timber",
    " to",     " tower",   " town",    " track",   " tree",    " turn",     " under",   " up",
    " valley", " village", " voyage",  " wall",    " warm",    " was",      " watch",   " water",
    " wave",   " way",     " weather", " west",    " wheel",   " white",    " wide",    " wind",
    " window", " winter",  " with",    " wood",    " word",    " work",     " yard",    " year",
    " young",  " above",   " across",  " after",   " again",   " along",    " among",   " around",
    " barley", " beacon",  " before",  " begin",   " beside",  " between",  " branch",  " breeze",
    " bronze", " build",   " cabin",   " canal",   " cargo",   " castle",   " channel", " clay",
    " clock",  " compass", " copper",  " corner",  " cotton",  " dock",     " eagle",   " earth",
    " family", " ferry",   " fleet",   " flower",  " follow",  " gentle",   " granite", " heron",
    " inlet",  " kettle",  " ladder",  " lantern", " marble",  " needle",   " orchard", " sextant",
};

enum { WORDS = sizeof words / sizeof words[0] };
_Static_assert((WORDS & (WORDS - 1)) == 0, "a power of two keeps the draw unbiased");

static bool is_letter(char c)
{
    return (unsigned char)((c | 0x20) - 'a') < 26;
}

static bool is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

/* Bytes of the UTF-8 character at the front; 1 for what is none, so that any bytes have a length.
 */
static size_t character_bytes(struct slice text)
{
    unsigned char c = (unsigned char)text.p[0];
    size_t want = c < 0xc2 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 1;
    if (want > text.n)
        return 1;
    for (size_t i = 1; i < want; i++)
        if (((unsigned char)text.p[i] & 0xc0) != 0x80)
            return 1;
    return want;
}

size_t text_piece(struct slice text)
{
    size_t blank = text.n > 1 && text.p[0] == ' ' && is_letter(text.p[1]) ? 1 : 0;
    size_t n = blank;
    while (n < text.n && n < blank + TEXT_PIECE_LETTERS && is_letter(text.p[n]))
        n++;
    if (n > 0)
        return n;
    while (n < text.n && n < TEXT_PIECE_DIGITS && is_digit(text.p[n]))
        n++;
    return n > 0 ? n : character_bytes(text);
}

int64_t text_count(struct slice text)
{
    int64_t count = 0;
    while (text.n > 0) {
        size_t n = text_piece(text);
        text.p += n;
        text.n -= n;
        count++;
    }
    return count;
}

uint64_t text_hash(uint64_t before, const void *p, size_t n)
{
    const unsigned char *bytes = p;
    uint64_t h = before;
    for (size_t i = 0; i < n; i++)
        h = (h ^ bytes[i]) * FNV_PRIME;
    return h;
}

uint32_t text_token(struct slice piece, int vocabulary)
{
    uint64_t h = text_hash(TEXT_HASH_BEGIN, piece.p, piece.n);
    return (uint32_t)((h ^ (h >> 32)) % (uint64_t)(vocabulary - TEXT_SPECIAL_TOKENS));
}

struct slice text_word(struct rng *r)
{
    return slice_of(words[rng_u32(r) & (WORDS - 1)]);
}

/* A made-up figure near the mean answers of public chat logs. */
#define NATURAL_MEAN_TOKENS 200.0

int64_t text_natural_tokens(struct rng *r)
{
    return 1 + (int64_t)(-rng_exponential(r) / log1p(-1 / NATURAL_MEAN_TOKENS));
}
