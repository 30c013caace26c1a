"""loadline compare: rounds, files, verdicts, gates, and what it refuses."""

import json
import os
import pathlib
import re
import signal
import sqlite3

import pytest

from conftest import (EXIT_DONE, EXIT_INTERRUPTED, EXIT_INVALID, EXIT_NOT_MADE, EXIT_NOT_MET, EXIT_USAGE, MEASURED,
                      PROGRAM, check_alive, wait_until, on_terminal, rows_of_file)
from faultserver import MODEL
from test_bad_input import assert_says, free_port
from test_run import processes_in

ENGINE = "sim:llama-3.1-8b@h100"
SLOWER = ENGINE + "?step_scale=1.3"
SHORT = ["--request-rate", "8", "--duration", "5s", "--warmup-requests", "0", "--output-len", "16", "--seed", "3"]
TINY = ["--max-concurrency", "2", "--num-prompts", "4", "--warmup-requests", "0", "--dataset-name", "random",
        "--random-input-len", "12", "--random-output-len", "8", "--timeout", "10s"]

SCHEMA = {
    "schema": None, "tool": {"name", "version", "commit"}, "design": None,
    "a": {"target", "model", "engine", "engine_version", "blocks", "offered", "completed", "failed", "dropped",
          "got_input_mean", "got_output_mean", "tokens_per_event"},
    "load": {"mode", "request_rate", "max_concurrency", "num_prompts", "duration_s", "workload", "seed"},
    "rounds": {"planned", "complete", "interrupted"}, "level": None, "margin": None, "metrics": None, "gates": None,
    "result": None, "findings": None, "verdict": None,
}
METRIC = {"name", "unit", "better", "a_median", "b_median", "ratio", "ci95", "p", "p_holm", "t_test", "sd_log", "verdict",
          "within_margin", "why", "rounds_needed", "values"}


class Compared:
    """What `compare` said, and its file."""

    def __init__(self, result, file, summary):
        self.result, self.status, self.out, self.err, self.file = result, result.status, result.out, result.err, file
        self.json = json.loads(summary.read_text(encoding="utf-8")) if summary.exists() else None

    def __repr__(self):
        return repr(self.result)

    def metric(self, name):
        found, = [m for m in self.json["metrics"] if m["name"] == name]
        return found

    def rows(self, query):
        return [tuple(row) for row in rows_of_file(self.file, query)]


@pytest.fixture
def compare(loadline, folder):
    """compare(A, B, options…): offline, or live when told so."""
    count = iter(range(100))

    def run(*arguments, timeout=120, **how):
        i = next(count)
        file, summary = folder / f"{i}.db", folder / f"{i}.json"
        where = [] if "-o" in arguments or not str(arguments[0]).startswith(("sim:", "http", "unix:")) else ["-o", file]
        return Compared(loadline("compare", *arguments, *where, "--json", summary, timeout=timeout, **how), file, summary)

    return run


def offline(compare, a, b, *options):
    return compare(a, b, "--offline", *SHORT, *options)


# --- rounds in virtual time --------------------------------------------------------------------------------------


def test_a_slower_engine_is_found(compare):
    done = offline(compare, ENGINE, SLOWER, "--rounds", "8")
    assert done.status == EXIT_DONE, done
    tpot = done.metric("p50 tpot")
    assert tpot["verdict"] == "worse" and 1.25 < tpot["ratio"] < 1.4
    assert tpot["p"] == 2 / 2 ** 8 and tpot["p"] <= tpot["p_holm"] <= 0.05
    assert tpot["ci95"][0] <= tpot["ratio"] <= tpot["ci95"][1]
    assert re.search(r"B is \d+\.\d % \[\d+\.\d, \d+\.\d\] slower than A at p50 ttft", " ".join(done.out.split()))
    assert done.json["result"] in " ".join(done.out.split())


def test_an_engine_is_equivalent_to_itself(compare):
    done = offline(compare, ENGINE, ENGINE, "--rounds", "8")
    assert done.status == EXIT_DONE, done
    assert {m["verdict"] for m in done.json["metrics"]} == {"equivalent"}
    assert done.json["verdict"] == "valid"


def test_noise_of_the_two_engines_is_not_the_same(compare):
    done = offline(compare, ENGINE + "?noise=0.2", ENGINE + "?noise=0.2", "--rounds", "2")
    values = done.metric("p50 tpot")["values"]
    assert len(values["a"]) == 2 and all(a != b for a, b in zip(values["a"], values["b"]))


def test_the_json_has_the_documented_shape(compare):
    done = offline(compare, ENGINE, SLOWER, "--rounds", "6", "--fail-if", "p50 tpot worse than 5%")
    assert set(done.json) == set(SCHEMA) | {"b"}
    assert done.json["schema"] == "loadline.comparison/1"
    for name, keys in SCHEMA.items():
        if keys:
            assert set(done.json[name]) == keys, name
    assert set(done.json["b"]) == SCHEMA["a"]
    for metric in done.json["metrics"]:
        assert set(metric) == METRIC
        assert set(metric["t_test"]) == {"ratio", "ci95", "p", "df"}
    assert [set(gate) for gate in done.json["gates"]] == [{"condition", "state", "p", "why"}]


def test_the_blocks_alternate_and_share_their_prompts(compare):
    done = offline(compare, ENGINE, SLOWER, "--rounds", "5")
    rows = done.rows("SELECT kind, ordinal, seed, target FROM run ORDER BY id")
    assert [kind[-1] for kind, *_ in rows] == list("abbaabbaab")
    assert [ordinal for _, ordinal, *_ in rows] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert all(target == (ENGINE if kind == "compare a" else SLOWER) for kind, _, _, target in rows)
    seeds = {}
    for _, ordinal, seed, _ in rows:
        seeds.setdefault(ordinal, set()).add(seed)
    assert all(len(pair) == 1 for pair in seeds.values())
    assert len({seed for pair in seeds.values() for seed in pair}) == 5
    asked = done.rows("SELECT run.ordinal, kind, group_concat(asked_input || ',' || asked_output || ',' || intended_ns) "
                      "FROM request JOIN run ON run.id = run_id WHERE phase = 1 GROUP BY run_id ORDER BY run.id")
    for ordinal in range(1, 6):
        a, b = [what for which, _, what in asked if which == ordinal]
        assert a == b


def test_a_report_prints_what_compare_printed(compare, loadline, folder):
    done = offline(compare, ENGINE, SLOWER, "--rounds", "8", "--fail-if", "p50 tpot worse than 5%", "--metrics",
                   "p90 tpot, mean e2e", "--margin", "2%")
    assert done.status == EXIT_NOT_MET
    again = loadline("report", done.file, "--json", folder / "again.json")
    assert (again.out, again.status) == (done.out, EXIT_NOT_MET)
    assert json.loads((folder / "again.json").read_text(encoding="utf-8")) == done.json
    assert json.loads(loadline("report", done.file, "--json", "-").out) == done.json


def test_the_same_seed_prints_the_same(compare):
    first = offline(compare, ENGINE + "?noise=0.1", SLOWER + "&noise=0.1", "--rounds", "6")
    second = offline(compare, ENGINE + "?noise=0.1", SLOWER + "&noise=0.1", "--rounds", "6")
    assert first.json["metrics"] == second.json["metrics"]


def test_a_block_can_be_looked_at(compare, loadline):
    done = offline(compare, ENGINE, SLOWER, "--rounds", "1")
    block = loadline("report", done.file, "--run", "2")
    assert block.status in MEASURED and SLOWER in block.said
    assert len(loadline("report", done.file, "--run", "2", "--csv", "requests").out.splitlines()) > 10
    assert_says(loadline("report", done.file, "--slo", "p99 ttft < 1s"), EXIT_USAGE, "holds a comparison", "--run ID")


def test_a_comparison_is_judged_anew(compare, loadline):
    done = offline(compare, ENGINE, SLOWER, "--rounds", "8", "--metrics", "p50 tpot")
    assert done.status == EXIT_DONE
    assert compare(done.file, "--fail-if", "p50 tpot worse than 20%").status == EXIT_NOT_MET
    again = compare(done.file, "--margin", "50%")
    assert again.metric("p50 tpot")["within_margin"] and len(again.json["metrics"]) == 1
    assert "worse <50%" in again.out and "too small to matter" in " ".join(again.out.split())
    other = compare(done.file, "--metrics", "throughput, p50 ttft")
    assert [m["name"] for m in other.json["metrics"]] == ["throughput", "p50 ttft"]


def test_what_is_not_given_anew_stays_as_it_was_asked(compare, loadline):
    done = offline(compare, ENGINE, SLOWER, "--rounds", "8", "--metrics", "p50 tpot", "--margin", "40%", "--fail-if",
                   "p50 tpot worse than 5%")
    again = compare(done.file)
    assert again.status == done.status == EXIT_NOT_MET
    assert again.json == done.json and again.out == done.out
    assert compare(done.file, "--fail-if", "p50 tpot worse than 60%").status == EXIT_DONE


def test_few_rounds_decide_nothing(compare):
    done = offline(compare, ENGINE, SLOWER, "--rounds", "3")
    assert done.status == EXIT_DONE
    assert {m["verdict"] for m in done.json["metrics"]} == {"undecided"}
    assert done.metric("p50 tpot")["ci95"] == [None, None]
    assert "no 95 % interval in fewer than 6 rounds" in done.result.said
    assert done.metric("p50 tpot")["rounds_needed"] == 8


def test_goodput_is_compared_when_it_has_bounds(compare):
    done = offline(compare, ENGINE, SLOWER, "--rounds", "8", "--metrics", "goodput", "--goodput", "tpot:9ms")
    assert done.metric("goodput")["verdict"] in ("worse", "none"), done


@pytest.mark.parametrize("columns", [60, 80])
def test_the_table_fits_the_terminal(compare, loadline, columns):
    done = offline(compare, ENGINE + "?noise=0.1", SLOWER + "&noise=0.1", "--rounds", "8", "--metrics",
                   "p99.9 ttft_service, request_throughput, p50 itl, goodput", "--goodput", "ttft:1s",
                   "--fail-if", "request_throughput possibly worse than 2.5%")
    for color in (True, False):
        text = on_terminal(loadline.command("report", done.file), columns, {} if color else {"NO_COLOR": "1"},
                           loadline.folder)
        plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
        assert ("\x1b" in text) == color
        assert [line for line in plain.splitlines() if len(line) > columns] == []


# --- gates -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gate, status", [
    ("p50 tpot worse than 5%", EXIT_NOT_MET),
    ("p50 tpot worse than 60%", EXIT_DONE),
    ("p50 tpot possibly worse than 5%", EXIT_NOT_MET),
    ("p50 tpot possibly worse than 60%", EXIT_DONE),
    ("throughput worse than 90% or p50 tpot worse", EXIT_NOT_MET),
    ("goodput worse", EXIT_INVALID),  # its bounds are missing in the file: no answer
])
def test_gates_give_the_exit_code(compare, gate, status):
    done = offline(compare, ENGINE, SLOWER, "--rounds", "8")
    assert compare(done.file, "--fail-if", gate).status == status


def test_each_fail_if_is_a_gate(compare):
    done = offline(compare, ENGINE, SLOWER, "--rounds", "8", "--fail-if", "p50 tpot worse than 60%", "--fail-if",
                   "p99 tpot worse than 5%")
    assert done.status == EXIT_NOT_MET
    assert [gate["state"] for gate in done.json["gates"]] == ["passes", "fails"]
    assert re.search(r"passes +p50 tpot worse than 60%: not shown", done.out)
    assert re.search(r"FAILS +p99 tpot worse than 5%: shown, p = 0\.0", done.out)


# --- what is not the same ----------------------------------------------------------------------------------------


def test_different_models_are_refused_unless_told(compare, folder):
    refused = offline(compare, ENGINE, "sim:qwen3-8b@h100", "--rounds", "6")
    assert_says(refused.result, EXIT_USAGE, "model is llama-3.1-8b at A and qwen3-8b at B", "--allow-mismatch")
    assert not refused.file.exists()
    told = offline(compare, ENGINE, "sim:qwen3-8b@h100", "--rounds", "6", "--allow-mismatch")
    assert told.status == EXIT_DONE, told
    assert any("the model is" in finding["text"] for finding in told.json["findings"])


def test_different_lengths_stop_after_the_first_round(compare, serve):
    a, b = serve(), serve("other-length", n=5)
    done = compare(a.url, b.url, *TINY, "--rounds", "6", "--model", MODEL)
    assert done.status == EXIT_INVALID, done
    assert re.search(r"answers have \S+ tokens on average at A and \S+ at B", done.result.said)
    assert done.json["rounds"]["complete"] == 1
    assert {m["verdict"] for m in done.json["metrics"]} == {"none"}


def test_files_of_different_loads_are_refused_unless_told(compare, loadline, folder):
    for name, rate in (("a", "4"), ("b", "5")):
        assert loadline("run", ENGINE, "--offline", *SHORT, "--request-rate=" + rate,
                        "-o", folder / f"{name}.db").status == EXIT_USAGE  # given twice
        options = [rate if before == "--request-rate" else option
                   for before, option in zip([None, *SHORT], SHORT)]
        assert loadline("run", ENGINE, "--offline", *options, "-o", folder / f"{name}.db").status == EXIT_DONE
    refused = compare(folder / "a.db", folder / "b.db")
    assert_says(refused.result, EXIT_USAGE, "request rate is 4 at A and 5 at B", "--allow-mismatch")
    assert compare(folder / "a.db", folder / "b.db", "--allow-mismatch").status == EXIT_DONE


# --- run files ---------------------------------------------------------------------------------------------------


def run_file(loadline, folder, name, engine, *options, seed="1"):
    path = folder / f"{name}.db"
    done = loadline("run", engine, "--offline", "--request-rate", "8", "--duration", "20s", "--output-len", "16",
                    "--seed", seed, "-o", path, *options)
    assert done.status == EXIT_DONE, done
    return path


def test_two_single_runs_have_intervals_and_no_verdict(compare, loadline, folder):
    a, b = run_file(loadline, folder, "a", ENGINE), run_file(loadline, folder, "b", SLOWER, seed="2")
    done = compare(a, b, "--fail-if", "p50 tpot worse")
    assert done.status == EXIT_INVALID, done  # the gate cannot be judged
    assert done.json["design"] == "single runs" and done.json["verdict"] == "provisional"
    assert {m["verdict"] for m in done.json["metrics"]} == {"none"}
    assert 1.2 < done.metric("p50 tpot")["ratio"] < 1.4
    assert done.metric("throughput")["ci95"] == [None, None]
    assert "not what differs between two runs of one server" in done.result.said


def test_several_runs_of_each_are_compared_by_welch(compare, loadline, folder):
    a = run_file(loadline, folder, "a", ENGINE, "--num-runs", "3")
    b = run_file(loadline, folder, "b", SLOWER, "--num-runs", "4", seed="2")
    done = compare(a, b)
    assert done.status == EXIT_DONE and done.json["design"] == "unpaired runs"
    assert done.metric("p50 tpot")["verdict"] == "worse"
    assert len(done.metric("p50 tpot")["values"]["a"]) == 3
    assert "were not interleaved" in done.result.said and done.json["verdict"] == "provisional"


def test_runs_of_the_same_seeds_are_paired(compare, loadline, folder):
    a, b = [run_file(loadline, folder, name, engine, "--num-runs", "6") for name, engine in
            (("a", ENGINE), ("b", SLOWER))]
    done = compare(a, b, "--metrics", "p50 tpot")
    assert done.json["design"] == "paired runs" and done.metric("p50 tpot")["p"] == 2 / 2 ** 6
    assert done.metric("p50 tpot")["verdict"] == "worse"


def test_a_file_of_rounds_is_no_file_of_runs(compare, loadline, folder):
    done = offline(compare, ENGINE, SLOWER, "--rounds", "1")
    other = run_file(loadline, folder, "run", ENGINE)
    assert_says(compare(done.file, other).result, EXIT_USAGE, "A holds a comparison already", "loadline report")
    assert_says(compare(other).result, EXIT_USAGE, "holds no comparison")


# --- bad input ---------------------------------------------------------------------------------------------------

RATE = ["--request-rate", "4"]


@pytest.mark.parametrize("arguments, patterns", [
    ([], ["two targets", "two run files"]),
    ([ENGINE], ["two targets"]),
    ([ENGINE, ENGINE, ENGINE, *RATE], ["two targets"]),
    ([ENGINE, "none.db", *RATE], ["none.db", "neither a target nor a file"]),
    (["localhost:8000", "localhost:8001", *RATE], ["localhost:8000", "neither a target nor a file", "http://"]),
    (["none.db", "none.db"], ["none.db"]),
    ([ENGINE, ENGINE], ["how much load"]),
    ([ENGINE, "sim:foo", *RATE], ["no model"]),
    ([ENGINE, ENGINE, *RATE, "--rounds", "0"], ["--rounds"]),
    ([ENGINE, ENGINE, *RATE, "--metrics", "p50 speed"], ["--metrics, column 5"]),
    ([ENGINE, ENGINE, *RATE, "--fail-if", "p99 ttft worse than 5"], ["--fail-if, column 21", "5%"]),
    ([ENGINE, ENGINE, *RATE, "--fail-if", "p99 ttft worse by 5%"], ["--fail-if, column 16", "than"]),
    ([ENGINE, ENGINE, *RATE, "--margin", "5"], ["--margin", "5%"]),
    ([ENGINE, ENGINE, *RATE, "--margin", "0%"], ["--margin", "above 0"]),
    ([ENGINE, ENGINE, *RATE, "--rounds", "5", "--fail-if", "p99 ttft worse"], ["--fail-if", "--rounds 6"]),
    ([ENGINE, ENGINE, *RATE, "--rounds", "6", "--fail-if", "p99 ttft worse, p50 ttft worse"], ["--rounds 7"]),
    ([ENGINE, ENGINE, *RATE, "--metrics", "goodput"], ["needs --goodput"]),
    ([ENGINE, ENGINE, *RATE, "--ready-timeout", "1s"], ["--ready-timeout goes with --before"]),
    ([ENGINE, ENGINE, *RATE, "--offline", "--before-a", "true"], ["--offline has none"]),
    (["http://localhost:1", ENGINE, *RATE, "--offline"], ["--offline is for the embedded engine"]),
    ([ENGINE, ENGINE, *RATE, "--num-runs", "3"], ["unknown option --num-runs"]),
])
def test_bad_input_is_refused_with_advice(loadline, folder, arguments, patterns):
    assert_says(loadline("compare", *arguments), EXIT_USAGE, *patterns)
    assert list(folder.glob("*.db*")) == []


def test_load_options_are_not_for_files(loadline, folder):
    a = run_file(loadline, folder, "a", ENGINE)
    assert_says(loadline("compare", a, a, "--request-rate", "4"), EXIT_USAGE, "compared as they are", "--request-rate")
    assert_says(loadline("compare", a, ENGINE), EXIT_USAGE, "a target and a run file")


# --- live --------------------------------------------------------------------------------------------------------


def test_two_live_engines(compare, folder):
    done = compare(ENGINE, ENGINE + "?step_scale=2", *TINY, "--rounds", "6", "--metrics", "p50 tpot")
    assert done.status in MEASURED, done
    assert done.json["rounds"] == {"planned": 6, "complete": 6, "interrupted": False}
    assert done.json["a"]["completed"] == done.json["b"]["completed"] == 24
    assert 1.3 < done.metric("p50 tpot")["ratio"] < 3
    assert not processes_in(folder)


def bodies(server):
    return [json.loads(request.body) for request in server.requests if request.target == "/v1/completions"]


def prompts(server):
    return [body["prompt"] for body in bodies(server)]


def test_both_servers_get_the_same_prompts(compare, serve):
    a, b = serve(), serve()
    assert compare(a.url, b.url, *TINY, "--rounds", "2", "--model", MODEL).status in MEASURED
    assert sorted(map(str, prompts(a)[-8:])) == sorted(map(str, prompts(b)[-8:]))
    assert len(set(map(str, prompts(a)[-8:]))) == 8


def test_words_are_sent_where_one_server_has_no_tokenizer(compare, serve):
    a, b = serve(tokenize=True), serve()
    assert compare(a.url, b.url, *TINY, "--rounds", "1", "--model", MODEL).status in MEASURED
    assert all(isinstance(prompt, str) for prompt in prompts(a)[-4:])
    assert sorted(prompts(a)[-4:]) == sorted(prompts(b)[-4:])


def test_on_one_server_the_sides_differ_in_a_nonce(compare, serve):
    server = serve()
    assert compare(server.url, server.url, *TINY, "--rounds", "1", "--model", MODEL).status in MEASURED
    a, b = sorted(prompts(server)[-8:-4], key=lambda text: text[17:]), sorted(prompts(server)[-4:], key=lambda text: text[17:])
    assert [text[17:] for text in a] == [text[17:] for text in b]
    assert len({text[:16] for text in a}) == len({text[:16] for text in b}) == 1  # one for all of a side
    assert a[0][:16] != b[0][:16] and re.fullmatch(r"[0-9a-f]{16}", a[0][:16])


def test_items_of_a_file_are_fresh_in_every_round_and_the_same_on_both_sides(compare, serve, folder):
    data = folder / "prompts.jsonl"
    data.write_text("".join(json.dumps({"prompt": f"number {i} of the prompts", "output_tokens": 4}) + "\n"
                            for i in range(4)), encoding="utf-8")
    options = ["--max-concurrency", "1", "--num-prompts", "4", "--warmup-requests", "0", "--dataset-name", "custom",
               "--dataset-path", data, "--rounds", "2", "--model", MODEL]
    a, b = serve(), serve()
    assert compare(a.url, b.url, *options).status in MEASURED
    first, second = sorted(prompts(a)[-8:-4]), sorted(prompts(a)[-4:])
    assert sorted(prompts(b)[-8:-4]) == first and sorted(prompts(b)[-4:]) == second
    assert len({text[:16] for text in first}) == len({text[:16] for text in second}) == 1
    assert first[0][:16] != second[0][:16]
    a = serve()
    assert compare(a.url, serve().url, *options, "--cache-bust", "off").status in MEASURED
    assert sorted(prompts(a)[-8:-4]) == sorted(prompts(a)[-4:])


def test_one_engine_serves_neither_side_from_the_others_cache(compare, loadline):
    port = free_port()
    process = loadline.start("sim", "llama-3.1-8b@h100", "--listen", f"127.0.0.1:{port}", "-q")
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: loadline("run", url, *TINY, "-o", loadline.folder / "up.db").status in MEASURED or
                   (loadline.folder / "up.db").unlink(missing_ok=True))
        options = ["--max-concurrency", "2", "--num-prompts", "4", "--warmup-requests", "0", "--output-len", "8"]
        done = compare(url, url, *options, "--rounds", "1")
        assert done.rows("SELECT sum(cached_tokens) FROM request WHERE phase = 1") == [(0,)]
        hit = compare(url, url, *options, "--rounds", "1", "--cache-bust", "off")
        assert hit.rows("SELECT sum(cached_tokens) FROM request WHERE phase = 1")[0][0] > 0
        assert re.search(r"prefix cache served 0 % of A's prompt tokens and 9\d(\.\d)? % of B's", hit.result.said)
    finally:
        process.terminate()
        loadline.finish(process)


def test_an_unreachable_server_leaves_nothing(compare, serve, folder):
    done = compare(serve().url, f"http://127.0.0.1:{free_port()}", *TINY, "--model", MODEL)
    assert_says(done.result, EXIT_NOT_MADE, "refused")
    assert not done.file.exists()


def test_failing_requests_make_it_invalid(compare, serve):
    a, b = serve(), serve("status", code=500, load_only=True, every=2)
    done = compare(a.url, b.url, *TINY, "--rounds", "1", "--model", MODEL)
    assert done.status == EXIT_INVALID, done
    assert re.search(r"errors in 1 of 2 blocks \(0 of A, 1 of B\)", done.result.said)
    assert "0 of 4 failed at A" in done.result.said


def test_an_interrupt_leaves_a_comparison_of_what_there_is(loadline, serve, folder):
    a, b = serve(), serve(gap=0.02)
    file = folder / "cut.db"
    process = loadline.start("compare", a.url, b.url, "--request-rate", "20", "--duration", "1s", "--warmup-requests", "0",
                             "--dataset-name", "random", "--random-input-len", "12", "--random-output-len", "8",
                             "--model", MODEL, "--rounds", "50", "-o", file)

    def blocks():
        if not file.exists():
            return 0
        with sqlite3.connect(file) as database:
            try:
                count = database.execute("SELECT count(*) FROM run").fetchone()[0]
            except sqlite3.OperationalError:
                count = 0
        database.close()
        return count

    wait_until(lambda: blocks() >= 4, 60)
    process.send_signal(signal.SIGINT)
    done = check_alive(loadline.finish(process))
    assert done.status == EXIT_INTERRUPTED, done
    assert re.search(r"it was stopped after \d+ of 50 rounds", done.said) or "it broke off after" in done.said
    again = loadline("report", file)
    assert again.out == done.out
    assert not list(folder.glob("*-wal"))


def test_an_interrupt_in_the_first_round_leaves_a_file_that_says_so(loadline, serve, folder):
    a, b = serve(), serve(gap=0.02)
    file = folder / "cut.db"
    process = loadline.start("compare", a.url, b.url, "--max-concurrency", "2", "--duration", "60s", "--warmup-requests", "0",
                             "--dataset-name", "random", "--random-input-len", "12", "--random-output-len", "8", "--model", MODEL, "-o", file)
    wait_until(lambda: len(bodies(a)) > 8, 30)
    process.send_signal(signal.SIGINT)
    done = check_alive(loadline.finish(process))
    assert done.status == EXIT_INTERRUPTED, done
    assert done.out.startswith("INVALID  0 interleaved rounds: it was stopped after 0 of 10 rounds")
    assert loadline("report", file).out == done.out


# --- commands before a block -------------------------------------------------------------------------------------


def test_commands_run_before_each_block_of_their_side(compare, serve, folder):
    a, b = serve(), serve()
    log = 'echo "$LOADLINE_SIDE $LOADLINE_ROUND" >> log; echo chatter'
    done = compare(a.url, b.url, *TINY, "--rounds", "3", "--model", MODEL, "--before-a", log, "--before-b", log)
    assert done.status in MEASURED, done
    # B is asked first and A next, who is then there for its first block.
    assert (folder / "log").read_text().splitlines() == ["b 0", "a 0", "b 1", "b 2", "a 2", "a 3", "b 3"]
    assert "chatter" in done.err and "chatter" not in done.out


def test_commands_start_the_engine_that_is_measured(compare, folder):
    port = free_port()
    script = folder / "serve.sh"
    script.write_text(f'[ ! -f pid ] || kill -9 "$(cat pid)"\n{PROGRAM} sim "$1" --listen 127.0.0.1:{port} -q >engine.log 2>&1 &\n'
                      'echo $! > pid\n', encoding="utf-8")
    url = f"http://127.0.0.1:{port}"
    try:
        done = compare(url, url, *TINY, "--rounds", "2", "--metrics", "p50 tpot",
                       "--before-a", "sh serve.sh llama-3.1-8b@h100",
                       "--before-b", "sh serve.sh 'llama-3.1-8b@h100?step_scale=3'")
        assert done.status in MEASURED, done
        assert done.metric("p50 tpot")["ratio"] > 1.5
    finally:
        os.kill(int((folder / "pid").read_text()), signal.SIGKILL)


def test_a_command_that_fails_ends_it_with_a_sentence(compare, serve, folder):
    done = compare(serve().url, serve().url, *TINY, "--rounds", "3", "--model", MODEL,
                   "--before-b", '[ "$LOADLINE_ROUND" -lt 2 ] || exit 7')
    assert done.status == EXIT_NOT_MADE, done
    assert re.search(r"--before-b ended with status 7 before round 2", done.result.said)
    assert done.json["rounds"] == {"planned": 3, "complete": 1, "interrupted": False}


def test_a_server_that_never_comes_up_is_given_up(compare, serve):
    done = compare(serve().url, f"http://127.0.0.1:{free_port()}", *TINY, "--model", MODEL, "--before-b", "true",
                   "--ready-timeout", "1s")
    assert_says(done.result, EXIT_NOT_MADE, "B did not answer in time", "--ready-timeout", "refused")


def test_an_interrupt_ends_the_command(loadline, serve, folder):
    process = loadline.start("compare", serve().url, serve().url, *TINY, "--model", MODEL,
                             "--before-b", "echo $$ > shell; sleep 600")
    wait_until(lambda: (folder / "shell").exists() and (folder / "shell").read_text().strip())
    process.send_signal(signal.SIGINT)
    done = check_alive(loadline.finish(process))
    assert done.status == EXIT_INTERRUPTED, done
    assert not pathlib.Path("/proc", (folder / "shell").read_text().strip()).exists()
