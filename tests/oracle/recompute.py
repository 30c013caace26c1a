#!/usr/bin/env python3
"""Recomputes the main figures of a run from its run file alone and compares them with a JSON summary.

usage: recompute.py RUNFILE SUMMARY.json

Written from the definitions in docs/metrics.md with nothing but the standard library, in another language and with
other algorithms (everything is sorted, ranks come from exact fractions), so that a mistake would have to be made twice.
Exit status: 0 all equal, 1 with the differences on standard output, 2 for files that cannot be read.
"""

import json
import math
import re
import sqlite3
import sys
from fractions import Fraction

PHASE_WARMUP, PHASE_MEASURE = 0, 1
FILL_E2ES = 5            # mean end-to-end latencies until the load has filled up
WINDOW_MIN_REQUESTS = 10
WIDE_FLOOR_NS = 1_000_000
TOLERANCE = 1e-9         # relative; the program sums in another order

UNIT_NS = {"ns": 1, "us": 1000, "µs": 1000, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}


def varints(blob):
    """The LEB128 numbers of a blob, one after the other."""
    value = shift = 0
    for byte in blob:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            yield value
            value = shift = 0


def unpack_events(blob):
    """Token events of one request: (gap ns, tokens, censored width ns)."""
    numbers = varints(blob)
    events = []
    for head in numbers:
        tokens = next(numbers) if head & 2 else 1
        width = next(numbers) if head & 1 else 0
        events.append((head >> 2, tokens, width))
    return events


def rank(percent, n):
    """The rank of a percentile given as a JSON key: ⌈n·p/100⌉, exactly."""
    return max(1, math.ceil(Fraction(percent) / 100 * n))


def percentile(ordered, percent):
    return ordered[rank(percent, len(ordered)) - 1]


def binomial_ranks(n, p, level=0.95):
    """max{k : F(k−1) ≤ α/2} and min{k : F(k−1) ≥ 1−α/2} of the binomial order-statistic interval."""
    alpha = 1 - level
    spread = 12 * math.sqrt(n * p * (1 - p)) + 12
    low, high = 0, n + 1
    first = max(0, math.floor(n * p - spread))
    last = min(n, math.ceil(n * p + spread))
    whole = math.lgamma(n + 1) + 0.0
    cumulative = 0.0
    for k in range(first, last + 1):  # F(k) after this step; k−1 of the definition is this k
        cumulative += math.exp(whole - math.lgamma(k + 1) - math.lgamma(n - k + 1)
                               + k * math.log(p) + (n - k) * math.log1p(-p))
        if cumulative <= alpha / 2:
            low = k + 1
        if cumulative >= 1 - alpha / 2:
            high = min(high, k + 1)
    return low, high


def describe(values_ns, keys):
    """One latency of the summary, from values in ns."""
    if not values_ns:
        return {"n": 0, "mean": None, "std": None, "min": None, "max": None, "tail_ratio": None,
                "percentiles": dict.fromkeys(keys), "ci95": {key: [None, None] for key in keys}}
    x = sorted(values_ns)
    n = len(x)
    mean = math.fsum(x) / n
    out = {"n": n, "mean": mean / 1e6, "min": x[0] / 1e6, "max": x[-1] / 1e6, "percentiles": {}, "ci95": {},
           "std": math.sqrt(math.fsum((v - mean) ** 2 for v in x) / (n - 1)) / 1e6 if n > 1 else None,
           "tail_ratio": percentile(x, "99") / percentile(x, "50") if percentile(x, "50") > 0 else None}
    for key in keys:
        low, high = binomial_ranks(n, float(Fraction(key) / 100))
        out["percentiles"][key] = percentile(x, key) / 1e6
        out["ci95"][key] = [x[low - 1] / 1e6 if low >= 1 else None, x[high - 1] / 1e6 if high <= n else None]
    return out


def difference(later, earlier):
    return None if later is None or earlier is None else later - earlier


class Request:
    def __init__(self, row):
        self.__dict__.update(row)
        self.events_list = unpack_events(self.gaps) if self.gaps else []
        if self.end_ns is None and self.outcome == "dropped":
            self.end_ns = self.intended_ns
        self.measured = self.phase == PHASE_MEASURE
        self.ok = self.outcome == "ok"
        tokens = self.output_tokens or 0
        decode = difference(self.last_token_ns, self.first_token_ns)
        parts = [part for part in (self.dns_ns, self.connect_ns, self.tls_ns) if part is not None]
        self.value = {
            "ttft": difference(self.first_token_ns, self.intended_ns),
            "ttft_service": difference(self.first_token_ns, self.sent_ns),
            "ttfa": difference(self.first_answer_ns, self.intended_ns),
            "tpot": decode / (tokens - 1) if tokens > 1 and decode is not None else None,
            "e2e": difference(self.last_token_ns, self.intended_ns),
            "connect": sum(parts) if parts else None,
        }

    def meets(self, metric, limit_ns):
        if not self.ok:
            return False
        if self.value[metric] is None:
            return metric == "tpot" and (self.output_tokens or 0) <= 1
        return self.value[metric] < limit_ns

    def kept_gaps(self):
        """Gaps whose ends are known well enough, and how many were left out."""
        gaps = [gap for gap, _, _ in self.events_list[1:]]
        if not gaps:
            return [], 0
        wide = max(WIDE_FLOOR_NS, int(0.1 * sorted(gaps)[rank("50", len(gaps)) - 1]))
        widths = [width for _, _, width in self.events_list]
        kept = [gap for j, gap in enumerate(gaps) if widths[j] <= wide and widths[j + 1] <= wide]
        return kept, len(gaps) - len(kept)


class Run:
    def __init__(self, path, run_id):
        database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        database.row_factory = sqlite3.Row
        self.run = dict(database.execute("SELECT * FROM run WHERE id = ?", (run_id,)).fetchone())
        rows = database.execute(
            "SELECT request.*, token_gaps.gaps FROM request LEFT JOIN token_gaps ON request_id = id "
            "WHERE run_id = ? ORDER BY phase, idx", (run_id,)).fetchall()
        database.close()
        every = [Request(dict(row)) for row in rows]
        self.warmup = sum(q.phase == PHASE_WARMUP for q in every)
        self.requests = [q for q in every if q.phase != PHASE_WARMUP]
        self.measured = [q for q in self.requests if q.measured]
        self.find_window()

    def find_window(self):
        run, measured = self.run, self.measured
        last_end = max((q.end_ns for q in measured if q.end_ns is not None), default=0)
        last_intended = max((q.intended_ns for q in measured), default=0)
        offline = run["mode"] == "offline"
        if offline:
            self.end = run["drained_ns"] if run["finished"] and (run["drained_ns"] or 0) > 0 else last_end
        else:
            self.end = (run["offered_end_ns"] or 0) if run["finished"] else last_intended
            duration = run["duration_ns"] or 0
            if duration > 0 and (self.end <= 0 or self.end > duration):
                self.end = duration
            if self.end <= 0:
                self.end = last_end
        self.end = max(self.end, 1)
        e2e = [q.value["e2e"] for q in measured if q.ok and q.value["e2e"] is not None]
        fill = int(FILL_E2ES * math.fsum(e2e) / len(e2e)) if e2e else 0
        self.start, self.steady = 0, False
        if not offline and fill <= self.end // 2:
            self.start = fill
            self.steady = sum(q.ok and self.holds(q.intended_ns) for q in measured) >= WINDOW_MIN_REQUESTS
            if not self.steady:
                self.start = 0
        self.seconds = (self.end - self.start) / 1e9
        self.offered = [q for q in measured if self.holds(q.intended_ns)]
        self.sample = [q for q in self.offered if q.ok]

    def holds(self, at):
        return at is not None and self.start <= at <= self.end

    def tokens_in_window(self, q):
        if not q.events_list or q.first_token_ns is None:
            at = q.last_token_ns if q.last_token_ns is not None else q.end_ns
            return q.output_tokens if (q.output_tokens or 0) > 0 and self.holds(at) else 0
        at, inside = q.first_token_ns, []
        for gap, tokens, _ in q.events_list:
            at += gap
            if self.holds(at):
                inside.append(tokens)
        if q.output_source == "continuous" or q.output_tokens is None:
            return sum(inside)
        return len(inside) * q.output_tokens / len(q.events_list)

    def throughput(self):
        ok = [q for q in self.requests if q.ok]
        output = math.fsum(self.tokens_in_window(q) for q in ok)
        prompt = sum(q.prompt_tokens or 0 for q in ok if self.holds(q.first_token_ns))
        return {"requests_per_s": sum(self.holds(q.end_ns) for q in ok) / self.seconds,
                "output_tokens_per_s": output / self.seconds, "prompt_tokens_per_s": prompt / self.seconds,
                "total_tokens_per_s": (output + prompt) / self.seconds}

    def concurrency(self):
        def clip(t):
            return min(max(t, self.start), self.end)
        stays = [(q.intended_ns, q.end_ns) for q in self.requests if q.end_ns is not None]
        area = sum(max(0, clip(b) - clip(a)) for a, b in stays)
        level = peak = 0
        edges = sorted([(a, 1) for a, _ in stays] + [(b, -1) for _, b in stays])
        moments = {}
        for at, step in edges:  # the level after all that happens at one moment
            level += step
            moments[at] = level
        level = 0
        for at, after in moments.items():
            if at > self.end:
                break
            level = after
            peak = level if at <= self.start else max(peak, level)
        return {"mean": area / (self.end - self.start), "peak": peak}

    def latency(self, keys):
        out = {f"{m}_ms": describe([q.value[m] for q in self.sample if q.value[m] is not None], keys)
               for m in ("ttft", "ttft_service", "ttfa", "tpot", "e2e", "connect")}
        out["itl_ms"] = describe([gap for q in self.sample for gap in q.kept_gaps()[0]], keys)
        return out

    def stalls(self):
        judged = stalled = left_out = longest = 0
        any_gap = False
        for q in self.sample:
            kept, left = q.kept_gaps()
            left_out += left
            any_gap = any_gap or bool(kept)
            longest = max([longest, *kept])
            gaps = sorted(gap for gap, _, _ in q.events_list[1:])
            if len(gaps) < 2 or gaps[rank("50", len(gaps)) - 1] == 0:
                continue
            judged += 1
            stalled += max(kept, default=0) > 10 * gaps[rank("50", len(gaps)) - 1]
        return {"share": stalled / judged if judged else None, "itl_left_out": left_out,
                "longest_ms": longest / 1e6 if any_gap else None}

    def goodput(self, expression):
        bounds = [(m, limit_ns(n, u)) for m, n, u in re.findall(r"(\w+)\s*:\s*([\d.]+)\s*(\w+|µs)", expression)]
        good = sum(all(q.meets(m, limit) for m, limit in bounds) for q in self.offered)
        return {"requests_per_s": good / self.seconds,
                "fraction": good / len(self.offered) if self.offered else None}

    def slo(self, bound):
        misses = sum(not q.meets(bound["metric"], bound["limit_ms"] * 1e6) for q in self.offered)
        n, allowed = len(self.offered), 1 - bound["percentile"] / 100
        return {"offered": n, "misses": misses, "miss_share": misses / n if n else None,
                "met": n > 0 and misses / n <= allowed * (1 + 1e-12)}

    def summary(self, told):
        """Every figure this program knows, under the keys of the summary told."""
        ok = [q for q in self.measured if q.ok]
        errors = {}
        for q in self.measured:
            if q.outcome not in ("ok", "dropped"):
                errors[q.outcome] = errors.get(q.outcome, 0) + 1
        cached = [q.cached_tokens for q in ok if q.cached_tokens is not None]
        spoken = [q for q in ok if q.output_tokens is not None and q.events > 0]
        events = sum(q.events for q in self.measured)
        out = {
            "window": {"start_s": self.start / 1e9, "end_s": self.end / 1e9, "steady": self.steady,
                       "warmup_requests": self.warmup},
            "requests": {"offered": len(self.measured), "completed": len(ok), "errors": errors,
                         "sent": sum(q.sent_ns is not None for q in self.measured),
                         "failed": sum(errors.values()),
                         "dropped": sum(q.outcome == "dropped" for q in self.measured)},
            "tokens": {"prompt": sum(q.prompt_tokens or 0 for q in ok),
                       "output": sum(q.output_tokens or 0 for q in ok),
                       "cached": sum(cached) if cached else None,
                       "per_event": sum(q.output_tokens for q in spoken) / sum(q.events for q in spoken)
                       if spoken else None},
            "throughput": self.throughput(),
            "concurrency": self.concurrency(),
            "latency": self.latency(list(told["latency"]["ttft_ms"]["percentiles"])),
            "stalls": self.stalls(),
            "instrument": {
                "rx_stamped_fraction": 1 - sum(q.unstamped for q in self.measured) / events if events else None,
                "censored_fraction": sum(q.censored for q in self.measured) / events if events else None,
                "censored_ours_fraction": sum(q.censored_ours for q in self.measured) / events if events else None,
            },
        }
        if told["goodput"].get("bounds"):
            out["goodput"] = self.goodput(told["goodput"]["bounds"])
        if "slo" in told:
            out["slo"] = {"bounds": [self.slo(bound) for bound in told["slo"]["bounds"]]}
        return out


def limit_ns(number, unit):
    return round(float(number) * UNIT_NS[unit])


def same(a, b):
    if isinstance(a, bool) or isinstance(b, bool) or a is None or b is None or isinstance(a, str):
        return a == b
    return math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=1e-12)


def compare(mine, told, where, differences):
    """Walks what was recomputed; keys only the summary has are none of our business."""
    if isinstance(mine, dict):
        for key, value in mine.items():
            if not isinstance(told, dict) or key not in told:
                differences.append(f"{where}.{key}: recomputed {value}, the summary has no such key")
            else:
                compare(value, told[key], f"{where}.{key}", differences)
    elif isinstance(mine, list):
        if not isinstance(told, list) or len(mine) != len(told):
            differences.append(f"{where}: recomputed {mine}, told {told}")
        else:
            for i, value in enumerate(mine):
                compare(value, told[i], f"{where}[{i}]", differences)
    elif not same(mine, told):
        differences.append(f"{where}: recomputed {mine}, told {told}")


def main(arguments):
    if len(arguments) != 3:
        print(__doc__.split("\n\n")[1], file=sys.stderr)
        return 2
    try:
        with open(arguments[2], encoding="utf-8") as file:
            told = json.load(file)
        summaries = told["runs"] if told["schema"] == "loadline.series/1" else [told]
        differences = []
        for summary in summaries:
            run = Run(arguments[1], summary["run"]["id"])
            compare(run.summary(summary), summary, f"run {summary['run']['id']}", differences)
    except (OSError, ValueError, KeyError, TypeError, sqlite3.Error) as problem:
        print(f"recompute.py: {type(problem).__name__}: {problem}", file=sys.stderr)
        return 2
    for line in differences:
        print(line)
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
