"""What is sent: prompts, lengths, optional fields, and what happens when a server refuses one of them."""

import json

import pytest

from conftest import EXIT_DONE, MEASURED
from faultserver import MODEL

CHAT = ("--backend", "openai-chat", "--endpoint", "/v1/chat/completions")


def bodies(server, n=12):
    """The bodies of the load itself: the last n, behind what was asked while setting up."""
    return [request.json for request in server.generations][-n:]


def prompts(server, n=12):
    return [json.dumps(body["prompt"]) for body in bodies(server, n)]


def test_a_body_has_what_the_options_say(loadline, serve):
    server = serve()
    result = loadline.run(server.url, "--temperature", "0.5", "--top-p", "0.9", "--extra-body", '{"top_k": 3}')
    assert result.status in MEASURED, result
    for body in bodies(server):
        assert body["model"] == MODEL
        assert body["stream"] is True
        assert body["max_tokens"] == 8
        assert body["temperature"] == 0.5
        assert body["top_p"] == 0.9
        assert body["top_k"] == 3
        assert body["ignore_eos"] is True
        assert body["stream_options"]["include_usage"] is True


def test_bodies_are_said_to_be_json(loadline, serve):
    server = serve(tokenize=True)
    result = loadline.run(server.url, "--dataset-name", "random")
    assert result.status in MEASURED, result
    posts = [request for request in server.requests if request.method == "POST"]
    assert {request.headers.get("content-type") for request in posts} == {"application/json"}


def test_fields_are_not_blamed_for_a_refusal_that_stays_without_them(loadline, serve):
    server = serve()
    result = loadline.run(server.url, "--header", "Content-Type: text/plain")
    assert result.status != EXIT_DONE
    assert "Unsupported Media Type" in result.said
    assert "left out" not in result.said


def test_temperature_is_zero_unless_told(loadline, serve):
    server = serve()
    loadline.run(server.url)
    assert {body["temperature"] for body in bodies(server)} == {0}


def test_chat_sends_messages(loadline, serve):
    server = serve()
    result = loadline.run(server.url, *CHAT)
    assert result.outcomes == {"ok": 12}
    for request in server.generations[-12:]:
        assert request.path == "/v1/chat/completions"
        assert request.json["messages"][-1]["role"] == "user"


def test_the_model_is_asked_for_when_not_named(loadline, serve):
    server = serve()
    file, summary = loadline.folder / "run.loadline", loadline.folder / "run.json"
    result = loadline("run", server.url, "--num-prompts", 4, "--max-concurrency", 2, "--warmup-requests", 0,
                      "--dataset-name", "random", "--random-input-len", 5, "--random-output-len", 3,
                      "-o", file, "--json", summary)
    assert result.status in MEASURED, result
    assert {body["model"] for body in bodies(server, 4)} == {MODEL}


def test_headers_of_ones_own_are_sent(loadline, serve):
    server = serve()
    loadline.run(server.url, "--header", "X-Tenant: blue")
    assert {request.headers.get("x-tenant") for request in server.generations} == {"blue"}


def test_a_key_is_sent_as_a_bearer_token(loadline, serve):
    server = serve(key="sk-secret")
    assert loadline.run(server.url, "--api-key", "sk-secret").outcomes == {"ok": 12}
    assert loadline.run(server.url, env={"OPENAI_API_KEY": "sk-secret"}).outcomes == {"ok": 12}


# --- lengths and prompts -----------------------------------------------------------------------------------------


def test_ratio_zero_asks_for_exactly_the_lengths_given(loadline, serve):
    server = serve(tokenize=True)
    loadline.run(server.url, "--random-range-ratio", "0", "--random-input-len", "20", "--random-output-len", "9")
    assert {body["max_tokens"] for body in bodies(server)} == {9}
    assert {request.prompt_tokens for request in server.generations[-12:]} <= {19, 20, 21}


def test_a_ratio_spreads_lengths_around_the_mean(loadline, serve):
    server = serve()
    loadline.run(server.url, "--random-range-ratio", "0.5", "--random-output-len", "20", n=40)
    asked = [body["max_tokens"] for body in bodies(server, 40)]
    assert min(asked) >= 10 and max(asked) <= 30
    assert len(set(asked)) > 5
    assert 15 < sum(asked) / len(asked) < 25


def test_where_the_server_tokenises_prompts_are_token_ids(loadline, serve):
    server = serve(tokenize=True)
    result = loadline.run(server.url, "--random-input-len", "50")
    assert result.outcomes == {"ok": 12}
    for body in bodies(server):
        assert isinstance(body["prompt"], list) and all(isinstance(token, int) for token in body["prompt"])
        assert body["prompt"].count(1) <= 1  # the server's beginning-of-text token, never two
        assert abs(len(body["prompt"]) - 50) <= 1
    assert {abs(row["prompt_tokens"] - 50) <= 1 for row in result.requests} == {True}


def test_a_prompt_of_hundreds_of_kilobytes_arrives_whole(loadline, serve):
    server = serve()
    result = loadline.run(server.url, "--random-input-len", "60000", n=3)
    assert result.outcomes == {"ok": 3}
    assert min(len(request.body) for request in server.generations[-3:]) > 200_000
    assert min(request.prompt_tokens for request in server.generations[-3:]) > 30_000


def test_the_same_seed_asks_the_same_and_another_seed_does_not(loadline, serve):
    def asked(*options):
        server = serve()
        loadline.run(server.url, "--cache-bust", "off", *options)
        return sorted(prompts(server))

    first = asked("--seed", "7")
    assert asked("--seed", "7", "--max-concurrency", "5") == first
    assert asked("--seed", "7", "--threads", "2") == first
    assert not set(asked("--seed", "8")) & set(first)


def test_arrivals_follow_the_seed_alone(loadline, serve):
    def arrivals(*options):
        result = loadline.run(serve().url, "--request-rate", "100", *options, n=20)
        times = [row["intended_ns"] for row in result.requests]
        return [b - a for a, b in zip(times, times[1:])]

    first = arrivals("--seed", "7")
    assert arrivals("--seed", "7", "--threads", "2") == first
    assert arrivals("--seed", "8") != first


def test_a_second_run_does_not_meet_the_first_ones_cache(loadline, serve):
    server = serve()
    loadline.run(server.url)
    first = prompts(server)
    loadline.run(server.url)
    assert not set(prompts(server)) & set(first)


def test_prompts_within_a_run_differ(loadline, serve):
    server = serve()
    loadline.run(server.url)
    assert len(set(prompts(server))) == 12


def test_warmup_requests_come_before_and_are_other_prompts(loadline, serve):
    server = serve()
    result = loadline.run(server.url, "--warmup-requests", "5")
    assert result.rows("SELECT count(*) FROM request WHERE phase = 0")[0][0] == 5
    assert len(result.requests) == 12
    load = [request for request in server.generations if "x-request-id" in request.headers]
    assert len(load) == 17
    assert max(request.at for request in load[:5]) < min(request.at for request in load[5:])
    asked = [json.dumps(request.json["prompt"]) for request in load]
    assert not set(asked[:5]) & set(asked[5:])


def test_a_dataset_of_ones_own_is_sent_as_it_is(loadline, serve, folder):
    (folder / "mine.jsonl").write_text('{"prompt": "alpha beta", "output_tokens": 4}\n'
                                       '{"prompt": "größe 重さ", "output_tokens": 6}\n', encoding="utf-8")
    server = serve()
    result = loadline.run(server.url, "--dataset-name", "custom", "--dataset-path", folder / "mine.jsonl",
                          "--cache-bust", "off", n=4)
    assert result.outcomes == {"ok": 4}
    assert sorted(body["prompt"] for body in bodies(server, 4)) == ["alpha beta"] * 2 + ["größe 重さ"] * 2
    assert sorted(body["max_tokens"] for body in bodies(server, 4)) == [4, 4, 6, 6]


# --- refused fields ----------------------------------------------------------------------------------------------

STYLES = ["vllm", "vllm-old", "pydantic", "openai", "openai-old"]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("field", ["ignore_eos", "min_tokens", "stream_options", "continuous_usage_stats"])
def test_a_refused_field_is_left_out_and_said(loadline, serve, style, field):
    server = serve(refuse=[field], style=style)
    result = loadline.run(server.url)
    assert result.status in MEASURED, result
    assert result.outcomes == {"ok": 12}, result
    assert server.refused >= 1
    sent = json.dumps(bodies(server))
    assert f'"{field}"' not in sent
    assert field in result.said, "the reader was not told"
    assert field in result.findings


def test_several_refused_fields_are_all_left_out(loadline, serve):
    server = serve(refuse=["ignore_eos", "min_tokens", "stream_options"], style="vllm")
    result = loadline.run(server.url)
    assert result.outcomes == {"ok": 12}, result
    assert all(name in result.said for name in ("ignore_eos", "min_tokens", "stream_options"))


def test_chat_falls_back_to_max_completion_tokens(loadline, serve):
    server = serve(refuse=["max_tokens"], style="openai-unsupported")
    result = loadline.run(server.url, *CHAT)
    assert result.outcomes == {"ok": 12}, result
    assert {body.get("max_completion_tokens") for body in bodies(server)} == {8}


def test_a_field_the_user_asked_for_is_not_dropped_in_silence(loadline, serve):
    server = serve(refuse=["top_k"], style="openai")
    result = loadline.run(server.url, "--extra-body", '{"top_k": 3}')
    assert result.status != EXIT_DONE
    assert "top_k" in result.said


@pytest.mark.parametrize("overhead", [0, 10])
def test_short_chat_prompts_have_the_length_asked_for_on_average(loadline, serve, overhead):
    """The template's share must not be guessed from one short text: its words may be unusually long or short."""
    server = serve("templated", overhead=overhead)
    for seed in (1, 2, 3):
        result = loadline.run(server.url, *CHAT, "--dataset-name", "random", "--random-input-len", 32,
                              "--seed", seed, n=60)
        got = result.summary["tokens"]["prompt"] / 60
        assert 30.5 < got < 33.5, (seed, got)
