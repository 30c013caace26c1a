/* How long a large run file takes to summarise, and how much memory: 100,000 requests × 500 tokens
 * by default. bench_summary [REQUESTS [TOKENS]] The file is built in a temporary directory and
 * deleted. The summary runs in a child, so that the memory printed is its own. */

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/rng.h"
#include "measure/summary.h"
#include "record/gaps.h"
#include "record/reader.h"
#include "record/writer.h"

static const int64_t target_ms = 4000;
static const long target_kib = 1024 * 1024;
static const double rate_per_s = 200;

static void die(const char *what, const struct err *e)
{
    fprintf(stderr, "bench_summary: %s: %s\n", what, e->text);
    exit(1);
}

static void put_request(struct record_writer *w, uint64_t index, unsigned tokens, struct buf *gaps)
{
    struct rng r = rng_at(1, RNG_SIM_NOISE, index);
    int64_t a = (int64_t)((double)index * 1e9 / rate_per_s);
    int64_t first = a + (int64_t)(50e6 * exp(0.5 * rng_normal(&r))), at = first;
    buf_clear(gaps);
    for (unsigned j = 0; j < tokens; j++) {
        /* A decode step of 20 ms, some jitter, and now and then a prefill in between. */
        double gap = 20e6 + 1e6 * rng_unit(&r) + (rng_below(&r, 50) == 0 ? 30e6 : 0);
        struct gap g = {j > 0 ? (int64_t)gap : 0, 0, 1};
        gaps_put(gaps, &g);
        at += g.gap_ns;
    }
    struct request_record q = {
        .index = index,
        .phase = 1,
        .session = index,
        .rung = -1,
        .intended_ns = a,
        .started_ns = a + 20000,
        .sent_ns = a + 100000,
        .first_byte_ns = first,
        .first_token_ns = first,
        .first_answer_ns = first,
        .last_token_ns = at,
        .end_ns = at + 50000,
        .dns_ns = RECORD_NONE,
        .connect_ns = RECORD_NONE,
        .tls_ns = RECORD_NONE,
        .outcome = OUTCOME_OK,
        .http_status = 200,
        .prompt_tokens = 512,
        .output_tokens = tokens,
        .cached_tokens = 0,
        .reasoning_tokens = -1,
        .output_source = TOKENS_CONTINUOUS,
        .asked_input = 512,
        .asked_output = tokens,
        .events = tokens,
        .gaps = buf_slice(gaps),
    };
    record_writer_put(w, &q);
}

static void build(const char *path, uint64_t requests, unsigned tokens)
{
    struct record_writer *w;
    struct err e;
    struct buf gaps = {0};
    int64_t end = (int64_t)((double)requests * 1e9 / rate_per_s);
    struct run_record run = {
        .kind = "run",
        .ordinal = 1,
        .target = "bench",
        .backend = "",
        .engine = "",
        .engine_version = "",
        .model = "",
        .command = "",
        .mode = "open",
        .request_rate = rate_per_s,
        .burstiness = INFINITY,
        .ramp = "",
        .on_cap = "queue",
        .workload = "bench",
        .workload_json = "{}",
        .synthetic = true,
        .streaming = true,
        .goodput = "ttft:100ms tpot:30ms",
        .slo = "p99 ttft < 500ms",
        .options_json = "{}",
        .host_json = "{}",
        .context_json = "{}",
        .finished = true,
        .offered_end_ns = end,
        .drained_ns = end,
        .steal_fraction = -1,
    };
    if (record_writer_open(path, false, &w, &e) < 0 || record_writer_begin(w, &run, &e) < 0)
        die("creating the run file", &e);
    for (uint64_t i = 0; i < requests; i++) {
        put_request(w, i, tokens, &gaps);
        if (i % 4096 == 0) /* the queue grows without bound: leave the writer time to follow */
            usleep(50000);
    }
    if (record_writer_finish(w, &run, &e) < 0 || record_writer_close(w, &e) < 0)
        die("writing the run file", &e);
    buf_release(&gaps);
}

static void summarise(const char *path)
{
    struct record_reader *r;
    struct summary s;
    struct err e;
    size_t n;
    int64_t begun = clock_mono_ns();
    if (record_reader_open(path, &r, &e) < 0)
        die("opening the run file", &e);
    if (summary_of_run(r, record_reader_runs(r, &n)[0], NULL, &s, &e) < 0)
        die("summarising", &e);
    int64_t took_ms = (clock_mono_ns() - begun) / NS_PER_MS;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("requests %" PRIu64 ", gaps %" PRIu64 ", itl p99 %.3f ms\n", s.completed,
           s.latency[LATENCY_ITL].n, s.latency[LATENCY_ITL].percentile[4]);
    double cpu_s = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                   (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    printf("seconds %.2f of which CPU %.2f (target %.1f), peak RSS %.0f MiB (target %ld)\n",
           (double)took_ms / 1e3, cpu_s, (double)target_ms / 1e3, (double)usage.ru_maxrss / 1024,
           target_kib / 1024);
    summary_release(&s);
    record_reader_close(r);
}

int main(int argc, char **argv)
{
    uint64_t requests = argc > 1 ? strtoull(argv[1], NULL, 10) : 100000;
    unsigned tokens = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 500;
    char dir[] = "/tmp/loadline-bench-XXXXXX", path[64];
    if (!mkdtemp(dir)) {
        perror("bench_summary");
        return 1;
    }
    snprintf(path, sizeof path, "%s/run.loadline", dir);
    for (int step = 0; step < 2; step++) {
        pid_t child = fork();
        if (child == 0) {
            if (step == 0)
                build(path, requests, tokens);
            else
                summarise(path);
            fflush(stdout);
            _exit(0);
        }
        int status = 1;
        if (child < 0 || waitpid(child, &status, 0) < 0 || status != 0) {
            fprintf(stderr, "bench_summary: a step failed\n");
            break;
        }
    }
    unlink(path);
    rmdir(dir);
    return 0;
}
