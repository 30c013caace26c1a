#!/usr/bin/env python3
"""Recomputes the main figures of a run from its run file alone and compares them with a JSON summary.

usage: recompute.py RUNFILE SUMMARY.json

Written from the definitions in docs/metrics.md with nothing but the standard library, in another language and with
other algorithms (everything is sorted, ranks come from exact fractions), so that a mistake would have to be made twice.
Exit status: 0 all equal, 1 with the differences on standard output, 2 for files that cannot be read.
"""

import bisect
import functools
import json
import math
import re
import sqlite3
import statistics
import sys
from fractions import Fraction

PHASE_WARMUP, PHASE_MEASURE = 0, 1
FILL_E2ES = 5            # mean end-to-end latencies until the load has filled up
WINDOW_MIN_REQUESTS = 10
LEVELS = 1000            # parts of the run whose mean in flight is looked at
BATCHES = 20
CLAIM_LEAST_REQUESTS, CLAIM_LEAST_TURNOVERS, CLAIM_MOST_MEMORY, CLAIM_MOST_RHO = 400, 15, 0.065, 0.7
CLAIM_LAG, CLAIM_LAG_TTFTS = 10, 5
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


def beta_inc(a, b, x):
    """The regularised I_x(a, b), by its continued fraction (Lentz)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - beta_inc(b, a, 1 - x)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)) / a
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1))
    f = d
    for m in range(1, 10000):
        for step in (m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
                     -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))):
            d, c = 1 / (1 + step * d), 1 + step / c
            f *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return front * f


@functools.lru_cache(maxsize=None)
def t_quantile(p, df):
    low, high = 0.0, 1e6
    for _ in range(200):
        t = (low + high) / 2
        if 1 - beta_inc(df / 2, 0.5, df / (df + t * t)) / 2 < p:
            low = t
        else:
            high = t
    return high


@functools.lru_cache(maxsize=None)
def least_claim(p, c=0.95):
    """MLPerf LoadGen's total for one request over the bound."""
    h = 1
    while beta_inc(h, 2, p) > 1 - c:
        h += 1
    return h + 1


@functools.lru_cache(maxsize=None)
def tail_worth(p):
    """How much more the p-quantile of an Ornstein-Uhlenbeck process is worth than its median (tanh-sinh quadrature)."""
    z = statistics.NormalDist().inv_cdf(p)

    def integral(z2):
        total, h = 0.0, 1 / 64
        for k in range(-256, 257):
            u = math.pi / 2 * math.sinh(k * h)
            share = 1 / (1 + math.exp(-2 * u))  # of the way from 0 to π/2
            weight = math.pi / 2 * math.cosh(k * h) / math.cosh(u) ** 2
            sine = math.sin(math.pi / 2 * share)
            if 0 < sine < 1:
                total -= h * weight * math.log(sine) * math.exp(-z2 / (1 + sine))
        return total
    return integral(0) * p * (1 - p) / (integral(z * z) / 4)


def lagged_correlation(x, lag):
    mean = math.fsum(x) / len(x)
    d = [v - mean for v in x]
    squares = math.fsum(v * v for v in d)
    if squares <= 1e-24 * len(x) * max(1.0, mean * mean):
        return 0.0
    return math.fsum(a * b for a, b in zip(d, d[lag:])) / squares


def normal_scores(x):
    order = sorted(x)
    score = {}
    for value in set(x):
        low, high = bisect.bisect_left(order, value), bisect.bisect_right(order, value)
        score[value] = statistics.NormalDist().inv_cdf((low + high) / 2 / len(x))
    return [score[value] for value in x]


def line_slope(points):
    """Least squares: the slope, and how many of its standard errors it is from 0."""
    n = len(points)
    if n < 3:
        return 0.0, 0.0
    mx, my = (math.fsum(c) / n for c in zip(*points))
    sxx = math.fsum((x - mx) ** 2 for x, _ in points)
    sxy = math.fsum((x - mx) * (y - my) for x, y in points)
    syy = math.fsum((y - my) ** 2 for _, y in points)
    if sxx <= 0 or sxy == 0:
        return 0.0, 0.0
    slope = sxy / sxx
    rest = (syy - slope * sxy) / (n - 2)
    return slope, slope / math.sqrt(rest / sxx) if rest > 0 else math.copysign(math.inf, slope)


def batches(values):
    """Twenty, of sizes that differ by one at most."""
    n = len(values)
    cuts = [n * j // BATCHES for j in range(BATCHES + 1)]
    return [values[a:b] for a, b in zip(cuts, cuts[1:])]


class Certainty:
    """Variance of a share, from its batch means and the variance of one value that n independent ones would have."""

    def __init__(self, p, n, means=None, floor=0.0):
        self.variance, self.rho, self.df, self.bound = max(p * (1 - p) / n, floor), 0.0, 0.0, False
        if means is not None:
            mean = math.fsum(means) / BATCHES
            d = [m - mean for m in means]
            squares = math.fsum(x * x for x in d)
            constant = squares <= 1e-24 * max(1.0, mean * mean)
            self.rho = 0.0 if constant else math.fsum(a * b for a, b in zip(d, d[1:])) / squares
            rho = max(self.rho, 0.0)
            inflation = (1 + rho) / (1 - rho)
            self.variance = max(0.0 if constant else squares / (BATCHES * (BATCHES - 1)), floor) * inflation
            self.variance = max(self.variance, p * (1 - p) / n)
            self.df = BATCHES / inflation - 1
            self.bound = rho <= 0.5
        self.n_eff = p * (1 - p) / self.variance

    def claim(self, ground, median, p):
        """What the load allows of it."""
        own = max(self.rho, 0.0)
        rho = max(own, ground["in_flight_rho"])
        self.bound = self.df > 0 and rho <= CLAIM_MOST_RHO and ground["barred_by"] == "none"
        if self.df > 0 and rho < 1:
            wider = (1 + rho) / (1 - rho) * (1 - own) / (1 + own)
            self.variance, self.n_eff = self.variance * wider, self.n_eff / wider
            self.df = BATCHES * (1 - rho) / (1 + rho) - 1
        most = tail_worth(p) * median.n_eff
        if median is not self and self.n_eff > most:
            self.variance, self.n_eff = self.variance * self.n_eff / most, most
            self.df, self.bound = min(self.df, median.df), self.bound and median.bound
        self.bound = self.bound and self.n_eff >= least_claim(p)
        return self

    def ranks(self, p, n):
        if not self.bound:
            return 0, n + 1
        half = t_quantile(0.975, self.df) * n * math.sqrt(self.variance)
        return max(0, math.floor(n * p - half)), min(n + 1, math.ceil(n * p + half))


def certainty_of_values(values, p, quantile):
    n = len(values)
    if n < 2 * BATCHES:
        return Certainty(p, n)

    def judge(within, spread):
        return Certainty(p, n, [sum(within(v) for v in part) / len(part) for part in batches(values)], spread / n)
    out = judge(lambda v: v <= quantile, p * (1 - p))
    below, equal = sum(v < quantile for v in values), sum(v == quantile for v in values)
    if equal > 1 and below > 0:
        other = judge(lambda v: v < quantile, below / n * (1 - below / n))
        if other.variance > out.variance * (1 + 1e-12):
            other.n_eff = below / n * (1 - below / n) / other.variance
            return other
    return out


def certainty_of_gaps(pools, p, quantile):
    """Of lists of gaps, one a request: the share at or below the quantile is a ratio of sums over requests."""
    n, requests = sum(map(len, pools)), len(pools)

    def judge(within):
        counts = [sum(within(gap) for gap in pool) for pool in pools]
        share = sum(counts) / n
        d = [(k - share * len(pool)) / (n / requests) for k, pool in zip(counts, pools)]
        spread = math.fsum(x * x for x in d) / requests
        enough = requests >= 2 * BATCHES
        means = [math.fsum(part) / len(part) for part in batches(d)] if enough else None
        return Certainty(p, n, means, spread / requests)
    out = judge(lambda gap: gap <= quantile)
    every = [gap for pool in pools for gap in pool]
    if every.count(quantile) > 1 and any(gap < quantile for gap in every):
        other = judge(lambda gap: gap < quantile)
        if other.variance > out.variance:
            return other
    return out


def mser5(x):
    """How many values to cut, and whether the least was found before its bound (White 1997)."""
    z = [math.fsum(x[i:i + 5]) / 5 for i in range(0, len(x) - 4, 5)]
    k = len(z)
    if k < 4:
        return 0, False

    def score(d):
        mean = math.fsum(z[d:]) / (k - d)
        return math.fsum((v - mean) ** 2 for v in z[d:]) / (k - d) ** 2
    scores = [score(d) for d in range(k // 2 + 1)]
    best = min(range(len(scores)), key=lambda d: (scores[d], d))
    return 5 * best, best < k // 2


def settle(x):
    """Values to cut at the start, and whether the series has settled."""
    cut, found = mser5(x)
    half = len(x) // 2
    if not found:
        first, second = math.fsum(x[:half]), math.fsum(x[len(x) - half:])
        return 0, len(x) >= 20 and abs(second - first) <= 0.01 * abs(second)
    low, high, mean = min(x[half:]), max(x[half:]), math.fsum(x[half:]) / (len(x) - half)
    filled = next((i for i, v in enumerate(x[:half]) if v >= mean), half)
    clipped = [min(v, high) for v in x[:filled]] + [min(max(v, low), high) for v in x[filled:half]]
    return min(cut, mser5(clipped + x[half:])[0]), True


def describe(values, keys, certainty, ground):
    """One latency of the summary, from values in ns in time order."""
    flat = [v for part in values for v in part] if values and isinstance(values[0], list) else values
    if not flat:
        return {"n": 0, "n_eff": 0, "mean": None, "std": None, "min": None, "max": None, "tail_ratio": None,
                "percentiles": dict.fromkeys(keys), "ci95": {key: [None, None] for key in keys},
                "n_eff_of": dict.fromkeys(keys, 0)}
    x = sorted(flat)
    n = len(x)
    mean = math.fsum(x) / n
    median = certainty(values, 0.5, percentile(x, "50"))
    median.claim(ground, median, 0.5)
    out = {"n": n, "mean": mean / 1e6, "min": x[0] / 1e6, "max": x[-1] / 1e6,
           "percentiles": {}, "ci95": {}, "n_eff_of": {},
           "std": math.sqrt(math.fsum((v - mean) ** 2 for v in x) / (n - 1)) / 1e6 if n > 1 else None,
           "tail_ratio": percentile(x, "99") / percentile(x, "50") if percentile(x, "50") > 0 else None,
           "n_eff": median.n_eff}
    for key in keys:
        p = float(Fraction(key) / 100)
        certain = certainty(values, p, percentile(x, key)).claim(ground, median, p)
        low, high = certain.ranks(p, n)
        out["n_eff_of"][key] = certain.n_eff
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
        self.requests.sort(key=lambda q: (q.intended_ns, q.idx))
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
        self.start, self.steady, self.filled = 0, False, False
        self.search = {"start_by": "none", "fill_s": fill / 1e9, "in_flight_s": None, "in_flight_settled": False,
                       "tpot_s": None, "tpot_settled": False}
        if not offline:
            self.cut_warm_up(fill)
        self.seconds = (self.end - self.start) / 1e9
        self.offered = [q for q in measured if self.holds(q.intended_ns)]
        self.sample = [q for q in self.offered if q.ok]

    def cut_warm_up(self, fill):
        parts = [self.end * k // LEVELS for k in range(LEVELS + 1)]
        paced = [q for q in self.measured if q.ok and q.intended_ns <= self.end and q.value["tpot"] is not None]
        starts, agreed = [("fill", fill)], True
        for name, values, at in (
                ("in_flight", self.levels(parts) if self.requests else [], lambda cut: self.end * cut // LEVELS),
                ("tpot", [q.value["tpot"] for q in paced], lambda cut: paced[cut].intended_ns if cut else 0)):
            if not values:
                continue
            cut, settled = settle(values)
            self.search[name + "_s"], self.search[name + "_settled"] = at(cut) / 1e9, settled
            agreed = agreed and settled
            if settled:
                starts.append((name.replace("_", "-"), at(cut)))
        by, self.start = max(starts, key=lambda start: start[1])  # of equals the first
        completed = sum(q.ok and self.holds(q.intended_ns) for q in self.measured)
        self.filled = fill <= self.end // 2 and completed >= WINDOW_MIN_REQUESTS
        self.start = self.start if self.filled else 0
        self.search["start_by"] = by if self.filled else "none"
        self.steady = self.filled and agreed

    def levels(self, parts):
        """Mean in flight between each two of the moments."""
        area = [0] * len(parts)
        for q in self.requests:
            if q.end_ns is None or q.end_ns <= q.intended_ns:
                continue
            for k in range(max(0, bisect.bisect_right(parts, q.intended_ns) - 1), len(parts) - 1):
                if parts[k] >= q.end_ns:
                    break
                area[k] += max(0, min(q.end_ns, parts[k + 1]) - max(q.intended_ns, parts[k]))
        return [a / (to - since) if to > since else 0 for a, since, to in zip(area, parts, parts[1:])]

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

    def overloaded(self, levels):
        length = self.end - self.start
        slope, t = line_slope([((k + 0.5) / BATCHES, level) for k, level in enumerate(levels)])
        growing = t > t_quantile(0.975, BATCHES - 2)
        if growing and not self.filled:
            points = [(q.intended_ns, q.value["e2e"]) for q in self.sample if q.value["e2e"] is not None]
            slope, t = line_slope(points)
            growing = len(points) >= 3 and t > t_quantile(0.975, len(points) - 2) and \
                slope * length > 0.5 * math.fsum(y for _, y in points) / len(points)
        sent = [q for q in self.requests if q.outcome != "dropped"]
        offered = sum(self.holds(q.intended_ns) for q in sent)
        return growing and offered > 0 and sum(self.holds(q.end_ns) for q in sent) < 0.98 * offered

    def ground(self):
        """What the load allows to claim."""
        spans = [q.value["e2e"] / 1e9 for q in self.sample if q.value["e2e"] is not None]
        waits = [q.value["ttft"] for q in self.sample if q.value["ttft"] is not None]
        waits = waits or [q.value["e2e"] for q in self.sample if q.value["e2e"] is not None]
        n = len(waits)
        turnover = math.fsum(x * x for x in spans) / math.fsum(spans) if spans and math.fsum(spans) > 0 else None
        lag, memory = CLAIM_LAG, None
        if n > 0:
            places = math.ceil(CLAIM_LAG_TTFTS * percentile(sorted(waits), "50") / 1e9 * n / self.seconds)
            lag = max(lag, min(places, n))
        if n > lag:
            memory = lagged_correlation(normal_scores(waits), lag)
        length = self.end - self.start
        levels = self.levels([self.start + length * k // BATCHES for k in range(BATCHES + 1)])
        level = math.fsum(levels) / BATCHES
        spread = math.sqrt(math.fsum((x - level) ** 2 for x in levels) / (BATCHES - 1))
        turnovers = self.seconds / turnover if turnover else None
        rho = 0.0
        if spread > 0.01 * level:
            batch = turnovers / BATCHES if turnovers else math.inf
            lost = 1 - math.exp(-batch)
            rho = max(lost ** 2 / (2 * (batch - lost)), lagged_correlation(levels, 1))
        bars = (("overload", self.overloaded(levels)), ("unsteady", not self.steady),
                ("few-requests", n < CLAIM_LEAST_REQUESTS or memory is None),
                ("short", turnovers is None or turnovers < CLAIM_LEAST_TURNOVERS),
                ("waiting", memory is not None and memory + 1 / math.sqrt(n) > CLAIM_MOST_MEMORY),
                ("drift", rho > CLAIM_MOST_RHO))
        return {"barred_by": next((name for name, barred in bars if barred), "none"), "turnover_s": turnover,
                "turnovers": turnovers, "memory": memory, "memory_lag": lag, "in_flight_rho": rho}

    def latency(self, keys, ground):
        out = {f"{m}_ms": describe([q.value[m] for q in self.sample if q.value[m] is not None], keys,
                                   certainty_of_values, ground)
               for m in ("ttft", "ttft_service", "ttfa", "tpot", "e2e", "connect")}
        pools = [q.kept_gaps()[0] for q in self.sample]
        out["itl_ms"] = describe([pool for pool in pools if pool], keys, certainty_of_gaps, ground)
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
        limits = bound["limits_ms"].items()
        misses = sum(not all(q.meets(metric, limit * 1e6) for metric, limit in limits) for q in self.offered)
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
        ground = self.ground()
        out = {
            "window": {"start_s": self.start / 1e9, "end_s": self.end / 1e9, "steady": self.steady,
                       "warmup_requests": self.warmup, **self.search},
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
            "intervals": ground,
            "latency": self.latency(list(told["latency"]["ttft_ms"]["percentiles"]), ground),
            "stalls": self.stalls(),
        }
        virtual = json.loads(self.run["context_json"] or "{}").get("simulated") == "in virtual time"
        if not virtual:  # which has no instrument
            out["instrument"] = {
                "rx_stamped_fraction": 1 - sum(q.unstamped for q in self.measured) / events if events else None,
                "censored_fraction": sum(q.censored for q in self.measured) / events if events else None,
                "censored_ours_fraction": sum(q.censored_ours for q in self.measured) / events if events else None,
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
