"""Others' programs against the embedded engine: TLS, OpenAI's own client library, Prometheus."""

import json
import re
import shutil
import socket
import sqlite3
import ssl
import subprocess
import urllib.request

import pytest

from conftest import EXIT_USAGE, MEASURED, wait_until
from test_calibrate import Engine

MODEL = "llama-3.1-8b"


# --- TLS ---

def test_the_engine_speaks_tls(loadline, folder, certificates):
    cert, key = certificates["good"]
    engine = Engine(loadline, "--tls", f"{cert},{key}", "--truth", folder / "truth.db")
    assert engine.url.startswith("https://")
    result = loadline.run(engine.url, "--cacert", certificates["authority"], "--model", MODEL, "--max-concurrency", 4)
    engine.stop()
    assert result.status in MEASURED, result
    assert result.outcomes == {"ok": 12}
    assert {row["events"] for row in result.requests} == {8}
    assert result.summary["instrument"]["rx_stamped_fraction"] == 1
    assert any(row["tls_ns"] for row in result.requests)
    with sqlite3.connect(f"file:{folder / 'truth.db'}?mode=ro", uri=True) as truth:
        sent = truth.execute("""SELECT count(*) FROM token JOIN request ON request.id = request_id
                                WHERE name <> ''""").fetchone()[0]
    assert sent == 12 * 8


ASK = ('POST /v1/completions HTTP/1.%d\r\nHost: localhost\r\n%sContent-Length: %d\r\n\r\n%s')
BODY = '{"prompt":"a","max_tokens":%d,"ignore_eos":true,"stream":true}'


def tls_connection(engine, certificates):
    """Reads raise when the other side ends without saying so."""
    context = ssl.create_default_context(cafile=certificates["authority"])
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    port = int(engine.url.rpartition(":")[2])
    plain = socket.create_connection(("127.0.0.1", port), timeout=30)
    return context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False)


def read_all(connection):
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


def test_the_end_of_a_tls_connection_is_announced(loadline, certificates):
    engine = Engine(loadline, "--tls", ",".join(map(str, certificates["good"])))
    for minor, header in ((0, ""), (1, "Connection: close\r\n")):
        with tls_connection(engine, certificates) as asking:
            body = BODY % 3
            asking.sendall((ASK % (minor, header, len(body), body)).encode())
            assert b"data: [DONE]" in read_all(asking)
    with tls_connection(engine, certificates) as broken:
        broken.sendall(b"this is not HTTP\r\n\r\n")
        assert b" 400 " in read_all(broken)
    with tls_connection(engine, certificates) as idle, tls_connection(engine, certificates) as streaming:
        body = BODY % 30000
        streaming.sendall((ASK % (1, "", len(body), body)).encode())
        started = streaming.recv(65536)
        engine.stop()
        assert b"shutting down" in started + read_all(streaming)
        assert read_all(idle) == b""


def test_a_truncated_tls_answer_is_no_orderly_end(loadline, certificates):
    engine = Engine(loadline, "--tls", ",".join(map(str, certificates["good"])), "--fault", "truncate=1")
    with tls_connection(engine, certificates) as asking:
        body = BODY % 5
        asking.sendall((ASK % (1, "X-Request-Id: any\r\n", len(body), body)).encode())
        with pytest.raises(ssl.SSLError, match="(?i)eof"):
            read_all(asking)
    engine.stop()


def test_faults_work_under_tls(loadline, certificates):
    cert, key = certificates["good"]
    engine = Engine(loadline, "--tls", f"{cert},{key}", "--fault", "truncate=0.5", "--fault", "one-byte=0.5")
    result = loadline.run(engine.url, "--cacert", certificates["authority"], "--model", MODEL, n=16)
    engine.stop()
    assert result.outcomes["ok"] + result.outcomes["truncated"] == 16, result


def test_plain_bytes_at_a_tls_port_are_no_harm(loadline, certificates):
    cert, key = certificates["good"]
    engine = Engine(loadline, "--tls", f"{cert},{key}")
    with pytest.raises(OSError):
        urllib.request.urlopen(engine.url.replace("https", "http") + "/health", timeout=10)
    engine.stop()


def test_certificates_that_cannot_be_used_are_refused(loadline, folder, certificates):
    cert, key = certificates["good"]
    other = certificates["self-signed"][1]
    for value in (cert, f"{cert},", f"{cert},{folder}/none", f"{cert},{other}"):
        refused = loadline("sim", "--listen", "127.0.0.1:0", "--tls", value)
        assert refused.status not in MEASURED, refused
    assert loadline("sim", "--tls", "one").status == EXIT_USAGE


# --- the OpenAI library ---

def test_the_openai_library_reads_streams_of_both_kinds(loadline):
    openai = pytest.importorskip("openai")
    engine = Engine(loadline)
    client = openai.OpenAI(base_url=engine.url + "/v1", api_key="none", max_retries=0, timeout=30)
    usage = {"include_usage": True}
    chat = list(client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "Hello"}], max_tokens=7, stream=True,
        stream_options=usage, extra_body={"ignore_eos": True}))
    texts = [c.choices[0].delta.content for c in chat if c.choices and c.choices[0].delta.content]
    assert len(texts) == 7
    assert chat[-1].usage.completion_tokens == 7
    assert [c.choices[0].finish_reason for c in chat if c.choices][-1] == "length"
    plain = list(client.completions.create(model=MODEL, prompt="Hello", max_tokens=5, stream=True,
                                           stream_options=usage, extra_body={"ignore_eos": True}))
    assert sum(bool(c.choices and c.choices[0].text) for c in plain) == 5
    assert plain[-1].usage.total_tokens == plain[-1].usage.prompt_tokens + 5
    whole = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Hello"}], max_tokens=3)
    assert whole.choices[0].message.role == "assistant"
    assert [model.id for model in client.models.list()] == [MODEL]
    with pytest.raises(openai.NotFoundError):
        client.completions.create(model="another", prompt="Hello")
    client.close()
    engine.stop()


# --- Prometheus ---

def after_a_load(loadline):
    engine = Engine(loadline)
    assert loadline.run(engine.url, "--model", MODEL).status in MEASURED
    return engine


def test_promtool_accepts_the_metrics(loadline):
    if not shutil.which("promtool"):
        pytest.skip("promtool is not installed (Debian: prometheus)")
    engine = after_a_load(loadline)
    page = urllib.request.urlopen(engine.url + "/metrics", timeout=10).read()
    engine.stop()
    done = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, check=False)
    # Status 3: accepted, with advice on names. The names are vLLM's own; ours it must like.
    assert done.returncode in (0, 3), done
    advice = done.stderr.decode().splitlines() + done.stdout.decode().splitlines()
    assert [line for line in advice if not re.fullmatch(
        r"vllm:\w+ (metric names should not contain ':'|non-counter metrics should not have \"_total\" suffix)", line)] == []


def test_prometheus_scrapes_the_metrics(loadline, folder):
    if not shutil.which("prometheus"):
        pytest.skip("prometheus is not installed")
    engine = after_a_load(loadline)
    (folder / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s}\nscrape_configs: [{job_name: sim, static_configs: "
        f"[{{targets: ['{engine.url.removeprefix('http://')}']}}]}}]\n")
    log = (folder / "prometheus.log").open("w")
    server = subprocess.Popen(["prometheus", f"--config.file={folder}/prometheus.yml",
                               f"--storage.tsdb.path={folder}/data", "--web.listen-address=127.0.0.1:0"],
                              stdout=log, stderr=log)

    def address():
        listening = [part for part in (folder / "prometheus.log").read_text().split() if part.startswith("address=127")]
        return listening[-1].removeprefix("address=") if listening else None

    def value(query):
        try:
            url = f"http://{address()}/api/v1/query?query={query}"
            found = json.load(urllib.request.urlopen(url, timeout=5))["data"]["result"]
        except OSError:
            return None
        return float(found[0]["value"][1]) if found else None

    try:
        wait_until(lambda: address() and value("vllm:generation_tokens_total"), 30)
        assert value("vllm:generation_tokens_total") >= 12 * 8
        assert value("loadline_sim_burst_lateness_seconds_count") > 0
        assert value("up") == 1
        assert value("histogram_quantile(0.5,vllm:e2e_request_latency_seconds_bucket)") > 0
        assert value("vllm:inter_token_latency_seconds_count") >= 12 * 7
    finally:
        server.terminate()
        server.wait(timeout=20)
        log.close()
    engine.stop()
