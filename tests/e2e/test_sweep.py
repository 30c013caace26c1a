"""loadline sweep: levels, the search, what it comes to, going on after an interrupt, and what it refuses."""

import json
import re
import signal
import sqlite3
import time

import pytest

from conftest import (EXIT_DONE, EXIT_INTERRUPTED, EXIT_INVALID, EXIT_NOT_MADE, EXIT_NOT_MET, EXIT_USAGE, MEASURED,
                      check_alive, wait_until, on_terminal, rows_of_file)
from faultserver import MODEL
from test_bad_input import assert_says, free_port
from test_run import processes_in

ENGINE = "sim:llama-3.1-8b@a100"
SLO = "p99 ttft < 500ms and p99 tpot < 50ms"
TRUTH = 8.6  # requests/s: where that engine crosses that SLO in the long run, in virtual time
FEW = ["--rates", "2,4,8", "--duration", "20s", "--seed", "3"]
LIVE = ["--output-len", "8", "--warmup-requests", "0", "--timeout", "20s"]  # seconds of real time

KEYS = {"schema", "tool", "run", "slo", "levels_of", "budget_s", "spent_s", "result", "levels", "closed_levels"}
RESULT = {"end", "floor", "ceiling", "floor_verdict", "crossing", "binding", "knee", "saturated", "monotone",
          "more_certainty_s"}
LEVEL = {"run_id", "stage", "request_rate", "users", "duration_s", "cut", "window_start_s", "window_end_s", "requests",
         "requests_per_s", "output_tokens_per_s", "in_flight", "ttft_p50_ms", "ttft_p99_ms", "tpot_p50_ms",
         "tpot_p99_ms", "e2e_p50_ms", "overloaded", "decision", "objectives"}
OBJECTIVE = {"objective", "offered", "misses", "miss_share", "allowed_share", "n_eff", "p_value_pass", "p_value_fail",
             "quantile_over_limit", "smoothed_quantile_over_limit"}


class Swept:
    """What `sweep` said, and its file."""

    def __init__(self, result, file, summary):
        self.result, self.status, self.out, self.err, self.file = result, result.status, result.out, result.err, file
        self.said = result.said
        self.json = json.loads(summary.read_text(encoding="utf-8")) if summary.exists() else None

    def __repr__(self):
        return repr(self.result)

    def loads(self, stage=None):
        return [level["users"] or level["request_rate"] for level in self.json["levels"]
                if stage in (None, level["stage"])]

    def rows(self, query):
        return [tuple(row) for row in rows_of_file(self.file, query)]


@pytest.fixture
def sweep(loadline, folder):
    """sweep(TARGET, options…) into a new file."""
    count = iter(range(100))

    def run(*arguments, timeout=120, **how):
        i = next(count)
        file, summary = folder / f"{i}.db", folder / f"{i}.json"
        return Swept(loadline("sweep", *arguments, "-o", file, "--json", summary, timeout=timeout, **how), file, summary)

    return run


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """One search of the default budget, for tests that look at it from all sides: (status, out, err, file, json)."""
    from conftest import Program
    folder = tmp_path_factory.mktemp("searched")
    file, summary = folder / "search.db", folder / "search.json"
    done = Program(folder)("sweep", ENGINE, "--offline", "--slo", SLO, "--seed", "1", "-o", file, "--json", summary)
    return Swept(done, file, summary)


def drop_runs(file, after):
    """Leaves a file as an interrupt between two levels would have: the rows behind `after` never came."""
    with sqlite3.connect(file) as database:
        database.execute("DELETE FROM token_gaps WHERE request_id IN (SELECT id FROM request WHERE run_id > ?)", (after,))
        for table in ("request", "second", "sample", "finding"):
            database.execute(f"DELETE FROM {table} WHERE run_id > ?", (after,))
        database.execute("DELETE FROM run WHERE id > ?", (after,))
    database.close()


def as_file(text, file):
    """A report's text with the file's name taken out, so that two can be compared."""
    return re.sub(r"\s+", " ", text.replace(str(file), "FILE"))


# --- given levels ------------------------------------------------------------------------------------------------


def test_a_list_of_rates(sweep):
    done = sweep(ENGINE, "--offline", *FEW)
    assert done.status == EXIT_DONE, done
    assert done.loads() == [2, 4, 8] and {level["stage"] for level in done.json["levels"]} == {"level"}
    assert "plan 3 levels of 20.0 s: 2 4 8 requests/s" in done.said
    assert re.findall(r"\[level (\d) of 3\] (\d) requests/s, 20.0 s", done.err) == [("1", "2"), ("2", "4"), ("3", "8")]
    assert done.out.startswith("CURVE ") and done.json["result"]["end"] == "no slo"
    assert [done.json["result"][key] for key in ("floor", "ceiling", "binding", "crossing")] == [None] * 4
    assert "--slo" in done.out.split("Next")[1]


def test_a_range_of_rates_rises_in_equal_ratios(sweep):
    done = sweep(ENGINE, "--offline", "--rates", "1:16:5", "--duration", "5s")
    assert done.loads() == pytest.approx([1, 2, 4, 8, 16])


def test_levels_share_the_budget_where_no_duration_is_given(sweep):
    done = sweep(ENGINE, "--offline", "--rates", "2,4", "--budget", "2m")
    assert [level["duration_s"] for level in done.json["levels"]] == [60, 60]
    assert "plan 2 levels of 1m 0s: 2 4 requests/s" in done.said


def test_numbers_of_users_are_a_closed_loop(sweep):
    done = sweep(ENGINE, "--offline", "--concurrency", "1,4,16", "--duration", "20s")
    assert done.status == EXIT_DONE and done.json["levels_of"] == "users"
    assert done.loads() == [1, 4, 16]
    assert [level["in_flight"] for level in done.json["levels"]] == pytest.approx([1, 4, 16], rel=0.05)
    assert done.rows("SELECT DISTINCT mode FROM run") == [("closed",)]
    assert "closed loop" in done.out and "Curve (load: users), ms" in done.out


@pytest.mark.parametrize("levels", ["auto", "1:1.2xMAX"])
def test_users_double_until_the_server_has_no_use_for_more(sweep, levels):
    done = sweep(ENGINE, "--offline", "--concurrency", levels, "--seed", "1")
    users = done.loads()
    assert users[:4] == [1, 2, 4, 8] and users[-1] >= 64
    through = [level["requests_per_s"] for level in done.json["levels"]]
    assert through[-1] > 5 and done.json["spent_s"] < 1.1 * 1200


def test_given_levels_have_a_floor_and_a_ceiling_too(sweep):
    done = sweep(ENGINE, "--offline", "--rates", "4,14", "--duration", "15m", "--slo", SLO, "--seed", "1")
    assert done.status in MEASURED, done
    result = done.json["result"]
    assert result["floor"]["load"] == 4 and result["ceiling"]["load"] == 14
    assert "4.00 requests/s met; ceiling: 14.0 requests/s missed" in done.out
    assert [level["decision"] for level in done.json["levels"]] == ["pass", "fail"]


def test_a_sweep_stops_at_saturation_when_told_to(sweep):
    rates = "2,40,60,80"
    told = sweep(ENGINE, "--offline", "--rates", rates, "--duration", "2m", "--stop-at", "saturation", "--seed", "2")
    assert told.loads() == [2, 40], told
    assert told.json["result"]["saturated"]["load"] == 40 and told.json["result"]["end"] == "no slo"
    assert "Saturated from 40.0 requests/s" in " ".join(told.out.split())
    assert sweep(ENGINE, "--offline", "--rates", rates, "--duration", "5s", "--seed", "2").loads() == [2, 40, 60, 80]


def test_the_lowest_level_that_misses_ends_it(sweep):
    done = sweep(ENGINE, "--offline", "--slo", "p99 ttft < 10ms", "--seed", "1")
    assert done.status == EXIT_NOT_MET, done
    assert done.out.startswith("NOT MET ") and done.json["result"]["end"] == "never met"
    assert done.json["result"]["floor"] is None


# --- the search --------------------------------------------------------------------------------------------------


def test_a_search_finds_a_floor_below_and_a_ceiling_above_the_truth(searched):
    assert searched.status in MEASURED, searched
    result = searched.json["result"]
    assert result["end"] == "found"
    assert result["floor"]["load"] < TRUTH < result["ceiling"]["load"]
    assert re.match(r"FLOOR  \S+ requests/s met; ceiling: \S+ requests/s missed\n", searched.out)
    assert re.search(r"^Floor +\S+ requests/s, shown to meet the SLO at 5 % over \S+", searched.out, re.M)
    assert re.search(r"^Ceiling +\S+ requests/s, shown to miss it", searched.out, re.M)
    assert re.search(r"^Binding +p99 t", searched.out, re.M)
    assert re.search(r"^Crossing +near \S+ requests/s by point estimates: a guess", searched.out, re.M)


def test_a_search_keeps_to_its_stages_and_its_budget(searched):
    stages = [level["stage"] for level in searched.json["levels"]]
    assert stages[:2] == ["single", "burst"] and stages[2:10] == ["climb"] * 8
    assert stages[-1] == "confirm" and stages.count("confirm") == 1 and "narrow" in stages
    assert stages == sorted(stages, key=["single", "burst", "climb", "narrow", "confirm"].index)
    assert [level["cut"] for level in searched.json["levels"]] == [stage in ("climb", "narrow") for stage in stages]
    assert searched.json["budget_s"] == 1200 and 1000 < searched.json["spent_s"] < 1230
    confirmation = searched.json["levels"][-1]
    assert confirmation["duration_s"] > 0.5 * 1200


def test_a_search_says_what_it_will_do_and_what_it_does(searched):
    lines = searched.err.splitlines()
    assert lines[0] == f"Sweep of {ENGINE} in about 20m 0s"
    assert lines[1:3] == ["  SLO   p99 ttft < 500 ms", "  and   p99 tpot < 50.0 ms"]
    assert "plan one user; a burst; eight levels from 10 to 110 % of its rate;" in searched.said
    steps = re.findall(r"^\[(.*) of 20m 0s\] (one user|everything|climbing|near|confirming)", searched.err, re.M)
    assert [what for _, what in steps][:3] == ["one user", "everything", "climbing"]
    assert steps[0][0] == "0 s" and steps[-1][1] == "confirming"


def test_the_json_has_the_documented_shape(searched):
    assert set(searched.json) == KEYS and searched.json["schema"] == "loadline.sweep/1"
    assert set(searched.json["result"]) == RESULT
    for level in searched.json["levels"]:
        assert set(level) == LEVEL
        assert [set(objective) for objective in level["objectives"]] == [OBJECTIVE] * 2
    ids = {level["run_id"] for level in searched.json["levels"]}
    for place in ("floor", "ceiling", "knee"):
        assert searched.json["result"][place] is None or searched.json["result"][place]["run_id"] in ids
    assert searched.json["slo"] == SLO and searched.json["run"]["target"] == ENGINE


def test_a_knee_is_told_in_text_and_json(searched):
    knee = searched.json["result"]["knee"]
    assert (knee is not None) == bool(re.search(r"^Knee +near \S+ requests/s", searched.out, re.M))


def test_more_certainty_is_told_in_text_and_json(searched):
    more = searched.json["result"]["more_certainty_s"]
    assert (more is not None and more > 0) == bool(re.search(r"^More +a floor within 5 %", searched.out, re.M))


def test_the_floor_can_be_looked_at(searched, loadline):
    floor = searched.json["result"]["floor"]
    shown = loadline("report", searched.file, "--run", floor["run_id"])
    assert shown.status in (*MEASURED, EXIT_NOT_MET) and "open loop" in shown.out, shown


def test_the_same_seed_finds_the_same(searched, sweep):
    again = sweep(ENGINE, "--offline", "--slo", SLO, "--seed", "1")
    assert (again.json["levels"], again.json["result"]) == (searched.json["levels"], searched.json["result"])
    assert as_file(again.out, again.file) == as_file(searched.out, searched.file)


def test_without_an_slo_a_search_draws_the_curve(sweep):
    done = sweep(ENGINE, "--offline", "--rates", "auto", "--budget", "10m")
    assert done.status == EXIT_DONE, done
    assert done.out.startswith("CURVE ") and "no SLO, so no confirmation" in done.said
    assert done.loads("climb") == sorted(done.loads("climb")) and len(done.loads("climb")) >= 8
    assert "p99 TTFT, ms" in done.out


def test_a_goodput_objective_is_searched_for(sweep):
    done = sweep(ENGINE, "--offline", "--slo", "goodput(ttft < 500ms, tpot < 50ms) >= 99%", "--seed", "1")
    assert done.status in MEASURED, done
    assert "confirm" in [level["stage"] for level in done.json["levels"]]
    assert done.json["result"]["binding"].startswith("goodput(")


# --- both loops --------------------------------------------------------------------------------------------------


def test_both_loops_stand_side_by_side(sweep, loadline):
    done = sweep(ENGINE, "--offline", "--both", "--slo", SLO, "--budget", "20m", "--seed", "1")
    assert done.status in MEASURED, done
    assert done.json["closed_levels"] and {level["users"] for level in done.json["closed_levels"]} >= {1, 2, 4}
    assert all(level["users"] is None for level in done.json["levels"] if level["stage"] != "single")
    table = done.out.split("Both loops side by side")[1].split("\n\n")[0].splitlines()
    assert re.search(r"open loop +│ +closed loop", table[1]) and re.search(r"arrive/s.*│ +users", table[2])
    assert all("│" in line for line in table[1:])
    assert sum(bool(re.search(r"\d +│ +\d", line)) for line in table) >= 2  # lines with both
    assert "× closed loop" in done.out and "Compare" in done.out
    kinds = [kind for kind, in done.rows("SELECT kind FROM run ORDER BY id")]
    assert kinds == sorted(kinds, key=lambda kind: kind.startswith("closed "))
    again = loadline("report", done.file)
    assert again.out == done.out


def test_each_loop_of_both_may_be_given_its_levels(sweep):
    done = sweep(ENGINE, "--offline", "--both", "--rates", "2,4", "--concurrency", "4,8", "--duration", "20s")
    assert done.loads() == [2, 4] and [level["users"] for level in done.json["closed_levels"]] == [4, 8]
    half = sweep(ENGINE, "--offline", "--both", "--concurrency", "4,8", "--duration", "20s", "--budget", "5m")
    assert half.status == EXIT_DONE and len(half.loads()) > 8


# --- reports -----------------------------------------------------------------------------------------------------


def test_a_report_prints_what_the_sweep_printed(searched, loadline, folder):
    again = loadline("report", searched.file, "--json", folder / "again.json")
    assert (again.out, again.status) == (searched.out, searched.status)
    assert json.loads((folder / "again.json").read_text(encoding="utf-8")) == searched.json
    assert json.loads(loadline("report", searched.file, "--json", "-").out) == searched.json


def test_a_sweep_is_not_judged_by_what_is_for_runs(searched, loadline):
    for option in (["--slo", "p99 ttft < 1s"], ["--goodput", "ttft:1s"], ["--metric-percentiles", "50"]):
        assert_says(loadline("report", searched.file, *option), EXIT_USAGE, "holds a sweep", "--run ID")
        alone = loadline("report", searched.file, "--run", searched.json["levels"][-1]["run_id"], *option)
        assert alone.status in (*MEASURED, EXIT_NOT_MET), alone
    assert len(loadline("report", searched.file, "--run", "3", "--csv", "requests").out.splitlines()) > 2


@pytest.mark.parametrize("columns", [60, 80])
@pytest.mark.parametrize("both", [False, True])
def test_the_report_fits_the_terminal(sweep, loadline, folder, columns, both):
    done = sweep(ENGINE, "--offline", "--slo", SLO, "--budget", "15m", "--seed", "4", *(["--both"] if both else []))
    for color in (True, False):
        text = on_terminal(loadline.command("report", done.file), columns, {} if color else {"NO_COLOR": "1"}, folder)
        plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
        assert ("\x1b" in text) == color
        assert [line for line in plain.splitlines() if len(line) > columns or line != line.rstrip()] == []


def test_a_sweep_that_is_not_on_a_terminal_has_no_escapes(searched):
    assert "\x1b" not in searched.out + searched.err


def test_a_picture_shows_the_limits(searched):
    picture = searched.out.split("p99 TTFT, ms")[1].split("climb and narrow")[0]
    assert "p99 TPOT, ms" in picture and picture.count("╌") > 40 and "●" in picture and "○" in picture
    assert re.search(r"500 ┤╌", picture) and re.search(r"50\.0 ┤", picture)


# --- live --------------------------------------------------------------------------------------------------------


def test_a_live_sweep_of_given_levels(sweep, folder):
    done = sweep(ENGINE, "--rates", "4,8", "--duration", "2s", *LIVE, "--slo", "p99 ttft < 5s", "--seed", "1")
    assert done.status in MEASURED, done
    assert done.loads() == [4, 8] and all(level["requests"] > 0 for level in done.json["levels"])
    assert done.rows("SELECT count(*) FROM run WHERE finished = 1 AND interrupted = 0") == [(2,)]
    assert not processes_in(folder)


def test_a_live_terminal_shows_the_level_and_the_time_left(loadline, folder):
    text = on_terminal(loadline.command("sweep", ENGINE, "--rates", "4,8", "--duration", "2s", *LIVE), 80, {}, folder)
    assert re.search(r"level 1/2, 0:0\d left", text) and re.search(r"level 2/2, 0:0\d left", text), text
    assert "\r" in text


def interrupted_at_the_second_level(loadline, folder, *options):
    """A live sweep of three levels that got one Ctrl-C during the second."""
    file = folder / "stopped.db"
    process = loadline.start("sweep", ENGINE, "--rates", "4,5,6", "--duration", "3s", *LIVE, "--seed", "7", "-o", file,
                             *options)

    def begun():
        try:
            with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as database:
                return database.execute("SELECT count(*) FROM request WHERE run_id = 2").fetchone()[0] > 0
        except sqlite3.Error:
            return False

    wait_until(begun, 30)
    process.send_signal(signal.SIGINT)
    return check_alive(loadline.finish(process)), file


def test_an_interrupted_sweep_keeps_all_and_goes_on(loadline, folder):
    stopped, file = interrupted_at_the_second_level(loadline, folder)
    assert stopped.status == EXIT_INTERRUPTED, stopped
    assert stopped.out.startswith("UNFINISHED  the sweep was interrupted")
    assert f"loadline sweep --resume {file}" in stopped.said
    with sqlite3.connect(file) as database:
        assert database.execute("SELECT id, finished, interrupted FROM run").fetchall() == [(1, 1, 0), (2, 1, 1)]
        kept = database.execute("SELECT count(*) FROM request WHERE run_id = 1 AND outcome = 'ok'").fetchone()[0]
    database.close()
    assert kept > 0
    report = loadline("report", file)
    assert (report.out, report.status) == (stopped.out, EXIT_DONE)

    went_on = loadline("sweep", "--resume", file, "--json", folder / "all.json")
    assert went_on.status in MEASURED, went_on
    result = json.loads((folder / "all.json").read_text(encoding="utf-8"))
    assert [level["request_rate"] for level in result["levels"]] == [4, 5, 6]
    assert [level["run_id"] for level in result["levels"]] == [1, 3, 4]
    assert "UNFINISHED" not in went_on.out and "[level 2 of 3] 5 requests/s" in went_on.err
    with sqlite3.connect(file) as database:
        seeds = dict(database.execute("SELECT id, seed FROM run").fetchall())
    database.close()
    assert seeds[2] == seeds[3] and len(set(seeds.values())) == 3  # the level that was stopped is offered again
    assert not processes_in(folder)


def test_a_second_interrupt_cuts_off(loadline, folder):
    file = folder / "cut.db"
    process = loadline.start("sweep", ENGINE, "--rates", "20,30", "--duration", "20s", "--warmup-requests", "0", "-o", file)
    wait_until(file.exists, 30)
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    done = check_alive(loadline.finish(process, timeout=20))
    assert done.status == EXIT_INTERRUPTED, done
    assert not processes_in(folder)


def test_an_interrupt_in_virtual_time(loadline, folder):
    file = folder / "virtual.db"
    process = loadline.start("sweep", ENGINE, "--offline", "--rates", "4:8:60", "--duration", "30m", "-o", file)

    def begun():
        try:
            with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as database:
                return database.execute("SELECT count(*) FROM run WHERE finished = 1").fetchone()[0] > 1
        except sqlite3.Error:
            return False

    wait_until(begun, 60)
    process.send_signal(signal.SIGINT)
    done = check_alive(loadline.finish(process))
    assert done.status == EXIT_INTERRUPTED, done
    assert re.search(r"^Sweep +\d+ levels? of 30m 0s", done.out, re.M)


@pytest.mark.parametrize("runs", [1, 2, 10, 12, 16])
def test_a_search_that_broke_off_anywhere_comes_to_the_same(searched, loadline, folder, runs):
    file = folder / "broken-off.db"
    file.write_bytes(searched.file.read_bytes())
    drop_runs(file, runs)
    assert loadline("report", file).out.startswith("UNFINISHED  ")
    done = loadline("sweep", "--resume", file, "--json", folder / "all.json")
    assert done.status == searched.status, done
    result = json.loads((folder / "all.json").read_text(encoding="utf-8"))
    kept = [level for level in result["levels"] if level["run_id"] <= runs]
    assert kept == searched.json["levels"][:len(kept)]
    if runs == 16:  # the confirmation alone was missing: where and how long it is follows from what was there
        first, again = searched.json["levels"][-1], result["levels"][-1]
        assert again["request_rate"] == first["request_rate"] and again["duration_s"] == first["duration_s"]
    assert result["result"]["end"] in ("found", "undecided")
    assert [level["stage"] for level in result["levels"]][-1] == "confirm"
    assert result["spent_s"] < 1230


def test_a_climb_that_broke_off_is_climbed_again(searched, loadline, folder):
    file = folder / "climb.db"
    file.write_bytes(searched.file.read_bytes())
    drop_runs(file, 10)
    with sqlite3.connect(file) as database:
        database.execute("UPDATE run SET interrupted = 1 WHERE id BETWEEN 3 AND 10")
    database.close()
    done = loadline("sweep", "--resume", file, "--json", folder / "all.json")
    assert done.status in MEASURED, done
    result = json.loads((folder / "all.json").read_text(encoding="utf-8"))
    climbed = [level["run_id"] for level in result["levels"] if level["stage"] == "climb"]
    assert climbed[:8] == list(range(11, 19))


def test_both_loops_go_on_where_they_broke_off(sweep, loadline, folder):
    done = sweep(ENGINE, "--offline", "--both", "--rates", "2,4", "--concurrency", "4,8", "--duration", "20s")
    for runs in (1, 3):
        file = folder / f"both-{runs}.db"
        file.write_bytes(done.file.read_bytes())
        drop_runs(file, runs)
        again = loadline("sweep", "--resume", file, "--json", folder / "both.json")
        assert again.status == EXIT_DONE, again
        result = json.loads((folder / "both.json").read_text(encoding="utf-8"))
        assert [level["request_rate"] for level in result["levels"]] == [2, 4]
        assert [level["users"] for level in result["closed_levels"]] == [4, 8]


def test_a_finished_sweep_is_printed_again_without_its_server(searched, sweep, serve, loadline, folder):
    file = folder / "finished.db"
    file.write_bytes(searched.file.read_bytes())
    done = loadline("sweep", "--resume", file)
    assert done.status == searched.status and as_file(done.out, file) == as_file(searched.out, searched.file)
    assert file.read_bytes() == searched.file.read_bytes()
    server = serve()
    live = sweep(server.url, "--model", MODEL, "--rates", "8", "--duration", "1s", *LIVE)
    assert live.status in MEASURED, live
    server.stop()
    assert loadline("sweep", "--resume", live.file).out == live.out


@pytest.mark.parametrize("options, patterns", [
    (["--budget", "1h"], ["--budget", "as it was asked for"]),
    (["--rates", "1,2"], ["--rates", "as it was asked for"]),
    (["--offline"], ["--offline", "as it was asked for"]),
    (["http://127.0.0.1:9"], ["not what the sweep was of", ENGINE]),
])
def test_a_sweep_goes_on_as_it_was_asked_for(searched, loadline, options, patterns):
    assert_says(loadline("sweep", "--resume", searched.file, *options), EXIT_USAGE, *patterns)


def test_only_a_sweep_can_go_on(loadline, folder):
    run = folder / "run.db"
    assert loadline("run", ENGINE, "--offline", "--request-rate", "4", "--num-prompts", "8", "-o", run).status in MEASURED
    assert_says(loadline("sweep", "--resume", run), EXIT_USAGE, "run.db", "no sweep")
    other = folder / "other.txt"
    other.write_text("no database")
    assert_says(loadline("sweep", "--resume", other), EXIT_USAGE, "other.txt", "not a run file")
    assert_says(loadline("sweep", "--resume", folder / "none.db"), EXIT_USAGE, "none.db", "no such file")


def test_what_a_file_says_of_its_sweep_may_be_damaged(searched, loadline, folder):
    file = folder / "damaged.db"
    for value in ("", "{", '{"schema":"loadline.sweep-spec/9"}', '[]', '{"schema":"loadline.sweep-spec/1","budget_ns":-1}'):
        file.write_bytes(searched.file.read_bytes())
        with sqlite3.connect(file) as database:
            database.execute("UPDATE meta SET value = ? WHERE key = 'sweep'", (value,))
        database.close()
        assert_says(loadline("sweep", "--resume", file), EXIT_USAGE, "sweep")
        shown = loadline("report", file)
        assert shown.status == EXIT_USAGE or value == "", shown


# --- bad input ---------------------------------------------------------------------------------------------------


def test_a_refused_connection_leaves_nothing(sweep, folder):
    done = sweep(f"http://127.0.0.1:{free_port()}", "--rates", "2", "--duration", "1s")
    assert_says(done.result, EXIT_NOT_MADE, "connect", "refused")
    assert not done.file.exists()


@pytest.mark.parametrize("arguments, patterns", [
    ([], ["needs a target", "sim:"]),
    ([ENGINE, ENGINE], ["one target"]),
    (["sim:foo"], ["no model"]),
    ([ENGINE, "--slo", "p99 ttft < 500"], ["--slo, column 12", "no unit", "500ms"]),
    ([ENGINE, "--slo", "p99 speed < 5ms"], ["--slo, column 5", "ttft, ttft_service, ttfa, tpot, e2e"]),
    ([ENGINE, "--slo", "p99 ttft < 500ms and"], ["--slo, column \\d+"]),
    ([ENGINE, "--slo", ""], ["--slo"]),
    ([ENGINE, "--rates", "8,4"], ["--rates, column 3", "rise"]),
    ([ENGINE, "--rates", "2,,4"], ["--rates, column 3", "missing"]),
    ([ENGINE, "--rates", ""], ["--rates, column 1"]),
    ([ENGINE, "--rates", "1:16"], ["--rates, column 5", "LO:HI:N"]),
    ([ENGINE, "--rates", "16:1:4"], ["--rates, column 4", "rise"]),
    ([ENGINE, "--rates", "1:16:1"], ["--rates, column 6", "from 2 to 64"]),
    ([ENGINE, "--rates", "1:16:65"], ["--rates, column 6", "from 2 to 64"]),
    ([ENGINE, "--rates", "fast"], ["--rates, column 1", "not a number"]),
    ([ENGINE, "--rates", "0,1"], ["--rates, column 1", "too small"]),
    ([ENGINE, "--concurrency", "1.5"], ["--concurrency, column 1", "whole"]),
    ([ENGINE, "--concurrency", "0,1"], ["--concurrency, column 1"]),
    ([ENGINE, "--rates", "2", "--concurrency", "2"], ["--both"]),
    ([ENGINE, "--budget", "20"], ["--budget", "no unit"]),
    ([ENGINE, "--budget", "10s"], ["--budget", "a minute"]),
    ([ENGINE, "--duration", "1m"], ["--duration", "--rates"]),
    ([ENGINE, "--rates", "2", "--duration", "0s"], ["--duration", "a second"]),
    ([ENGINE, "--rates", "2", "--duration", "10ms"], ["--duration", "a second"]),
    ([ENGINE, "--stop-at", "saturation"], ["--stop-at", "--rates"]),
    ([ENGINE, "--rates", "2,4", "--stop-at", "knee"], ["--stop-at", "saturation"]),
    ([ENGINE, "--request-rate", "2"], ["unknown option --request-rate"]),
    ([ENGINE, "--burstiness", "0"], ["--burstiness"]),
    ([ENGINE, "--json", "/nowhere/x.json", "--rates", "2"], ["/nowhere"]),
    (["http://localhost:1", "--offline"], ["--offline is for the embedded engine"]),
])
def test_bad_input_is_refused_with_advice(loadline, folder, arguments, patterns):
    assert_says(loadline("sweep", *arguments), EXIT_USAGE, *patterns)
    assert list(folder.glob("*.db*")) == []


def test_a_file_that_exists_is_not_overwritten(searched, loadline):
    before = searched.file.read_bytes()
    assert_says(loadline("sweep", ENGINE, "--offline", *FEW, "-o", searched.file), EXIT_USAGE, "exists")
    assert searched.file.read_bytes() == before


def test_a_run_without_a_load_is_advised_to_sweep(loadline):
    assert_says(loadline("run", ENGINE), EXIT_USAGE, "--request-rate", "--max-concurrency", "loadline sweep")


def test_secrets_are_not_kept_for_later(sweep, serve):
    server = serve()
    done = sweep(server.url, "--model", MODEL, "--rates", "8", "--duration", "1s", *LIVE, "--api-key", "sesame", "--header",
                 "X-Tenant: blue")
    assert done.status in MEASURED, done
    assert b"sesame" not in done.file.read_bytes() and b"blue" not in done.file.read_bytes()


# --- the whole of it, live ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_live_search_of_the_default_budget(sweep):
    begun = time.monotonic()
    done = sweep(ENGINE, "--slo", SLO, timeout=1500)
    took_s = time.monotonic() - begun
    assert done.status in MEASURED, done
    assert took_s < 1200 + 60, f"{took_s:.0f} s"  # the last answers of the confirmation, start and end of the engine
    result = done.json["result"]
    assert result["floor"] is not None and result["floor"]["load"] < TRUTH, done
    assert result["ceiling"] is None or result["ceiling"]["load"] > TRUTH, done
