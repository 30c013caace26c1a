#include "workload/profile.h"

#include <stddef.h>
#include <string.h>

/* ln of the medians. */
#define LN_100   4.605170185988091
#define LN_150   5.0106352940962555
#define LN_200   5.298317366548036
#define LN_300   5.703782474656201
#define LN_500   6.214608098422191
#define LN_1000  6.907755278982137
#define LN_1500  7.313220387090301
#define LN_4000  8.294049640102028
#define LN_16000 9.680344001221918

/* Spread of real length traces on a log scale: the 90th percentile is 2.8 times the median. */
#define SIGMA 0.8

static const struct profile profiles[] = {
    {"chat", LN_500, LN_200, SIGMA, 50, 4000, 10, 2000,
     "conversation: about 500 tokens in, 200 out"},
    {"code_generation", LN_1500, LN_500, SIGMA, 200, 8000, 50, 4000,
     "code with context: about 1500 in, 500 out"},
    {"long_context_qa", LN_16000, LN_300, SIGMA, 2000, 128000, 20, 2000,
     "questions on long documents: about 16000 in, 300 out"},
    {"summarization", LN_4000, LN_150, SIGMA, 500, 32000, 50, 500,
     "documents to summaries: about 4000 in, 150 out"},
    {"translation", LN_1000, LN_1000, 0, 1000, 1000, 1000, 1000, "always 1000 in, 1000 out"},
    {"generation", LN_100, LN_1000, 0, 100, 100, 1000, 1000, "always 100 in, 1000 out"},
    {"reasoning", LN_100, LN_4000, 0, 100, 100, 4000, 4000, "always 100 in, 4000 out"},
};

const struct profile *profile_at(unsigned i)
{
    return i < sizeof profiles / sizeof *profiles ? &profiles[i] : NULL;
}

const struct profile *profile_find(const char *name)
{
    for (unsigned i = 0; name && profile_at(i); i++)
        if (strcmp(profiles[i].name, name) == 0)
            return &profiles[i];
    return NULL;
}
