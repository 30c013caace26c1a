"""The engine's own log, and the instrument judged by it."""

import json
import signal
import sqlite3

import pytest

from conftest import EXIT_DONE, EXIT_INTERRUPTED, EXIT_USAGE, MEASURED, wait_until

LEVELS = ("--streams", "1,16", "--duration", "500ms")


class Engine:
    """`loadline sim` with options, stopped in the test."""

    def __init__(self, loadline, *options):
        self.process = loadline.start("sim", "--listen", "127.0.0.1:0", *options)
        self.said = []
        for line in self.process.stderr:
            self.said.append(line)
            if "serving at" in line:
                self.url = line.split("serving at ")[1].strip()
                return
        pytest.fail("".join(self.said))

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        _, err = self.process.communicate(timeout=30)
        assert self.process.returncode == 0, err
        return err


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_the_truth_has_every_token_of_every_request(loadline, folder, how):
    engine = Engine(loadline, "--truth", folder / "truth.db")
    result = loadline.run(engine.url, "--model", "llama-3.1-8b")
    assert result.status in MEASURED, result
    said = engine.stop(how)
    assert "sends in" in said and "width of a burst" in said
    with sqlite3.connect(f"file:{folder / 'truth.db'}?mode=ro", uri=True) as truth:
        rows = truth.execute("""SELECT name, count(*), min(before_ns) > arrival_ns, min(after_ns >= before_ns)
                                FROM request JOIN token ON request_id = request.id
                                WHERE name <> '' GROUP BY request.id ORDER BY request.id""").fetchall()
        late = truth.execute("SELECT count(*) FROM step WHERE first_ns < due_ns").fetchone()[0]
    measured = {f"{row['idx']:012}": row["events"] for row in result.requests}
    assert {name[-12:]: tokens for name, tokens, _, _ in rows} == measured
    assert all(after_arrival and ordered for _, _, after_arrival, ordered in rows)
    assert late == 0


def test_a_truth_file_that_exists_is_refused(loadline, folder):
    (folder / "truth.db").write_text("mine")
    refused = loadline("sim", "--listen", "127.0.0.1:0", "--truth", folder / "truth.db")
    assert refused.status == EXIT_USAGE and "exists already" in refused.said
    assert (folder / "truth.db").read_text() == "mine"


def test_under_a_metronome_tokens_come_at_its_interval(loadline):
    engine = Engine(loadline, "--metronome", "20ms")
    result = loadline.run(engine.url, "--model", "llama-3.1-8b")
    engine.stop()
    assert result.status in MEASURED, result
    tpot = result.summary["latency"]["tpot_ms"]["percentiles"]["50"]
    assert 15 < tpot < 25, result  # instants left out on a busy machine are longer gaps, and the median of few


def test_a_calibration_prints_and_keeps_its_figures(loadline, folder):
    result = loadline("calibrate", *LEVELS, "--json", folder / "c.json")
    assert result.status == EXIT_DONE, result
    assert "16 streams" in result.out and "loopback" in result.said
    figures = json.loads((folder / "c.json").read_text())
    assert figures["schema"] == "loadline.calibration/1"
    assert [level["streams"] for level in figures["levels"]] == [1, 16]
    for level in figures["levels"]:
        assert level["events"] > 0 and level["unmatched_events"] == 0
        assert level["itl_ms"] >= level["streams"] * 0.05
        errors = level["error_us"]
        for name in ("ttft", "token_arrival", "itl"):
            parts = [part[stamps] for part in errors[name].values() for stamps in ("kernel", "user_space")]
            assert any(parts), name
        kernel = errors["token_arrival"]["uncensored"]["kernel"]
        user = errors["token_arrival"]["uncensored"]["user_space"]
        # A token cannot arrive before it is sent; the clocks' bridge is good to a microsecond or so.
        assert kernel["min"] > -50 and kernel["n"] == user["n"] > 0
        assert kernel["min"] <= kernel["p50"] <= kernel["p99"] <= kernel["p99.9"] <= kernel["max"]
        assert kernel["p50"] <= user["p50"]
    kept = folder / ".local" / "state" / "loadline" / "calibration.json"
    assert json.loads(kept.read_text()) == figures
    assert not list(folder.glob("loadline-*"))


def test_later_runs_quote_the_last_calibration(loadline, folder):
    before = loadline.run("sim:llama-3.1-8b@h100")
    assert before.summary["instrument"]["calibration"] is None
    state = {"XDG_STATE_HOME": str(folder / "state")}
    assert loadline("calibrate", *LEVELS, "--quiet", env=state).status == EXIT_DONE
    result = loadline.run("sim:llama-3.1-8b@h100", env=state)
    assert "instrument error on this machine" in result.said
    calibration = result.summary["instrument"]["calibration"]
    assert calibration == json.loads((folder / "state/loadline/calibration.json").read_text())
    # The file brings it along: what the user calibrates later does not change the report.
    (folder / "state/loadline/calibration.json").unlink()
    assert "instrument error on this machine" in loadline("report", result.file, env=state).said
    assert "instrument error" not in loadline("report", before.file).said


def test_a_calibration_of_another_machine_is_not_quoted(loadline, folder):
    kept = folder / ".local" / "state" / "loadline"
    kept.mkdir(parents=True)
    (kept / "calibration.json").write_text(json.dumps(
        {"schema": "loadline.calibration/1", "host": {"cpu": "Z80", "cores": 1}, "levels": []}))
    result = loadline.run("sim:llama-3.1-8b@h100", n=2)
    assert result.summary["instrument"]["calibration"] is None
    (kept / "calibration.json").write_text("{ broken")
    result = loadline.run("sim:llama-3.1-8b@h100", n=2)
    assert result.summary["instrument"]["calibration"] is None


@pytest.mark.parametrize("options", [["--streams", "0"], ["--streams", "1,,2"], ["--streams", "x"], ["--itl", "5"],
                                     ["--itl", "1us"], ["--duration", "0"], ["engine"]], ids=" ".join)
def test_a_calibration_that_makes_no_sense_is_refused(loadline, options):
    assert loadline("calibrate", *options).status == EXIT_USAGE


def test_a_calibration_that_could_not_be_written_is_refused_before_it_is_made(loadline, folder):
    loadline.run("sim:llama-3.1-8b@h100", "--offline", "-o", folder / "mine.loadline")
    before = (folder / "mine.loadline").read_bytes()
    for name, said in (("mine.loadline", "run file"), ("no/c.json", "cannot write")):
        result = loadline("calibrate", *LEVELS, "--json", folder / name)
        assert result.status == EXIT_USAGE and said in result.said and result.out == "", result
    assert (folder / "mine.loadline").read_bytes() == before


def test_an_interrupted_calibration_leaves_nothing(loadline, folder):
    process = loadline.start("calibrate", "--streams", "4", "--duration", "30s", env={"TMPDIR": str(folder)})
    wait_until(lambda: list(folder.glob("loadline-calibrate-*/run.db")))
    process.send_signal(signal.SIGINT)
    result = loadline.finish(process)
    assert result.status == EXIT_INTERRUPTED, result
    assert not list(folder.glob("loadline-calibrate-*")) and not list(folder.glob(".local"))
