"""The embedded engine's faults on demand: what must be on record of each."""

import pytest

from conftest import EXIT_USAGE, MEASURED
from test_calibrate import Engine

N = 24


@pytest.fixture
def faulty(loadline):
    """faulty(FAULT, …) runs N requests against an engine with it; returns the result and what the engine said."""
    def run(fault, *options):
        engine = Engine(loadline, "--fault", fault)
        result = loadline.run(engine.url, "--model", "llama-3.1-8b", "--seed", 5, *options, n=N)
        engine.stop()
        assert result.status in MEASURED, result
        return result
    return run


ENDS = {
    "refuse": ("reset", "connect_failed"),
    "reset": ("reset",),
    "reset-midstream": ("reset",),
    "truncate": ("truncated",),
    "malformed-chunk": ("protocol_error",),
    "malformed-json": ("protocol_error",),
    "error": ("engine_error",),
    "429": ("http_error",),
    "500": ("http_error",),
}


@pytest.mark.parametrize("kind", ENDS)
def test_a_fault_is_on_record_as_what_it_is_and_strikes_its_share(faulty, kind):
    outcomes = faulty(f"{kind}=0.5").outcomes
    failed = sum(count for outcome, count in outcomes.items() if outcome in ENDS[kind])
    assert outcomes["ok"] + failed == N, outcomes
    assert 2 <= failed <= N - 2, outcomes  # of 24, beyond that once in 100,000 seeds


def test_a_stalled_stream_times_out_with_the_tokens_it_had(faulty):
    result = faulty("stall=0.25", "--timeout", "1s", "--max-concurrency", "16")
    outcomes = result.outcomes
    assert outcomes["timeout"] + outcomes["ok"] == N, outcomes
    assert {1 <= row["events"] < 8 for row in result.requests if row["outcome"] == "timeout"} == {True}


@pytest.mark.parametrize("kind", ["reset-midstream", "truncate", "malformed-chunk", "error"])
def test_tokens_before_a_fault_are_kept(faulty, kind):
    failed = [row for row in faulty(f"{kind}=0.5").requests if row["outcome"] != "ok"]
    assert {row["events"] < 8 for row in failed} == {True}
    assert any(row["events"] > 0 for row in failed)


@pytest.mark.parametrize("kind", ["split-utf8", "coalesce", "one-byte", "slow-headers"])
def test_what_is_no_error_is_recorded_as_none(faulty, kind):
    result = faulty(f"{kind}=1", "--save-output", "--max-concurrency", "8")
    assert result.outcomes == {"ok": N}
    assert {(row["events"], row["output_tokens"]) for row in result.requests} == {(8, 8)}
    if kind == "split-utf8":
        assert all("é漢😀" in row["output"] for row in result.requests)
    if kind == "coalesce":
        assert min(row["censored"] for row in result.requests) >= 4  # three of each four, and the one before [DONE]
    if kind == "slow-headers":
        assert min((row["first_token_ns"] - row["sent_ns"]) / 1e6 for row in result.requests) > 200


def test_a_429_has_its_retry_after_on_record(faulty):
    errors = {row["error"] for row in faulty("429=0.5").requests if row["outcome"] == "http_error"}
    assert len(errors) == 1 and "Retry-After: 1" in errors.pop()


def test_the_same_seed_strikes_the_same_requests(faulty):
    once, again = ([row["outcome"] for row in faulty("500=0.5").requests] for _ in range(2))
    assert once == again


@pytest.mark.parametrize("value", ["stall", "stall=2", "nonsense=0.5", "=1"])
def test_a_fault_that_makes_no_sense_is_refused(loadline, value):
    assert loadline("sim", "--listen", "127.0.0.1:0", "--fault", value).status == EXIT_USAGE
