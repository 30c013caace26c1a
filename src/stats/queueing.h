#ifndef LOADLINE_STATS_QUEUEING_H
#define LOADLINE_STATS_QUEUEING_H

/* Models for first guesses and for bands outside of which a figure is not believed. Times in seconds, rates per
 * second. Where the load is more than can be served the answer is INFINITY. */

#include <stdbool.h>

/* Closed loop of n users who think for `think_s` between requests; `alone_s` is the latency of one request alone,
 * most_rate what the server can do at all (asymptotic bounds: Muntz & Wong 1974, Denning & Buzen 1978):
 * X ≤ min(n/(alone + think), most_rate), R ≥ max(alone, n/most_rate − think). */
double queueing_closed_rate_bound(double n, double alone_s, double think_s, double most_rate);
double queueing_closed_latency_bound(double n, double alone_s, double think_s, double most_rate);

/* Sequences decoding at once, B, when a step takes c₀ + c₁B and requests come at `rate` with m output tokens on
 * average: B = rate·m·(c₀ + c₁B) by Little's law, so B = rate·m·c₀/(1 − rate·m·c₁). */
double queueing_decode_batch(double rate, double output_tokens, double c0_s, double c1_s);

/* Mean time to first token when prompts are computed one after the other, each for exactly `prefill_s`, D: the M/D/1
 * queue (Pollaczek 1930, Khinchine 1932). D + rate·D²/(2(1 − rate·D)). */
double queueing_prefill_ttft(double rate, double prefill_s);

/* An upper bound of the mean latency, waiting and service, where all who wait are served together, b of them in αb + τ₀
 * (Inoue, Queueing analysis of GPU-based inference servers with dynamic batching, 2021): min(φ₀, φ₁),
 * φ₀ = (α + τ₀)/(2(1 − λα))·(1 + 2λτ₀ + (1 − λτ₀)/(1 + λα)), φ₁ = 1.5τ₀/(1 − λα) + (α/2)(λα + 2)/(1 − λ²α²). */
double queueing_batching_latency_bound(double rate, double alpha_s, double tau0_s);

/* Whether an engine that computes at most `budget` tokens a step, prompt and output alike, in step_s when the budget is
 * full, keeps up: rate·(prompt + output tokens) < budget/step_s. */
bool queueing_budget_stable(double rate, double prompt_tokens, double output_tokens, double budget,
                            double step_s);

/* By how much longer than with Poisson arrivals and exponential service one waits for a single server:
 * (c_a² + c_s²)/2, coefficients of variation of the gaps and of the service times. Exact in the limit of full load (Kingman,
 * The single server queue in heavy traffic, 1961), for any service with Poisson arrivals at every load; else an
 * approximation. */
double queueing_burst_factor(double cv_gaps, double cv_service);

/* How long to run, in mean service times, until the mean number in an M/M/1 queue of utilisation ρ is known to a
 * relative half-width ε at `level` (Whitt, Planning queueing simulations, 1989): 2z²(1 + ρ)/(ρ(1 − ρ)²ε²). */
double queueing_run_length(double utilisation, double half_width, double level);

#endif
