"""Loads in virtual time: the same load and the same answers as live, in a run file like any other."""

import contextlib
import csv
import io
import json
import signal
import sqlite3
import statistics
import time

import pytest

from conftest import EXIT_DONE, EXIT_INTERRUPTED, EXIT_NOT_MADE, EXIT_USAGE, MEASURED, wait_until
from test_bad_input import assert_says

ENGINE = "llama-3.1-8b@h100"
SHORT = ["--num-prompts", 60, "--warmup-requests", 5, "--seed", 11]
INSTRUMENT_CHECKS = {"schedule-lag", "receive-stamps", "censored", "body-underruns", "clock-steps", "driver-busy",
                     "steal"}


def offline(loadline, *options, command=("sim", "--offline", ENGINE), name="offline", **how):
    """An offline run with a file and a summary."""
    loadline.count += 1
    file, summary = (loadline.folder / f"{name}-{loadline.count}.{kind}" for kind in ("loadline", "json"))
    process = loadline.start(*command, *options, "-o", file, "--json", summary, **how)
    return loadline.finish(process, file, summary)


def figures(result):
    """Everything of a summary that is not about this host, this moment or the file."""
    summary = {**result.summary}
    del summary["host"], summary["tool"]
    summary["run"] = {name: value for name, value in summary["run"].items() if name not in ("started_at", "command",
                                                                                            "target")}
    return summary


def rows_of(result, table="request"):
    return [tuple(row) for row in result.rows(f"SELECT * FROM {table} ORDER BY 1")]


# --- the two commands --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [
    ["--request-rate", 20],
    ["--max-concurrency", 4, "--dataset-name", "random", "--random-prefix-len", 100],
    ["--request-rate", "inf", "--backend", "openai-chat"],
    ["--request-rate", 40, "--max-concurrency", 3, "--on-cap", "drop", "--output-ladder", "8,16"],
], ids=["open", "closed", "burst", "capped"])
def test_sim_and_run_give_the_same_figures_for_the_same_seed(loadline, options):
    one = offline(loadline, *options, *SHORT)
    two = offline(loadline, *options, *SHORT, command=("run", f"sim:{ENGINE}", "--offline"))
    assert one.status in MEASURED and one.status == two.status, (one, two)
    assert figures(one) == figures(two)
    assert rows_of(one) == rows_of(two)
    assert rows_of(one, "token_gaps") == rows_of(two, "token_gaps")
    assert sum(one.outcomes.values()) == 60


def test_another_seed_gives_other_figures(loadline):
    one, two = (offline(loadline, "--request-rate", 20, "--num-prompts", 60, "--seed", seed) for seed in (1, 2))
    assert one.summary["latency"] != two.summary["latency"]


def test_without_a_seed_one_is_drawn_and_kept(loadline):
    one = offline(loadline, "--request-rate", 20, "--num-prompts", 30)
    again = offline(loadline, "--request-rate", 20, "--num-prompts", 30, "--seed", one.summary["run"]["seed"])
    assert rows_of(one) == rows_of(again)


def test_an_engine_is_chosen_as_for_the_server(loadline):
    result = offline(loadline, "--request-rate", 5, *SHORT, command=("sim", "--offline", "sim:llama-3.1-70b@h100x4"))
    assert result.outcomes == {"ok": 60}, result
    assert result.summary["run"]["model"] == "llama-3.1-70b"
    assert result.summary["context"]["gpus"] == "4"
    default = offline(loadline, "--request-rate", 5, *SHORT, command=("sim", "--offline"))
    assert default.summary["run"]["model"] == "llama-3.1-8b"


def test_a_series_of_runs_has_loads_of_its_own(loadline, folder):
    trace = folder / "trace.jsonl"
    trace.write_text("".join(f'{{"prompt": "number {i}", "output_tokens": 5, "at_ms": {20 * i}}}\n' for i in range(20)))
    for options in (["--request-rate", 20, "--num-prompts", 20],
                    ["--dataset-name", "custom", "--dataset-path", trace]):
        result = offline(loadline, *options, "--num-runs", 3, "--seed", 3, "--warmup-requests", 2)
        assert result.status in MEASURED, result
        assert len(result.summary["runs"]) == 3
        assert [row[0] for row in result.rows("SELECT count(*) FROM request WHERE phase = 1 GROUP BY run_id")] == [20] * 3
        seeds = {row[0] for row in result.rows("SELECT seed FROM run")}
        assert len(seeds) == 3


# --- as live -----------------------------------------------------------------------------------------------------


def sharegpt(folder):
    words = "the sea is deep and boats are wooden things of an extraordinary shape".split()
    talk = [" ".join(words[(i * k) % len(words)] for k in range(5 + (7 * i) % 60)) for i in range(80)]
    path = folder / "share.json"
    path.write_text(json.dumps([{"conversations": [{"from": "human", "value": talk[i]},
                                                   {"from": "gpt", "value": talk[79 - i]}]} for i in range(80)]))
    return ["--request-rate", 40, "--dataset-name", "sharegpt", "--dataset-path", path]


def trace(folder):
    path = folder / "trace.jsonl"
    path.write_text('{"prompt": "Tell me of the sea", "at_ms": 0, "output_tokens": 30}\n'
                    '{"prompt": "Tell me of the land, \\u00e9 and 12345", "at_ms": 0}\n'
                    '{"prompt": "Tell me", "at_ms": 250.5, "output_tokens": 400}\n')
    return ["--dataset-name", "custom", "--dataset-path", path]


def chats(folder):
    path = folder / "chats.jsonl"
    path.write_text('{"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]}\n'
                    '{"prompt": "plain", "output_tokens": 20}\n'
                    '{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}\n')
    return ["--request-rate", 20, "--num-prompts", 12, "--dataset-name", "custom", "--dataset-path", path,
            "--backend", "openai-chat"]


LIVE = {
    "chat-profile": lambda folder: ["--request-rate", 40],
    "prefix": lambda folder: ["--request-rate", 40, "--random-prefix-len", 100, "--backend", "openai-chat"],
    "ladder": lambda folder: ["--request-rate", 40, "--output-ladder", "8,16,32"],
    "sharegpt": sharegpt,
    "sharegpt-ignore-eos": lambda folder: [*sharegpt(folder), "--ignore-eos"],
    "trace": trace,
    "chats": chats,
}

SAME = ("idx", "phase", "intended_ns", "outcome", "http_status", "prompt_tokens", "output_tokens",
        "asked_input", "asked_output", "rung", "repeated", "finish_reason")


@pytest.mark.parametrize("name", LIVE)
def test_live_and_offline_ask_and_answer_the_same(loadline, folder, name):
    options = LIVE[name](folder)
    counted = [] if "--num-prompts" in options or name == "trace" else ["--num-prompts", 30]
    both = [offline(loadline, *options, *counted, "--seed", 7, "--warmup-requests", 3,
                    command=("run", f"sim:{ENGINE}", *how)) for how in ([], ["--offline"])]
    for result in both:
        assert result.status in MEASURED, result
    live, virtual = ([tuple(row[column] for column in SAME) for row in result.requests] for result in both)
    assert live == virtual
    ttft = [statistics.median((row["first_token_ns"] - row["intended_ns"]) / 1e6 for row in result.requests
                              if row["first_token_ns"] is not None) for result in both]
    print(f"\n{name}: median ttft live {ttft[0]:.2f} ms, offline {ttft[1]:.2f} ms")


# --- the run file ------------------------------------------------------------------------------------------------


def test_every_report_works_on_an_offline_run(loadline):
    run = offline(loadline, "--request-rate", 20, "--slo", "p99 ttft < 500ms", "--goodput", "tpot:50ms", *SHORT)
    assert run.status == EXIT_DONE, run
    table = loadline("report", run.file)
    assert table.status == EXIT_DONE, table
    assert "none: virtual time" in table.said and "kernel stamps" not in table.said
    checks = loadline("report", run.file, "--all-checks")
    assert checks.said.count("virtual time: no client, no network") == len(INSTRUMENT_CHECKS)
    summary = json.loads(loadline("report", run.file, "--json", "-").out)
    assert summary == run.summary
    assert summary["schema"] == "loadline.summary/1"
    assert summary["instrument"]["virtual_time"] is True
    assert summary["instrument"]["rx_stamped_fraction"] is None
    assert summary["context"]["simulated"] == "in virtual time"
    requests = list(csv.DictReader(io.StringIO(loadline("report", run.file, "--csv", "requests").out)))
    assert len(requests) == 65
    gaps = list(csv.reader(io.StringIO(loadline("report", run.file, "--csv", "gaps").out)))
    assert len(gaps) == 1 + sum(int(row["output_tokens"]) for row in requests)


def test_the_checks_of_the_instrument_are_skipped_and_none_other(loadline):
    result = offline(loadline, "--request-rate", 20, *SHORT)
    skipped = {check["id"] for check in result.summary["verdict"]["checks"] if check["status"] == "skipped"}
    assert skipped == INSTRUMENT_CHECKS | {"change-point"}  # of a few seconds nobody can tell


def test_a_live_run_has_its_instrument(loadline):
    result = loadline.run(f"sim:{ENGINE}", "--request-rate", 20)
    assert result.summary["instrument"]["virtual_time"] is False
    assert "none: virtual time" not in result.said


def test_an_hour_can_be_valid(loadline):
    result = offline(loadline, "--request-rate", 2, "--duration", "1h", "--seed", 1, "--dataset-name", "random",
                     "--random-input-len", 50, "--random-output-len", 10, "--random-range-ratio", "0.5")
    assert result.status == EXIT_DONE, result
    assert result.summary["verdict"]["status"] == "valid", result
    assert result.summary["requests"]["completed"] > 6000


def test_requests_that_no_answer_can_come_to(loadline):
    result = offline(loadline, "--max-concurrency", 2, "--duration", "1h", "--dataset-name", "random",
                     "--random-input-len", 200000)
    assert result.status == EXIT_NOT_MADE, result
    assert set(result.outcomes) == {"http_error"}
    assert "nothing succeeded any more" in result.findings
    assert "131072" in result.said


# --- bad input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["http://127.0.0.1:1", "https://example.org", "unix:/tmp/none.sock"])
def test_only_the_embedded_engine_knows_virtual_time(loadline, target):
    assert_says(loadline("run", target, "--offline", "--max-concurrency", 1), EXIT_USAGE, "--offline",
                "sim:MODEL@GPU")


@pytest.mark.parametrize("option", [["--listen", "127.0.0.1:0"], ["--fault=reset=0.1"], ["--truth", "t.db"],
                                    ["--metronome", "20ms"], ["--ready-fd", 3]])
def test_options_of_the_server_are_named(loadline, option):
    result = loadline("sim", ENGINE, "--offline", "--max-concurrency", 1, *option)
    assert_says(result, EXIT_USAGE, option[0].split("=")[0] + " ", "option of the server", "loadline run")


@pytest.mark.parametrize("option", [["--max-concurrency", 4], ["--request-rate=4"], ["--output", "x.db"]])
def test_options_of_a_load_are_named(loadline, option):
    assert_says(loadline("sim", ENGINE, *option), EXIT_USAGE, option[0].split("=")[0] + " ", "--offline",
                "loadline run")


@pytest.mark.parametrize("option", [["--save-output"], ["--no-stream"], ["--extra-body", "{}"]])
def test_what_needs_a_server_is_refused(loadline, option):
    result = loadline("sim", "--offline", ENGINE, "--max-concurrency", 1, *option)
    assert_says(result, EXIT_USAGE, option[0], "needs a server")


@pytest.mark.parametrize("arguments, pattern", [
    (["sim", "--offline", ENGINE], "how much load"),
    (["sim", "--offline", "gpt-none@h100", "--max-concurrency", 1], "no model"),
    (["sim", "--offline", "http://127.0.0.1:1", "--max-concurrency", 1], "no model"),
    (["sim", "--offline", ENGINE, "another", "--max-concurrency", 1], "one engine"),
    (["run", "--offline", "--max-concurrency", 1], "needs a target"),
    (["run", f"sim:{ENGINE}", "--offline", "--max-concurrency", 1, "--model", "gpt-none"], "serves llama-3.1-8b"),
    (["sim", "--offline", ENGINE, "--max-concurrency", 1, "--context", "simulated=no"], "--context simulated"),
    (["sim", "--offline", ENGINE, "--dataset-name", "custom", "--dataset-path", "none.jsonl"], "none.jsonl"),
])
def test_what_does_not_go_is_said(loadline, arguments, pattern):
    assert_says(loadline(*arguments), EXIT_USAGE, pattern)
    assert not list(loadline.folder.iterdir())


def test_an_existing_file_is_kept(loadline, folder):
    (folder / "mine.db").write_text("mine")
    result = loadline("sim", "--offline", ENGINE, "--max-concurrency", 1, "-o", "mine.db")
    assert_says(result, EXIT_USAGE, "mine.db exists")
    assert (folder / "mine.db").read_text() == "mine"


def test_secrets_are_not_kept(loadline):
    result = offline(loadline, "--max-concurrency", 1, "--num-prompts", 2, "--api-key", "hush-hush",
                     "--header=X-Token: hush-hush", env={"OPENAI_API_KEY": "hush-hush"})
    assert result.status in MEASURED, result
    assert b"hush" not in result.file.read_bytes()
    assert "hush" not in result.said + json.dumps(result.summary)
    assert "***" in result.summary["run"]["command"]


def test_help_lists_the_options_that_are_taken(loadline):
    assert "--request-rate" in loadline("sim", "--offline", "--help").out
    assert "--listen" in loadline("sim", "--help").out
    assert "virtual time" in loadline("help", "targets").out


# --- interrupted -------------------------------------------------------------------------------------------------


def rows_so_far(file):
    try:
        with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
            return database.execute("SELECT count(*) FROM request WHERE phase = 1").fetchone()[0]
    except sqlite3.Error:
        return 0


def interrupt(loadline, *options):
    """Sends SIGINT until the program ends, first when the file has some requests."""
    file = loadline.folder / "cut.loadline"
    process = loadline.start("sim", "--offline", ENGINE, *options, "-o", file)
    wait_until(lambda: rows_so_far(file) > 0, 30)
    while process.poll() is None:
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
    return loadline.finish(process, file)


def test_an_interrupted_run_leaves_its_file(loadline):
    result = interrupt(loadline, "--request-rate", 2, "--duration", "1000h")
    assert result.status == EXIT_INTERRUPTED, result
    assert result.out.startswith("INVALID"), result
    assert "interrupted" in result.said
    report = loadline("report", result.file, "--json", "-")
    assert report.status == EXIT_INTERRUPTED, report
    summary = json.loads(report.out)
    assert summary["verdict"]["status"] == "invalid"
    assert summary["requests"]["completed"] > 0
    assert not list(loadline.folder.glob("*-wal"))


def test_a_second_interrupt_cuts_off_what_is_in_flight(loadline):
    result = interrupt(loadline, "--request-rate", "inf", "--num-prompts", 100000, "--timeout", "10000h",
                       "--dataset-name", "random", "--random-input-len", 10, "--random-output-len", 5000)
    assert result.status == EXIT_INTERRUPTED, result
    assert result.outcomes["cancelled"] > 0
    assert sum(result.outcomes.values()) == 100000
