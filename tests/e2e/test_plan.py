"""loadline plan: replicas, GPUs and cost from the floor of a sweep, and every reason for which there is no plan."""

import json
import math
import pathlib
import shutil
import sqlite3
import tempfile

import pytest

from conftest import EXIT_DONE, EXIT_INVALID, EXIT_NOT_MET, EXIT_USAGE, PROGRAM, Program, on_terminal
from test_bad_input import assert_says

ENGINE = "sim:llama-3.1-8b@h100"
SLO = "p90 ttft < 500ms and p90 tpot < 50ms"
COST = {"per_hour", "per_1k_successful_requests", "per_1m_prompt_tokens", "per_1m_output_tokens", "per_1m_tokens"}
DEPLOYMENT = {"replicas", "gpus", "utilisation", "cost"}
SCHEMA = {
    "schema": None, "tool": {"name", "version", "commit"}, "verdict": None,
    "run": {"target", "model", "engine", "engine_version", "seed", "simulated"},
    "sweep": {"slo", "floor", "ceiling", "binding", "monotone", "finished"},
    "mix": {"workload", "prompt_tokens", "output_tokens", "burstiness", "success_share"},
    "replica": {"engines", "gpus", "gpus_from", "cost_at_floor"},
    "headroom": {"share", "from", "asked_share", "growth_share", "growth_every_s", "startup_s", "growth_in_startup"},
    "spares": None, "price_per_gpu_hour": None, "demands": None, "multiples": None,
}


@pytest.fixture(scope="module")
def sweeps():
    """sweep(target, options…): a sweep in virtual time, made once."""
    with tempfile.TemporaryDirectory(prefix="loadline-test-") as name:
        program, made = Program(pathlib.Path(name)), {}

        def sweep(target=ENGINE, *options):
            key = (target, *options)
            if key not in made:
                made[key] = program.folder / f"{len(made)}.db"
                done = program("sweep", target, "--offline", "--seed", 7, "-q", *options, "-o", made[key], timeout=300)
                assert done.status in (EXIT_DONE, EXIT_NOT_MET), done
            return made[key]

        yield sweep


@pytest.fixture
def swept(sweeps):
    """Met at 2 and 8 requests/s, missed at 60."""
    return sweeps(ENGINE, "--rates", "2,8,60", "--duration", "5m", "--slo", SLO)


@pytest.fixture
def changed(swept, folder):
    """A copy of it that was tampered with."""
    def change(statement):
        file = folder / "changed.db"
        shutil.copy(swept, file)
        with sqlite3.connect(file) as database:
            database.execute(statement)
        database.close()
        return file

    return change


def planned(loadline, file, *options):
    done = loadline("plan", file, "--json", "-", *options)
    assert done.status == EXIT_DONE, done
    return json.loads(done.out)


# --- a plan ------------------------------------------------------------------------------------------------------


def test_a_plan_from_a_search(loadline, sweeps):
    """The search's own floor and ceiling, whatever they are."""
    slo = "p99 ttft < 500ms and p99 tpot < 50ms"
    file = sweeps("sim:llama-3.1-8b@a100", "--budget", "1h", "--slo", slo)
    found = json.loads(loadline("report", file, "--json", "-").out)["result"]
    plan = planned(loadline, file, "--rate", 40)
    floor = plan["sweep"]["floor"]["requests_per_s"]
    assert floor == pytest.approx(found["floor"]["load"]) and 5 < floor < 10
    demand, = plan["demands"]
    assert demand["needed"]["replicas"] == math.ceil(48 / floor)
    assert demand["replicas_at_least"] == math.ceil(48 / plan["sweep"]["ceiling"]["requests_per_s"])
    assert plan["sweep"]["slo"] == slo


def test_the_figures_of_a_plan(loadline, swept):
    plan = planned(loadline, swept, "--rate", 100, "--price", 2.5, "--spares", 2)
    demand, = plan["demands"]
    assert plan["sweep"]["floor"]["requests_per_s"] == 8 and plan["sweep"]["ceiling"]["requests_per_s"] == 60
    assert demand["with_headroom"] == pytest.approx(120)
    assert (demand["needed"]["replicas"], demand["with_spares"]["replicas"], demand["n_plus_1"]["replicas"],
            demand["replicas_at_least"]) == (15, 17, 16, 3)  # of two each has the 60 that were missed
    assert demand["with_spares"]["utilisation"] == pytest.approx(100 / (17 * 8))
    cost, mix = demand["with_spares"]["cost"], plan["mix"]
    requests = 100 * 3600 * mix["success_share"]
    assert cost["per_hour"] == pytest.approx(42.5)
    assert cost["per_1k_successful_requests"] == pytest.approx(42.5e3 / requests)
    assert cost["per_1m_prompt_tokens"] == pytest.approx(42.5e6 / (requests * mix["prompt_tokens"]))
    assert cost["per_1m_output_tokens"] == pytest.approx(42.5e6 / (requests * mix["output_tokens"]))
    full = plan["replica"]["cost_at_floor"]
    assert full["per_1k_successful_requests"] == pytest.approx(2500 / (8 * 3600 * mix["success_share"]))


def test_the_mix_is_that_of_the_floors_run(loadline, swept):
    plan = planned(loadline, swept, "--rate", 1)
    with sqlite3.connect(f"file:{swept}?mode=ro", uri=True) as database:
        asked, = database.execute("SELECT avg(output_tokens) FROM request WHERE run_id = ? AND phase = 1",
                                  (plan["sweep"]["floor"]["run_id"],)).fetchone()
    database.close()
    assert plan["mix"]["output_tokens"] == pytest.approx(asked, rel=0.05)  # all, and those of the window
    assert plan["mix"]["workload"] == "chat" and plan["run"]["simulated"] is True


def test_the_table_says_the_same(loadline, swept):
    done = loadline("plan", swept, "--rate", 100, "--price", 2.5, "--spares", 2)
    assert done.status == EXIT_DONE and done.err == "", done
    for part in ("17 replicas for 100 requests/s within the SLO, 2 spares and 20 % headroom included",
                 "Floor 8.00 requests/s a replica", "Ceiling 60.0 requests/s", "Binding p90",
                 "needed 15 15 83.3 % 37.50", "N+1 16 16 78.1 % 40.00", "with spares 17 17 73.5 % 42.50",
                 "Between 3 by the ceiling", "never at saturation", "Simulated the target was the embedded engine"):
        assert part in done.said, done


def test_several_demands_are_rows_of_a_table_in_order(loadline, swept):
    done = loadline("plan", swept, "--rate", "100,8", "--rate", "20")
    assert done.status == EXIT_DONE, done
    assert "2 to 15 replicas for 8.00 to 100 requests/s" in done.said
    rows = [line.split() for line in done.out.split("\nDemands\n")[1].splitlines()[1:4]]
    assert [row[:5] for row in rows] == [["8.00", "2", "1", "3", "2"], ["20.0", "3", "1", "4", "3"],
                                         ["100", "15", "3", "16", "15"]]
    assert [demand["requests_per_s"] for demand in planned(loadline, swept, "--rate", "100,8,20")["demands"]] == [8, 20, 100]


def test_growth_during_a_start_raises_the_headroom_and_never_lowers_it(loadline, swept):
    grown = planned(loadline, swept, "--rate", 10, "--growth", "5%/min", "--startup", "5m")["headroom"]
    assert grown["from"] == "growth" and grown["share"] == pytest.approx(1.05 ** 5 - 1)
    slow = planned(loadline, swept, "--rate", 10, "--growth", "5%/h", "--startup", "5m")["headroom"]
    assert slow["from"] == "default" and slow["share"] == 0.2
    asked = planned(loadline, swept, "--rate", 10, "--growth", "5%/min", "--startup", "5m", "--headroom", "50%")["headroom"]
    assert asked["from"] == "option" and asked["share"] == 0.5


def test_no_headroom_at_all_can_be_asked_for(loadline, swept):
    plan = planned(loadline, swept, "--rate", 80, "--headroom", "0%")
    assert plan["demands"][0]["needed"]["replicas"] == 10 and plan["demands"][0]["needed"]["utilisation"] == 1


def test_gpus_are_of_the_context_or_as_given(loadline, sweeps):
    file = sweeps(ENGINE + "x2?replicas=2", "--rates", "4,8", "--duration", "1m", "--slo", "p50 ttft < 1s")
    plan = planned(loadline, file, "--rate", 80)
    assert plan["replica"]["engines"] == 2 and plan["replica"]["gpus"] == 4 and plan["replica"]["gpus_from"] == "context"
    assert plan["demands"][0]["needed"]["gpus"] == 4 * plan["demands"][0]["needed"]["replicas"]
    given = planned(loadline, file, "--rate", 80, "--gpus", 8)["replica"]
    assert given["gpus"] == 8 and given["gpus_from"] == "option"
    assert "units for 80.0 requests/s" in loadline("plan", file, "--rate", 80).said


def test_the_json_has_the_documented_shape(loadline, swept):
    plan = planned(loadline, swept, "--rate", 100, "--price", 2)
    assert set(plan) == set(SCHEMA) and plan["schema"] == "loadline.plan/1"
    for name, keys in SCHEMA.items():
        if keys:
            assert set(plan[name]) == keys, name
    for demand in plan["demands"] + plan["multiples"]:
        assert set(demand) == {"requests_per_s", "with_headroom", "replicas_at_least", "needed", "with_spares", "n_plus_1"}
        for name in ("needed", "with_spares", "n_plus_1"):
            assert set(demand[name]) == DEPLOYMENT and set(demand[name]["cost"]) == COST
    without = planned(loadline, swept, "--rate", 100)
    assert without["price_per_gpu_hour"] is None and without["demands"][0]["needed"]["cost"] is None


def test_json_into_a_file_leaves_the_table_on_standard_output(loadline, swept):
    done = loadline("plan", swept, "--rate", 100, "--json", "plan.json")
    assert done.status == EXIT_DONE and "replicas for 100 requests/s" in done.out
    assert json.loads((loadline.folder / "plan.json").read_text(encoding="utf-8"))["demands"][0]["needed"]["replicas"] == 15
    both = loadline("plan", swept, "--rate", 100, "--json", "-")
    assert "replicas for 100 requests/s" in both.err


def test_json_is_not_written_over_the_sweep(loadline, changed):
    file = changed("UPDATE run SET ordinal = ordinal")
    before = file.read_bytes()
    assert_says(loadline("plan", file, "--rate", 100, "--json", file), EXIT_USAGE, "run file", "another place")
    assert file.read_bytes() == before


@pytest.mark.parametrize("options", [["--rate", "40"], ["--rate", "1,1e9", "--price", "1e9", "--spares", "1000000"],
                                     ["--rate", "0.00001", "--price", "0.0001"]], ids=["one", "huge", "tiny"])
def test_a_plan_fits_eighty_columns(loadline, swept, options):
    done = loadline("plan", swept, *options)
    assert done.status == EXIT_DONE, done
    assert [line for line in done.out.splitlines() if len(line) > 80 or line != line.rstrip()] == []


@pytest.mark.parametrize("no_color", ["", "1"])
def test_a_terminal_has_colors_unless_it_should_not(loadline, swept, no_color):
    shown = on_terminal([PROGRAM, "plan", str(swept), "--rate", "100"], 80, {"NO_COLOR": no_color}, loadline.folder)
    assert "replicas for 100" in shown and ("\033[" in shown) == (no_color == "")


# --- no plan, and why --------------------------------------------------------------------------------------------


def test_a_file_that_holds_no_sweep(loadline):
    run = loadline.run(ENGINE, "--offline")
    assert_says(loadline("plan", run.file, "--rate", 1), EXIT_USAGE, "holds no sweep", "loadline sweep TARGET")


def test_a_file_that_is_none(loadline, folder):
    (folder / "text").write_text("no run file", encoding="utf-8")
    assert_says(loadline("plan", "text", "--rate", 1), EXIT_USAGE, "text")
    assert_says(loadline("plan", "missing.db", "--rate", 1), EXIT_USAGE, "missing.db")


def test_a_sweep_of_users(loadline, sweeps):
    file = sweeps(ENGINE, "--concurrency", "1,2", "--duration", "1m", "--slo", SLO)
    assert_says(loadline("plan", file, "--rate", 1), EXIT_USAGE, "closed loop", "floor is of users", "without --concurrency")


def test_a_sweep_without_an_slo(loadline, sweeps):
    file = sweeps(ENGINE, "--rates", "2,4", "--duration", "30s")
    assert_says(loadline("plan", file, "--rate", 1), EXIT_USAGE, "had no SLO", "--slo")


def test_a_sweep_whose_lowest_level_misses_the_slo(loadline, sweeps):
    file = sweeps(ENGINE, "--rates", "2,4", "--duration", "1m", "--slo", "p99 ttft < 1ms")
    assert_says(loadline("plan", file, "--rate", 1), EXIT_NOT_MET, "NOT MET", "lowest level", "no number of such replicas")


def test_a_sweep_too_short_to_show_a_floor(loadline, sweeps):
    file = sweeps(ENGINE, "--budget", "1m", "--slo", SLO)
    assert_says(loadline("plan", file, "--rate", 1), EXIT_USAGE, "UNDECIDED", "longer --budget")


def test_a_sweep_that_was_interrupted_before_it_had_a_floor(loadline, changed):
    file = changed("UPDATE run SET interrupted = 1")
    assert_says(loadline("plan", file, "--rate", 1), EXIT_USAGE, "interrupted before it had a floor", "loadline sweep --resume")


def test_one_that_was_interrupted_later_plans_by_the_floor_it_has_and_says_so(loadline, changed):
    file = changed("UPDATE run SET interrupted = 1 WHERE request_rate > 2")
    done = loadline("plan", file, "--rate", 20)
    assert done.status == EXIT_DONE and "12 replicas" in done.said, done
    assert "Unfinished the sweep was interrupted" in done.said
    plan = planned(loadline, file, "--rate", 20)
    assert plan["sweep"]["finished"] is False and plan["demands"][0]["replicas_at_least"] is None


def test_a_floor_that_rests_on_an_invalid_run(loadline, changed):
    file = changed("UPDATE run SET request_rate = 12 WHERE request_rate = 8")
    assert_says(loadline("plan", file, "--rate", 1), EXIT_INVALID, "INVALID", "achieved-rate", "--run 2 says what to do")


@pytest.mark.parametrize("rate", ["-8", "0", "9e999"])
def test_a_floor_that_nobody_can_have_offered(loadline, changed, rate):
    file = changed(f"UPDATE run SET request_rate = {rate} WHERE request_rate = 8")
    assert_says(loadline("plan", file, "--rate", 1), EXIT_USAGE, "cannot be read; it was changed")


def test_a_ceiling_below_the_floor_is_none_to_count_on(loadline, changed):
    """The missed level is made the lowest; the server looks as if it had changed for the better."""
    file = changed("UPDATE run SET request_rate = 1 WHERE request_rate = 60")
    done = loadline("plan", file, "--rate", 100)
    assert done.status == EXIT_DONE and done.out.startswith("PROVISIONAL"), done
    assert "Ceiling none to count on: 1.00 requests/s was shown to miss it too" in done.said
    plan = planned(loadline, file, "--rate", 100)
    assert plan["verdict"] == "provisional" and plan["sweep"]["ceiling"]["above_floor"] is False
    assert plan["demands"][0]["replicas_at_least"] is None


@pytest.mark.parametrize("options, said", [
    ([], "how many requests per second"),
    (["--rate", "0"], "too small"),
    (["--rate", "-3"], "too small"),
    (["--rate", "5,,6"], "column 3: a number is missing"),
    (["--rate", "many"], "'many' is not a number"),
    (["--rate", "1e12"], "too large"),
    (["--rate", ",".join(map(str, range(1, 34)))], "more than 32 demands"),
    (["--rate", "1", "--headroom", "0.2"], "no percentage; write for example 20%"),
    (["--rate", "1", "--headroom", "-1%"], "too small"),
    (["--rate", "1", "--growth", "5%/min"], "--startup"),
    (["--rate", "1", "--startup", "3m"], "--growth"),
    (["--rate", "1", "--startup", "3"], "unit"),
    (["--rate", "1", "--growth", "5%", "--startup", "3m"], "no growth"),
    (["--rate", "1", "--growth", "50%/s", "--startup", "10m"], "more than a hundredfold"),
    (["--rate", "1", "--price", "0"], "too small"),
    (["--rate", "1", "--gpus", "0"], "--gpus"),
    (["--rate", "1", "--spares", "-1"], "--spares"),
    (["--rate", "1", "--json", "/nowhere/plan.json"], "cannot write /nowhere/plan.json"),
    (["--rate", "1", "--rates", "1"], "did you mean --rate"),
    (["--rate", "1", "another.db"], "one run file"),
], ids=lambda x: " ".join(x)[:40] if isinstance(x, list) else "")
def test_wrong_options(loadline, swept, options, said):
    done = loadline("plan", swept, *options)
    assert_says(done, EXIT_USAGE, said)
    assert done.out == ""


def test_without_a_file(loadline):
    assert_says(loadline("plan", "--rate", 1), EXIT_USAGE, "one run file of a sweep")


def test_a_demand_beyond_all_reason(loadline, changed):
    file = changed("UPDATE run SET interrupted = 1 WHERE request_rate > 2")
    assert_says(loadline("plan", file, "--rate", "1e9", "--headroom", "1000%"), EXIT_USAGE, "more than 1e", "is it per second")


def test_a_server_that_says_nothing_of_its_gpus(loadline, changed):
    """Another target than the embedded engine, whose user gave no context."""
    file = changed("UPDATE run SET target = 'http://localhost:8000', context_json = '{}'")
    plan = loadline("plan", file, "--rate", 100)
    assert plan.status == EXIT_DONE, plan
    assert "GPUs 1 a replica, assumed: the sweep does not say" in plan.said and "Simulated" not in plan.said
    assert planned(loadline, file, "--rate", 100)["replica"]["gpus_from"] == "assumed"
