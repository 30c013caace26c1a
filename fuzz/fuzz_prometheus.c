/* Metrics pages: every sample lies in the page, and the samples end. */
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "wire/prometheus.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice page = slice_make((const char *)data, size), rest = page;
    struct prometheus_sample s;
    double sum;
    while (rest.n > 0) {
        size_t before = rest.n;
        bool got = prometheus_next(&rest, &s);
        if (rest.n >= before || (!got && rest.n > 0))
            BUG("no progress");
        if (got && (s.name.n == 0 || s.name.p < page.p || s.name.p + s.name.n > page.p + page.n))
            BUG("a name from elsewhere");
        if (got && s.labels.n > 0 && s.labels.p + s.labels.n > page.p + page.n)
            BUG("labels from elsewhere");
    }
    prometheus_sum(page, "a", &sum);
    prometheus_sum(page, "a_total", &sum);
    return 0;
}
