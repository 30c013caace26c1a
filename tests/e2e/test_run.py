"""A run from end to end: targets, the run file, the summary, exit codes."""

import json
import os
import re
import socket
import sqlite3

import pytest

from conftest import EXIT_DONE, EXIT_NOT_MET, MEASURED, wait_until

SUMMARY = {
    "schema": None,
    "tool": {"name", "version", "commit"},
    "run": {"id", "started_at", "command", "target", "engine", "model", "seed"},
    "host": {"cpu", "cores", "kernel", "governor", "steal_fraction"},
    "context": None,
    "load": {"mode", "request_rate", "burstiness", "max_concurrency", "num_prompts", "duration_s"},
    "window": {"start_s", "end_s", "warmup_requests", "steady"},
    "requests": {"offered", "sent", "completed", "failed", "dropped", "errors"},
    "tokens": {"prompt", "output", "cached", "output_source", "per_event"},
    "throughput": {"requests_per_s", "output_tokens_per_s", "prompt_tokens_per_s", "total_tokens_per_s"},
    "concurrency": {"mean", "peak"},
    "latency": {"ttft_ms", "ttft_service_ms", "ttfa_ms", "tpot_ms", "itl_ms", "e2e_ms", "connect_ms"},
    "instrument": {"rx_stamped_fraction", "censored_fraction", "censored_ours_fraction", "read_lag_ms",
                   "schedule_lag_ms", "cpu_user_us_per_event", "cpu_total_us_per_event", "spin_fraction",
                   "busy_fraction", "clock_steps"},
    "verdict": {"status", "checks"},
}

TIMES = ("intended_ns", "started_ns", "sent_ns", "first_byte_ns", "first_token_ns", "last_token_ns", "end_ns")


# --- targets -----------------------------------------------------------------------------------------------------


def test_over_a_unix_socket(loadline, serve, folder):
    result = loadline.run(serve(unix=str(folder / "engine.sock")).url)
    assert result.outcomes == {"ok": 12}, result
    assert result.summary["instrument"]["rx_stamped_fraction"] == 0  # unix sockets deliver no stamps


def test_over_ipv6(loadline, serve):
    result = loadline.run(serve(ipv6=True).url)
    assert result.outcomes == {"ok": 12}, result


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_over_tls(loadline, serve, certificates, host):
    try:
        socket.getaddrinfo(host, 0)
    except OSError as trouble:
        pytest.skip(f"{host} has no address here, as in a root without /etc/hosts: {trouble}")
    server = serve(tls=certificates["good"])
    result = loadline.run(f"https://{host}:{server.port}", "--cacert", certificates["authority"])
    assert result.outcomes == {"ok": 12}, result


def test_over_tls_without_looking_at_the_certificate(loadline, serve, certificates):
    result = loadline.run(serve(tls=certificates["self-signed"]).url, "--insecure")
    assert result.outcomes == {"ok": 12}, result


@pytest.mark.timing
def test_reads_have_the_kernels_stamps(loadline, serve):
    result = loadline.run(serve(gap=0.003).url)
    assert result.summary["instrument"]["rx_stamped_fraction"] > 0.9
    assert sum(row["unstamped"] for row in result.requests) == 0


def test_the_embedded_engine(loadline):
    result = loadline.run("sim:llama-3.1-8b@h100", "--request-rate", "20")
    assert result.status in MEASURED, result
    assert result.outcomes == {"ok": 12}
    assert result.summary["run"]["target"].startswith("sim:")
    assert "llama-3.1-8b" in result.summary["run"]["model"]


def processes_in(folder):
    """Processes whose working directory is the folder; an engine has that of the program that started it."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{pid}/cwd") == str(folder):
                found.append(pid)
        except OSError:
            pass
    return found


def test_the_embedded_engine_is_gone_afterwards(loadline):
    process, file, summary = loadline.measuring("sim:llama-3.1-8b@h100", "--request-rate", "20")
    wait_until(lambda: len(processes_in(loadline.folder)) == 2)
    result = loadline.finish(process, file, summary)
    assert result.status in MEASURED, result
    assert not processes_in(loadline.folder)


def test_the_embedded_engine_does_not_outlive_a_killed_run(loadline):
    process, file, summary = loadline.measuring("sim:llama-3.1-8b@h100", "--request-rate", "5", "--duration", "60s")
    wait_until(lambda: len(processes_in(loadline.folder)) == 2)
    process.kill()
    loadline.finish(process, file, summary)
    wait_until(lambda: not processes_in(loadline.folder))


def test_the_embedded_engine_behaves_the_same_for_the_same_seed(loadline):
    def hashes():
        result = loadline.run("sim:llama-3.1-8b@h100", "--request-rate", "20", "--seed", "5", "--cache-bust", "off")
        return [(row["output_tokens"], row["prompt_tokens"]) for row in result.requests]

    assert hashes() == hashes()


# --- load --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options, mode", [
    (["--max-concurrency", "3"], "closed"),
    (["--request-rate", "inf", "--max-concurrency", "3"], "closed"),
    (["--request-rate", "inf"], "offline"),
    (["--request-rate", "100"], "open"),
    (["--request-rate", "100", "--max-concurrency", "3"], "open"),
])
@pytest.mark.parametrize("threads", ["1", "3"])
def test_modes(loadline, serve, options, mode, threads):
    server = serve()
    result = loadline.run(server.url, *options, "--threads", threads, n=30)
    assert result.outcomes == {"ok": 30}, result
    assert result.summary["load"]["mode"] == mode
    if "3" in options:
        assert most_at_once(result.requests) <= 3
    if mode == "offline":
        assert len({row["intended_ns"] for row in result.requests}) == 1


def most_at_once(rows):
    """Requests between start and end at the same moment, by the record; an end frees its slot first."""
    steps = sorted([(row["started_ns"], 1) for row in rows] + [(row["end_ns"], -1) for row in rows])
    most = now = 0
    for _, step in steps:
        now += step
        most = max(most, now)
    return most


@pytest.mark.parametrize("threads", ["1", "2"])
def test_num_prompts_is_exact(loadline, serve, threads):
    result = loadline.run(serve().url, "--request-rate", "300", "--threads", threads, n=77)
    assert len(result.requests) == 77
    assert [row["idx"] for row in result.requests] == list(range(77))


def test_with_a_duration_offering_ends_and_what_began_is_kept(loadline, serve):
    result = loadline.run(serve("good", first=0.1).url, "--request-rate", "50", "--duration", "1s")
    assert result.status in MEASURED, result
    assert 15 <= len(result.requests) <= 100
    assert max(row["intended_ns"] for row in result.requests) < 1e9
    assert set(result.outcomes) == {"ok"}


def test_a_ramp(loadline, serve):
    result = loadline.run(serve().url, "--ramp-up-strategy", "linear", "--ramp-up-start-rps", "20",
                          "--ramp-up-end-rps", "200", "--burstiness", "inf", n=60)
    times = [row["intended_ns"] for row in result.requests]
    gaps = [b - a for a, b in zip(times, times[1:])]
    assert gaps[-1] < gaps[0] / 3


# --- the run file ------------------------------------------------------------------------------------------------


def test_the_run_file_is_one_file_that_any_sqlite_opens(loadline, serve):
    result = loadline.run(serve().url)
    assert sorted(path.name for path in loadline.folder.iterdir()) == ["run-1.json", "run-1.loadline"]
    assert result.file.read_bytes()[:16] == b"SQLite format 3\0"
    database = sqlite3.connect(f"file:{result.file}?mode=ro&immutable=1", uri=True)
    assert database.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    assert database.execute("PRAGMA application_id").fetchone()[0] != 0
    assert database.execute("PRAGMA user_version").fetchone()[0] >= 1
    assert database.execute("PRAGMA journal_mode").fetchone()[0] != "wal"
    tables = {row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    database.close()
    assert {"run", "request", "token_gaps", "sample", "finding", "meta"} <= tables


def test_a_name_is_chosen_when_none_is_given(loadline, serve):
    result = loadline("run", serve().url, "--model", "test-model", "--max-concurrency", 1, "--num-prompts", 2,
                      "--warmup-requests", 0, "--dataset-name", "random", "--random-input-len", 4,
                      "--random-output-len", 3)
    assert result.status in MEASURED, result
    files = list(loadline.folder.iterdir())
    assert len(files) == 1 and files[0].name in result.said
    assert files[0].read_bytes()[:15] == b"SQLite format 3"


def test_times_are_in_order_and_gaps_are_kept(loadline, serve):
    result = loadline.run(serve().url, "--request-rate", "50")
    for row in result.requests:
        times = [row[name] for name in TIMES]
        assert times == sorted(times)
    kept = result.rows("SELECT count(*) FROM token_gaps JOIN request ON request.id = request_id WHERE phase = 1")
    assert kept[0][0] == 12


def test_requests_carry_the_names_they_were_sent_under(loadline, serve):
    server = serve()
    loadline.run(server.url)
    ids = [request.headers.get("x-request-id") for request in server.generations[-12:]]
    assert all(ids) and len(set(ids)) == 12


def test_output_text_is_kept_only_when_asked(loadline, serve):
    without = loadline.run(serve().url)
    assert {row["output"] for row in without.requests} == {""}
    with_it = loadline.run(serve().url, "--save-output")
    assert {row["output"] for row in with_it.requests} == {"".join(f" w{i}" for i in range(8))}
    assert {row["output_hash"] for row in without.requests} == {row["output_hash"] for row in with_it.requests}


# --- summaries ---------------------------------------------------------------------------------------------------


def test_the_summary_has_its_schema(loadline, serve):
    summary = loadline.run(serve().url, "--context", "gpu=h100", "--goodput", "ttft:10s").summary
    assert summary["schema"] == "loadline.summary/1"
    for part, names in SUMMARY.items():
        assert part in summary
        assert not names or names <= set(summary[part]), f"{part}: {names - set(summary[part])}"
    assert summary["context"] == {"gpu": "h100"}
    assert set(summary["goodput"]) >= {"requests_per_s", "fraction"}
    assert summary["verdict"]["status"] in ("valid", "provisional", "invalid")
    for check in summary["verdict"]["checks"]:
        assert set(check) >= {"id", "severity", "status", "value", "threshold", "advice"}
    latency = summary["latency"]["ttft_ms"]
    assert set(latency) >= {"n", "n_eff", "mean", "std", "min", "max", "percentiles", "ci95", "tail_ratio"}
    assert set(latency["percentiles"]) == {"50", "75", "90", "95", "99", "99.9"}


def test_the_counts_of_the_summary_are_those_of_the_file(loadline, serve):
    result = loadline.run(serve("error-in-stream", load_only=True, every=3).url)
    requests = result.summary["requests"]
    assert requests["offered"] == len(result.requests) == 12
    assert requests["offered"] == requests["completed"] + requests["failed"] + requests["dropped"]
    assert requests["completed"] == result.outcomes["ok"]


def test_a_report_recomputes_the_summary_from_the_file_alone(loadline, serve, folder):
    first = loadline.run(serve().url, "--request-rate", "50")
    again = loadline("report", first.file, "--json", folder / "again.json")
    assert again.status in MEASURED, again
    with open(folder / "again.json", encoding="utf-8") as file:
        assert json.load(file) == first.summary


def test_a_report_leaves_the_file_as_it_is(loadline, serve):
    result = loadline.run(serve().url)
    before = result.file.read_bytes()
    os.chmod(result.file, 0o444)
    assert loadline("report", result.file).status in MEASURED
    assert result.file.read_bytes() == before
    assert len(list(loadline.folder.iterdir())) == 2


def test_json_on_standard_output_is_json_alone(loadline, serve):
    result = loadline.run(serve().url, "--json", "-")
    assert json.loads(result.out)["schema"] == "loadline.summary/1"
    assert "ttft" in result.err.lower()


def test_the_table_opens_with_the_verdict(loadline, serve):
    result = loadline.run(serve().url)
    assert re.search(r"\b(VALID|PROVISIONAL|INVALID)\b", result.said)
    assert "ttft" in result.out.lower()
    assert "\x1b" not in result.out, "colours on something that is no terminal"


def test_percentiles_as_asked(loadline, serve):
    result = loadline.run(serve().url, "--metric-percentiles", "10,50,99")
    assert set(result.summary["latency"]["ttft_ms"]["percentiles"]) == {"10", "50", "99"}


# --- exit codes --------------------------------------------------------------------------------------------------


def test_an_objective_met_and_one_missed(loadline, serve):
    missed = loadline.run(serve("good", first=0.05).url, "--slo", "p50 ttft < 1ms")
    assert missed.status == EXIT_NOT_MET or missed.status not in (EXIT_DONE,), missed
    met = loadline.run(serve().url, "--slo", "p50 ttft < 10s")
    assert met.status in MEASURED, met


def test_goodput_counts_what_meets_every_bound(loadline, serve):
    loose = loadline.run(serve().url, "--goodput", "ttft:20s e2e:20s").summary
    assert loose["goodput"]["fraction"] == 1
    tight = loadline.run(serve("good", first=0.05).url, "--goodput", "ttft:1ms").summary
    assert tight["goodput"]["fraction"] == 0
    failing = serve("error-in-stream", load_only=True, every=2)
    half = loadline.run(failing.url, "--goodput", "ttft:20s")
    assert half.summary["goodput"]["fraction"] <= 1 - failing.faulted / 12 + 1e-9


def test_every_seed_that_is_shown_can_be_given(loadline, serve):
    server = serve()
    first = loadline.run(server.url, "--seed", "42", "--num-runs", "2", n=2)  # a second seed near the largest there can be
    seeds = [row["seed"] for row in first.rows("SELECT seed FROM run ORDER BY id")]
    assert len(set(seeds)) == 2
    again = loadline.run(server.url, "--seed", seeds[1], n=2)
    assert again.status in MEASURED, again
    assert again.rows("SELECT seed FROM run")[0]["seed"] == seeds[1]


@pytest.mark.parametrize("arguments", [["--help"], ["help"], ["run", "--help"], ["report", "--help"], ["sim", "--help"],
                                       ["--version"]])
def test_help_is_on_standard_output(loadline, arguments):
    result = loadline(*arguments)
    assert result.status == EXIT_DONE, result
    assert result.out and not result.err
