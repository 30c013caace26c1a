/* Any bytes as a run file: everything in it can be read, or the reader says why not. */

#include "record/gaps.h"
#include "record/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int use_request(void *context, const struct request_record *q)
{
    uint64_t *sum = context;
    struct slice bytes = q->gaps;
    struct gap g;
    uint32_t events = 0;
    while (bytes.n > 0) {
        if (gaps_take(&bytes, &g) != OK)
            __builtin_trap(); /* the reader promised that they decode */
        *sum += (uint64_t)g.gap_ns;
        events++;
    }
    if (events > 0 && events != q->events)
        __builtin_trap();
    for (size_t i = 0; i < q->error.n; i++)
        *sum += (unsigned char)q->error.p[i];
    *sum += slice_is(q->output, "x") + slice_is(q->finish_reason, "stop");
    return 0;
}

static int use_second(void *context, const struct second_record *s)
{
    *(uint64_t *)context += slice_is(s->read_lag, "x") + slice_is(s->schedule_lag, "y");
    return 0;
}

static int use_sample(void *context, const struct sample_record *s)
{
    *(uint64_t *)context += strlen(s->source) + strlen(s->name) + strlen(s->labels);
    return 0;
}

static int use_finding(void *context, const struct finding_record *f)
{
    *(uint64_t *)context += strlen(f->id) + strlen(f->severity) + strlen(f->text);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct record_reader *r;
    struct err e = {0};
    if (record_reader_open_bytes(slice_make((const char *)data, size), &r, &e) != OK)
        return 0;
    size_t n;
    uint64_t sum = 0;
    const int64_t *runs = record_reader_runs(r, &n);
    for (size_t i = 0; i < n && i < 4; i++) {
        struct run_record run;
        if (record_reader_run(r, runs[i], &run, &e) == OK)
            sum += strlen(run.target) + strlen(run.context_json);
        record_reader_requests(r, runs[i], true, use_request, &sum, &e);
        record_reader_seconds(r, runs[i], use_second, &sum, &e);
        record_reader_samples(r, runs[i], use_sample, &sum, &e);
        record_reader_findings(r, runs[i], use_finding, &sum, &e);
    }
    sum += strlen(record_reader_meta(r, "tool_version"));
    record_reader_close(r);
    return sum == UINT64_MAX ? -1 : 0;
}
