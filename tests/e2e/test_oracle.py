"""The main figures once more, recomputed from the run file in another language by tests/oracle/recompute.py."""

import subprocess
import sys

import pytest

from conftest import MEASURED, ROOT
from test_offline import offline

ORACLE = ROOT / "tests" / "oracle" / "recompute.py"
pytestmark = pytest.mark.figures
COMMAND = ("run", "--offline", "sim:llama-3.1-8b@a100")


def assert_recomputed(result):
    assert result.status in MEASURED or result.summary.get("slo"), result
    done = subprocess.run([sys.executable, ORACLE, result.file, result.json_file], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# What the intervals of each load are barred by.
LOADS = {
    "none": ["--request-rate", 6, "--duration", "10m"],
    "short": ["--request-rate", 6, "--duration", "150s"],
    "waiting": ["--request-rate", 10, "--duration", "20m"],
    "overload": ["--request-rate", 14, "--duration", "3m"],
    "unsteady": ["--request-rate", 6, "--duration", "20s"],
    "few-requests": ["--request-rate", 1, "--duration", "5m"],
}


@pytest.mark.parametrize("bar", LOADS)
def test_figures_of_an_open_loop_are_recomputed(loadline, bar):
    result = offline(loadline, *LOADS[bar], "--metric-percentiles", "50,99", "--seed", 7, command=COMMAND)
    assert result.summary["intervals"]["barred_by"] == bar
    assert_recomputed(result)


@pytest.mark.parametrize("options", [
    ["--max-concurrency", 20, "--duration", "5m"],
    ["--request-rate", "inf", "--num-prompts", 300],
    ["--request-rate", 6, "--duration", "2m", "--goodput", "ttft:100ms tpot:25ms", "--slo", "p90 ttft < 200ms"],
    ["--request-rate", 6, "--num-prompts", 12],
    ["--request-rate", 6, "--num-prompts", 1],
    ["--request-rate", 6, "--duration", "2m", "--num-runs", 2],
], ids=["closed", "offline", "bounds", "twelve", "one", "series"])
def test_figures_of_other_loads_are_recomputed(loadline, options):
    assert_recomputed(offline(loadline, *options, "--seed", 7, command=COMMAND))


def test_figures_of_a_live_run_are_recomputed(loadline, serve):
    assert_recomputed(loadline.run(serve().url, "--request-rate", "50", n=60))


def test_a_summary_of_other_figures_is_found_out(loadline):
    result = offline(loadline, *LOADS["short"], "--seed", 7, command=COMMAND)
    text = result.json_file.read_text(encoding="utf-8")
    mean = str(result.summary["latency"]["ttft_ms"]["mean"])
    result.json_file.write_text(text.replace(mean, "1.25"), encoding="utf-8")
    with pytest.raises(AssertionError, match="ttft_ms.mean"):
        assert_recomputed(result)
