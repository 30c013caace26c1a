"""Every fault of a server that made some client's figures wrong, each by name: what must be on record instead."""

import signal
import time

import pytest

from conftest import EXIT_INTERRUPTED, EXIT_NOT_MADE, MEASURED, check_alive, wait_until
from faultserver import SPEECH

CHAT = ("--backend", "openai-chat", "--endpoint", "/v1/chat/completions")
MIXED = {"load_only": True, "every": 2}  # every second request of the load gets the fault


def errors_of(result):
    return {kind: count for kind, count in result.summary["requests"]["errors"].items() if count}


def assert_mixed(result, server, kind):
    """Faulted requests are on record as kind, the others as successes, and the summary says the same."""
    assert result.status in MEASURED, result
    assert server.faulted > 0
    assert result.outcomes == {"ok": 12 - server.faulted, kind: server.faulted}, result
    requests = result.summary["requests"]
    assert errors_of(result) == {kind: server.faulted}
    assert (requests["offered"], requests["completed"], requests["failed"]) == (
        12, 12 - server.faulted, server.faulted)


def assert_all_well(result, tokens_each=8, n=12):
    assert result.status in MEASURED, result
    assert result.outcomes == {"ok": n}, result
    assert [row["output_tokens"] for row in result.requests] == [tokens_each] * n


def ms(row, start, end):
    return (row[end] - row[start]) / 1e6


# --- what is a token, and when did it come ---------------------------------------------------------------------


def test_a_role_only_first_chunk_is_not_the_first_token(loadline, serve):
    result = loadline.run(serve("role-first", wait=0.06).url, *CHAT)
    assert_all_well(result)
    assert min(ms(row, "sent_ns", "first_token_ns") for row in result.requests) >= 60
    assert result.summary["latency"]["ttft_ms"]["min"] >= 60


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
@pytest.mark.parametrize("usage", [True, False])
def test_reasoning_deltas_are_tokens_and_the_answer_begins_after_them(loadline, serve, field, usage):
    result = loadline.run(serve("reasoning", field=field, wait=0.06, usage=usage).url, *CHAT)
    assert_all_well(result)
    for row in result.requests:
        assert row["events"] == 8
        assert ms(row, "first_token_ns", "first_answer_ns") >= 60
    latency = result.summary["latency"]
    assert latency["ttft_ms"]["n"] == 12 and latency["ttft_ms"]["min"] > 0
    assert latency["ttfa_ms"]["min"] >= latency["ttft_ms"]["min"] + 60


def test_tool_call_deltas_are_tokens(loadline, serve):
    result = loadline.run(serve("tool-calls").url, *CHAT)
    assert_all_well(result)
    assert {row["events"] for row in result.requests} == {8}
    assert result.summary["latency"]["ttft_ms"]["n"] == 12


def test_chunks_of_several_tokens_are_not_counted_as_one(loadline, serve):
    result = loadline.run(serve("several-tokens", per_event=4).url)
    assert_all_well(result)
    assert {row["events"] for row in result.requests} == {2}
    assert result.summary["tokens"]["per_event"] == pytest.approx(4)
    assert result.summary["tokens"]["output_source"] == "usage"


def test_tokens_without_text_are_counted_by_continuous_usage(loadline, serve):
    result = loadline.run(serve("silent-tokens").url)
    assert_all_well(result)
    assert {row["events"] for row in result.requests} == {8}


def test_without_usage_events_are_counted_and_the_source_is_said(loadline, serve):
    result = loadline.run(serve("no-usage").url)
    assert_all_well(result)
    assert {row["output_source"] for row in result.requests} <= {"events", "tokenizer"}
    assert result.summary["tokens"]["output_source"] in ("events", "tokenizer")


@pytest.mark.parametrize("keep", [(), ("--save-output",)])
def test_without_usage_the_servers_tokenizer_counts_what_came(loadline, serve, keep):
    result = loadline.run(serve("no-usage", per_event=4, tokenize=True).url, *keep)
    assert {(row["events"], row["output_tokens"], row["output_source"]) for row in result.requests} == {(2, 8, "tokenizer")}
    assert {bool(row["output"]) for row in result.requests} == {bool(keep)}
    assert result.summary["tokens"]["output_source"] == "tokenizer"
    assert result.summary["tokens"]["output"] == 8 * len(result.requests)


@pytest.mark.parametrize("n", [1, 5, 11])
def test_the_output_length_is_what_came_not_what_was_asked(loadline, serve, n):
    result = loadline.run(serve("other-length", n=n).url)
    assert_all_well(result, tokens_each=n)
    assert {row["asked_output"] for row in result.requests} == {8}


def test_cached_tokens_are_on_record(loadline, serve):
    result = loadline.run(serve("cached", tokens=7).url)
    assert {row["cached_tokens"] for row in result.requests} == {7}


@pytest.mark.timing
def test_coalesced_events_have_bounds_instead_of_gaps_of_nothing(loadline, serve):
    result = loadline.run(serve("coalesced", together=4, gap=0.02).url)
    assert_all_well(result)
    assert sum(row["censored"] for row in result.requests) > 0
    assert result.summary["instrument"]["censored_fraction"] > 0
    assert result.summary["instrument"]["censored_ours_fraction"] <= result.summary["instrument"]["censored_fraction"]


def test_a_server_that_does_not_stream_is_told_apart(loadline, serve):
    result = loadline.run(serve("not-streaming").url)
    assert result.status in MEASURED, result
    assert result.outcomes == {"ok": 12}
    assert {row["output_tokens"] for row in result.requests} == {8}


# --- streams that go wrong ---------------------------------------------------------------------------------


def test_an_error_inside_a_200_stream_is_an_engine_error_in_the_servers_words(loadline, serve):
    server = serve("error-in-stream", **MIXED)
    result = loadline.run(server.url)
    assert_mixed(result, server, "engine_error")
    failed = [row for row in result.requests if row["outcome"] == "engine_error"]
    assert all("illegal memory access" in row["error"] for row in failed)


@pytest.mark.parametrize("how", ["stream-cut-at-close", "stream-cut-in-chunk", "stream-cut-between-chunks",
                                 "stream-without-done", "done-without-reason"])
def test_a_stream_cut_short_is_truncated_not_a_success(loadline, serve, how):
    server = serve(how, **MIXED)
    assert_mixed(loadline.run(server.url), server, "truncated")


def test_a_server_that_never_sends_done_is_measured_by_its_finish_reasons(loadline, serve):
    result = loadline.run(serve("reason-without-done").url)
    assert result.outcomes == {"ok": 12}, result
    assert {row["output_tokens"] for row in result.requests} == {8}
    assert "without a terminator" in result.said


def test_a_reset_in_the_stream_is_a_reset(loadline, serve):
    server = serve("reset-in-stream", **MIXED)
    assert_mixed(loadline.run(server.url), server, "reset")


def test_a_malformed_chunk_is_a_protocol_error(loadline, serve):
    server = serve("bad-chunk", **MIXED)
    assert_mixed(loadline.run(server.url), server, "protocol_error")


def test_malformed_json_is_a_protocol_error(loadline, serve):
    server = serve("bad-json", **MIXED)
    assert_mixed(loadline.run(server.url), server, "protocol_error")


def test_another_protocol_is_a_protocol_error(loadline, serve):
    server = serve("not-http", **MIXED)
    assert_mixed(loadline.run(server.url), server, "protocol_error")


def test_a_web_page_instead_of_events_is_a_protocol_error(loadline, serve):
    server = serve("html", **MIXED)
    assert_mixed(loadline.run(server.url), server, "protocol_error")


@pytest.mark.parametrize("code", [429, 500, 503])
def test_an_error_status_is_an_http_error_with_the_servers_message(loadline, serve, code):
    server = serve("status", code=code, message="come back later", retry_after=1, **MIXED)
    result = loadline.run(server.url)
    assert_mixed(result, server, "http_error")
    failed = [row for row in result.requests if row["outcome"] == "http_error"]
    assert all(row["http_status"] == code and "come back later" in row["error"] for row in failed)


def test_empty_choices_do_no_harm(loadline, serve):
    assert_all_well(loadline.run(serve("empty-choices").url))
    assert_all_well(loadline.run(serve("empty-choices").url, *CHAT))


def test_events_split_at_every_byte_are_whole(loadline, serve):
    result = loadline.run(serve("byte-by-byte").url, "--save-output", n=2)
    assert_all_well(result, n=2)
    assert {row["output"] for row in result.requests} == {SPEECH * 8}


def test_utf8_split_between_reads_is_whole(loadline, serve):
    result = loadline.run(serve("split-utf8").url, "--save-output", n=4)
    assert_all_well(result, n=4)
    assert {row["output"] for row in result.requests} == {SPEECH * 8}
    assert {row["output_bytes"] for row in result.requests} == {len((SPEECH * 8).encode())}


def test_an_event_of_two_megabytes_is_read(loadline, serve):
    result = loadline.run(serve("huge-event", load_only=True, every=3).url, n=6)
    assert_all_well(result, n=6)
    assert max(row["output_bytes"] for row in result.requests) > 2 << 20


def test_a_comment_line_of_two_megabytes_is_skipped(loadline, serve):
    assert_all_well(loadline.run(serve("long-comment", load_only=True, every=3).url, n=6), n=6)


def test_crlf_and_no_space_after_the_colon(loadline, serve):
    assert_all_well(loadline.run(serve("crlf").url))


def test_a_slow_head_is_a_head(loadline, serve):
    assert_all_well(loadline.run(serve("slow-head").url, n=4), n=4)


def test_a_body_without_chunks_ends_with_its_connection(loadline, serve):
    server = serve("unframed")
    assert_all_well(loadline.run(server.url))
    assert server.connections >= 12


# --- connections -------------------------------------------------------------------------------------------


def test_connections_are_kept(loadline, serve):
    server = serve("good")
    assert_all_well(loadline.run(server.url))
    assert len({request.connection for request in server.generations[-12:]}) <= 2  # users


@pytest.mark.parametrize("how", [{"name": "closes-after"}, {"name": "good", "idle_close": 0.2}])
def test_a_kept_connection_that_the_server_closed_loses_no_request(loadline, serve, how):
    server = serve(**how)
    rate = ("--request-rate", "4", "--burstiness", "inf")
    result = loadline.run(server.url, *rate, n=6)
    assert_all_well(result, n=6)
    ids = [request.headers.get("x-request-id", request.body) for request in server.generations]
    assert len(ids) == len(set(ids)), "a request was served twice"
    assert all(row["resends"] <= 1 for row in result.requests)
    assert all(row["intended_ns"] <= row["started_ns"] <= row["sent_ns"] for row in result.requests)


def test_a_server_that_breaks_its_promise_to_keep_connections_is_not_asked_twice_for_ever(loadline, serve):
    result = loadline.run(serve("closes-after").url, "--max-concurrency", "1", "--warmup-requests", "0", n=30)
    assert_all_well(result, n=30)
    assert result.summary["requests"]["resends"] <= 8


def test_an_answer_is_complete_with_its_terminator_though_the_response_never_ends(loadline, serve):
    result = loadline.run(serve("no-end", load_only=True).url, "--max-concurrency", "4", "--timeout", "30s", n=8)
    assert_all_well(result, n=8)
    assert all(row["end_ns"] == row["last_token_ns"] for row in result.requests)


def test_connection_set_up_is_shown_apart(loadline, serve, certificates):
    server = serve("good", tls=certificates["good"], tls_wait=0.1)
    result = loadline.run(server.url, "--cacert", certificates["authority"])
    assert_all_well(result)
    opened = [row for row in result.requests if row["connect_ns"] is not None]
    assert opened and all(row["tls_ns"] >= 100e6 for row in opened)
    assert result.summary["latency"]["connect_ms"]["n"] == len(opened)
    assert result.summary["latency"]["connect_ms"]["min"] >= 100


@pytest.mark.parametrize("how", ["status", "reset-before-head"])
def test_nothing_is_retried_in_silence(loadline, serve, how):
    server = serve(how, **MIXED)
    result = loadline.run(server.url, "--request-rate", "40")
    ids = [request.headers.get("x-request-id", request.body) for request in server.generations]
    resent = sum(row["resends"] for row in result.requests)
    assert len(ids) - len(set(ids)) == resent
    assert sum(result.outcomes.values()) == 12
    if how == "status":
        assert resent == 0 and result.outcomes["http_error"] == server.faulted


def test_more_than_a_hundred_requests_are_in_flight_at_once(loadline, serve):
    server = serve("barrier", together=150, load_only=True)
    result = loadline.run(server.url, "--request-rate", "inf", n=150)
    assert server.most_waiting == 150
    assert_all_well(result, n=150)
    assert result.summary["concurrency"]["peak"] >= 150


def test_the_limit_on_descriptors_is_said(loadline, serve):
    server = serve("barrier", together=1000, patience=1.0, load_only=True)
    result = loadline.run(server.url, "--request-rate", "inf", n=200, preexec_fn=limit_descriptors)
    assert result.outcomes.get("dropped", 0) > 0, result
    assert result.outcomes.get("ok", 0) > 0
    dropped = [row["error"] for row in result.requests if row["outcome"] == "dropped"]
    assert all("descriptor" in text for text in dropped)
    assert "descriptor" in result.said + result.findings


def limit_descriptors():
    import resource
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))


# --- latency counts from the intended time ---------------------------------------------------------------------


def test_waiting_for_a_cap_is_part_of_latency(loadline, serve):
    server = serve("good", first=0.06)
    result = loadline.run(server.url, "--request-rate", "100", "--burstiness", "inf", "--max-concurrency", "1", n=10)
    assert_all_well(result, n=10)
    last = result.requests[-1]
    assert ms(last, "intended_ns", "first_token_ns") >= 10 * 60 - 9 * 10
    assert ms(last, "intended_ns", "started_ns") >= 9 * 60 - 9 * 10
    latency = result.summary["latency"]
    assert latency["ttft_ms"]["max"] >= latency["ttft_service_ms"]["max"] + 300 or not latency["ttft_ms"]["n"]


def test_a_request_whose_time_was_up_in_the_queue_is_not_sent(loadline, serve):
    """All are due within a microsecond, one may be in flight, and the server is silent: all run out of time at once."""
    server = serve("silent", load_only=True)
    result = loadline.run(server.url, "--request-rate", "10000000", "--burstiness", "inf", "--max-concurrency", "1",
                          "--warmup-requests", "0", "--timeout", "1s", "--preconnect", "5", n=5)
    assert result.outcomes == {"timeout": 5}, result
    assert server.faulted == 1
    assert result.summary["requests"]["sent"] == 1
    assert [row["end_ns"] - row["intended_ns"] >= 10**9 for row in result.requests] == 5 * [True]


def test_over_the_cap_requests_are_dropped_when_asked(loadline, serve):
    server = serve("good", first=0.2)
    result = loadline.run(server.url, "--request-rate", "100", "--burstiness", "inf", "--max-concurrency", "1",
                          "--on-cap", "drop", n=10)
    assert result.outcomes["dropped"] >= 5
    assert sum(result.outcomes.values()) == 10
    assert result.summary["requests"]["dropped"] == result.outcomes["dropped"]


def test_the_rate_asked_is_the_rate_offered(loadline, serve):
    result = loadline.run(serve("good").url, "--request-rate", "200", "--burstiness", "inf", n=100)
    times = [row["intended_ns"] for row in result.requests]
    gaps = {round((b - a) / 1e6, 3) for a, b in zip(times, times[1:])}
    assert gaps == {5.0}
    assert result.summary["requests"]["offered"] == 100


def test_slow_questions_to_the_server_are_not_in_the_window(loadline, serve):
    def slow_metrics():
        time.sleep(1.5)
        return "vllm:num_requests_running 0\n"

    result = loadline.run(serve("good", metrics=slow_metrics).url)
    window = result.summary["window"]
    assert window["end_s"] - window["start_s"] < 1.5


# --- nothing is lost ---------------------------------------------------------------------------------------


def test_one_stalled_stream_costs_one_request(loadline, serve):
    server = serve("stall", load_only=True, spare=6, every=1000)
    result = loadline.run(server.url, "--timeout", "1s")
    assert server.faulted == 1
    assert result.outcomes == {"ok": 11, "timeout": 1}
    assert errors_of(result) == {"timeout": 1}


def test_a_server_that_never_answers_some_costs_those(loadline, serve):
    server = serve("silent", load_only=True, spare=2, every=4)
    result = loadline.run(server.url, "--timeout", "500ms")
    assert_mixed(result, server, "timeout")


def test_failures_are_in_no_throughput_and_no_latency(loadline, serve):
    server = serve("error-in-stream", after=4, **MIXED)
    result = loadline.run(server.url)
    good = 12 - server.faulted
    assert result.summary["latency"]["e2e_ms"]["n"] <= good
    window = result.summary["window"]
    ceiling = good * 8 / (window["end_s"] - window["start_s"])
    assert result.summary["throughput"]["output_tokens_per_s"] <= ceiling * 1.001
    assert result.summary["tokens"]["output"] <= good * 8


@pytest.mark.parametrize("how", ["status", "error-in-stream", "reset-before-head", "html", "stream-without-done"])
def test_when_everything_fails_the_exit_code_says_so(loadline, serve, how):
    result = loadline.run(serve(how).url)
    assert result.status == EXIT_NOT_MADE, result


def test_a_killed_run_leaves_what_had_finished(loadline, serve):
    server = serve("good")
    process, file, summary = loadline.measuring(server.url, "--request-rate", "50", "--duration", "60s")
    wait_until(lambda: len(server.generations) >= 100, 20)
    process.send_signal(signal.SIGKILL)
    result = loadline.finish(process, file, summary)
    assert result.rows("PRAGMA integrity_check")[0][0] == "ok"
    assert len(result.requests) >= 25  # of about 100, all but the last second's
    assert result.rows("SELECT finished FROM run")[0][0] == 0
    report = loadline("report", file, "--json", summary)
    assert report.status in (0, 3), report
    result = loadline.finish(process, file, summary)
    assert result.summary["verdict"]["status"] == "invalid"
    assert result.check("interrupted")["status"] == "fail"


def test_the_first_interrupt_drains_and_keeps_everything(loadline, serve):
    server = serve("good", first=0.3)
    process, file, summary = loadline.measuring(server.url, "--max-concurrency", "2", "--duration", "60s")
    wait_until(lambda: len(server.generations) >= 6)
    process.send_signal(signal.SIGINT)
    result = check_alive(loadline.finish(process, file, summary))
    assert result.status == EXIT_INTERRUPTED, result
    assert set(result.outcomes) == {"ok"}, "what was in flight was not waited for"
    assert result.rows("SELECT finished, interrupted FROM run")[0][:] == (1, 1)
    assert result.summary["verdict"]["status"] == "invalid"


def test_the_second_interrupt_gives_up_what_is_in_flight(loadline, serve):
    server = serve("stall", load_only=True, spare=4)
    process, file, summary = loadline.measuring(server.url, "--timeout", "60s")
    wait_until(lambda: server.faulted >= 2)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert process.poll() is None, "it did not wait for what was in flight"
    process.send_signal(signal.SIGINT)
    result = check_alive(loadline.finish(process, file, summary))
    assert result.status == EXIT_INTERRUPTED, result
    assert result.outcomes["cancelled"] == 2
    assert result.rows("PRAGMA integrity_check")[0][0] == "ok"
