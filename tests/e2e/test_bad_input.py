"""Bad input: the exit code, and a sentence that says what is wrong, where, and what to try."""

import os
import re
import socket
import subprocess
import threading

import pytest

from conftest import EXIT_INVALID, EXIT_NOT_MADE, EXIT_USAGE, MEASURED


def assert_says(result, status, *patterns):
    """Every pattern is found on standard error (case is free), in few lines, with nothing of a crash about it."""
    assert result.status == status, result
    text = " ".join(result.err.split())
    for pattern in patterns:
        assert re.search(pattern, text, re.IGNORECASE), f"nothing like '{pattern}' in: {result}"
    assert len(result.err.splitlines()) <= 12, result
    assert not re.search(r"assert|BUG|errno \d", result.err), result


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


# --- servers that cannot be used ---------------------------------------------------------------------------------


def test_a_refused_port(loadline):
    port = free_port()
    assert_says(loadline.run(f"http://127.0.0.1:{port}"), EXIT_NOT_MADE, f"127.0.0.1:{port}", "refused")


def test_an_unknown_host(loadline):
    assert_says(loadline.run("http://nowhere.invalid:8000"), EXIT_NOT_MADE, r"nowhere\.invalid")


def test_a_missing_unix_socket(loadline, folder):
    assert_says(loadline.run(f"unix:{folder}/none.sock"), EXIT_NOT_MADE, r"none\.sock")


def test_https_spoken_to_a_plain_server(loadline, serve):
    server = serve()
    result = loadline.run(server.url.replace("http:", "https:"))
    assert_says(result, EXIT_NOT_MADE, "TLS", "http://")


def test_http_spoken_to_a_tls_server(loadline, serve, certificates):
    server = serve(tls=certificates["good"])
    result = loadline.run(server.url.replace("https:", "http:"), "--timeout", "2s")
    assert_says(result, EXIT_NOT_MADE, "https://|TLS")


def test_a_certificate_for_another_host(loadline, serve, certificates):
    server = serve(tls=certificates["elsewhere"])
    result = loadline.run(server.url, "--cacert", certificates["authority"])
    assert_says(result, EXIT_NOT_MADE, "certificate", r"127\.0\.0\.1|host|name")


def test_a_self_signed_certificate(loadline, serve, certificates):
    server = serve(tls=certificates["self-signed"])
    assert_says(loadline.run(server.url), EXIT_NOT_MADE, "certificate", "--cacert|--insecure")


def test_a_wrong_key_shows_the_servers_message(loadline, serve):
    server = serve(key="right")
    result = loadline.run(server.url, "--api-key", "wrong-and-secret")
    assert_says(result, EXIT_NOT_MADE, "401", "you shall not pass")
    assert "wrong-and-secret" not in result.said


def test_an_unknown_model_shows_the_servers_message(loadline, serve):
    result = loadline.run(serve().url, "--model", "gpt-9")
    assert_says(result, EXIT_NOT_MADE, "404", "`gpt-9` does not exist")


def test_an_unknown_path(loadline, serve):
    assert_says(loadline.run(serve().url, "--endpoint", "/v2/guess"), EXIT_NOT_MADE, "404", "/v2/guess")


def test_a_web_page_instead_of_a_model(loadline, serve):
    result = loadline.run(serve("html", everything=True).url)
    assert_says(result, EXIT_NOT_MADE, "HTML|text/html|not (a stream|JSON)")


def test_a_server_of_another_protocol(loadline, serve):
    result = loadline.run(serve("not-http", everything=True).url)
    assert_says(result, EXIT_NOT_MADE, "HTTP")


def test_a_server_that_never_answers(loadline, serve):
    result = loadline.run(serve("silent", everything=True).url, "--timeout", "500ms", timeout=30)
    assert_says(result, EXIT_NOT_MADE, "timeout|timed out|no answer|in time")


def test_a_server_that_resets_everything(loadline, serve):
    result = loadline.run(serve("reset-before-head", everything=True).url)
    assert_says(result, EXIT_NOT_MADE, "reset|closed")


# --- options -----------------------------------------------------------------------------------------------------

USAGE = [
    (["--request-rat", "5"], ["--request-rat", "--request-rate"]),
    (["--num-promts", "5"], ["--num-promts", "--num-prompts"]),
    (["--duration", "10"], ["--duration", "unit|10s"]),
    (["--timeout", "5"], ["--timeout", "unit|5s"]),
    (["--request-rate", "fast"], ["--request-rate", "fast"]),
    (["--request-rate", "-1"], ["--request-rate", "-1"]),
    (["--request-rate", "0"], ["--request-rate", "0"]),
    (["--max-concurrency", "0"], ["--max-concurrency", "0"]),
    (["--max-concurrency", "2.5"], ["--max-concurrency", r"2\.5"]),
    (["--num-prompts", "0"], ["--num-prompts", "0"]),
    (["--burstiness", "0", "--request-rate", "5"], ["--burstiness", "0"]),
    (["--random-range-ratio", "1"], ["--random-range-ratio", "1"]),
    (["--random-input-len", "-3"], ["--random-input-len", "-3"]),
    (["--dataset-name", "sharegtp"], ["sharegtp", "sharegpt"]),
    (["--backend", "opena"], ["opena", "openai"]),
    (["--on-cap", "wait", "--request-rate", "5"], ["--on-cap", "wait", "queue"]),
    (["--goodput", "ttft:500"], ["goodput", "unit|500ms|column"]),
    (["--goodput", "ttff:500ms"], ["ttff", "ttft"]),
    (["--slo", "p99 ttft < 500"], ["slo", "unit|500ms|column"]),
    (["--slo", "p99 ttft"], ["slo"]),
    (["--extra-body", "{not json"], ["--extra-body", "JSON"]),
    (["--extra-body", "[1]"], ["--extra-body", "object"]),
    (["--header", "no colon"], ["--header", "name: value"]),  # not shown: it may be a key
    (["--context", "gpu"], ["--context", "KEY=VALUE|="]),
    (["--seed", "x"], ["--seed", "x"]),
    (["--threads", "0"], ["--threads", "0"]),
    (["--temperature", "hot"], ["--temperature", "hot"]),
    (["--metric-percentiles", "101"], ["--metric-percentiles", "101"]),
    (["--seed"], ["--seed", "value|argument|missing|needs"]),
]


@pytest.mark.parametrize("options, patterns", USAGE, ids=[" ".join(options) for options, _ in USAGE])
def test_an_option_that_makes_no_sense(loadline, serve, options, patterns):
    server = serve()
    assert_says(loadline.run(server.url, *options), EXIT_USAGE, *patterns)
    assert not server.generations, "load was sent all the same"
    assert not list(loadline.folder.glob("*.loadline")), "a run file was left behind"


IMPOSSIBLE = [
    [],
    ["--request-rate", "5", "--ramp-up-strategy", "linear"],
    ["--ramp-up-start-rps", "1", "--ramp-up-end-rps", "5", "--max-concurrency", "2"],
    ["--max-concurrency", "2", "--on-cap", "drop"],
    ["--max-concurrency", "2", "--burstiness", "2"],
    ["--request-rate", "5", "--dataset-name", "custom"],
    ["--request-rate", "5", "--dataset-name", "sharegpt"],
]


@pytest.mark.parametrize("options", IMPOSSIBLE, ids=lambda options: " ".join(options) or "no load")
def test_options_that_cannot_go_together(loadline, serve, options):
    server = serve()
    result = loadline("run", server.url, "--model", "test-model", *options)
    assert_says(result, EXIT_USAGE, "--[a-z]")
    assert not server.generations


def test_without_a_load_sweep_or_a_rate_is_advised(loadline, serve):
    result = loadline("run", serve().url)
    assert_says(result, EXIT_USAGE, "--request-rate", "--max-concurrency")


@pytest.mark.parametrize("target", ["", "ftp://127.0.0.1/", "http://", "http://127.0.0.1:99999", "localhost:8000",
                                    "sim:nonsense@h100", "sim:llama-3.1-8b@abacus", "unix:"])
def test_a_target_that_cannot_be_one(loadline, target):
    result = loadline("run", target, "--max-concurrency", 1, "--num-prompts", 1)
    assert_says(result, EXIT_USAGE, ".{20,}")


def test_an_unknown_command_names_the_nearest(loadline):
    assert_says(loadline("rnu"), EXIT_USAGE, "rnu", r"\brun\b")


def test_no_target(loadline):
    assert_says(loadline("run"), EXIT_USAGE, "target")


# --- files -------------------------------------------------------------------------------------------------------


def dataset(loadline, serve, folder, text, name="custom", file="data.jsonl"):
    (folder / file).write_bytes(text if isinstance(text, bytes) else text.encode())
    return loadline.run(serve().url, "--dataset-name", name, "--dataset-path", folder / file)


@pytest.mark.parametrize("line", ['{"prompt": ', "hello", '{"text": "x"}', '{"prompt": 5}', "[1, 2]",
                                  '{"prompt": "x", "output_tokens": "many"}'])
def test_a_bad_line_of_a_dataset_is_named(loadline, serve, folder, line):
    result = dataset(loadline, serve, folder, '{"prompt": "a"}\n{"prompt": "b"}\n' + line + "\n")
    assert_says(result, EXIT_USAGE, r"data\.jsonl:3")


def test_a_line_that_is_not_utf8_is_named(loadline, serve, folder):
    result = dataset(loadline, serve, folder, b'{"prompt": "a"}\n{"prompt": "\xff\xfe"}\n')
    assert_says(result, EXIT_USAGE, r"data\.jsonl:2")


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_an_empty_dataset(loadline, serve, folder, text):
    assert_says(dataset(loadline, serve, folder, text), EXIT_USAGE, r"data\.jsonl", "empty|no (prompt|line|item|request)")


@pytest.mark.parametrize("text", ["", "[]", "{}", '[{"conversations": []}]', "not json"])
def test_an_empty_or_broken_sharegpt_file(loadline, serve, folder, text):
    result = dataset(loadline, serve, folder, text, "sharegpt", "chats.json")
    assert_says(result, EXIT_USAGE, r"chats\.json")


def test_a_dataset_that_is_not_there(loadline, serve, folder):
    result = loadline.run(serve().url, "--dataset-name", "custom", "--dataset-path", folder / "none.jsonl")
    assert_says(result, EXIT_USAGE, r"none\.jsonl", "no such file")


def test_a_folder_as_a_dataset(loadline, serve, folder):
    result = loadline.run(serve().url, "--dataset-name", "custom", "--dataset-path", folder)
    assert_says(result, EXIT_USAGE, re.escape(str(folder)))


def test_an_output_folder_that_is_not_there(loadline, serve, folder):
    server = serve()
    result = loadline.run(server.url, "-o", folder / "no" / "run.loadline")
    assert_says(result, EXIT_USAGE, r"no/run\.loadline", "no such file|does not exist|folder|directory")
    assert not server.generations


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_output_folder_that_cannot_be_written(loadline, serve, folder):
    (folder / "sealed").mkdir(mode=0o500)
    result = loadline.run(serve().url, "-o", folder / "sealed" / "run.loadline")
    assert_says(result, EXIT_USAGE, r"sealed/run\.loadline", "permission")


def test_an_output_file_that_is_a_folder(loadline, serve, folder):
    (folder / "taken").mkdir()
    assert_says(loadline.run(serve().url, "-o", folder / "taken"), EXIT_USAGE, "taken")


def test_an_output_file_of_another_program_is_left_alone(loadline, serve, folder):
    (folder / "letter.txt").write_text("Dear Sir or Madam,\n")
    server = serve()
    assert_says(loadline.run(server.url, "-o", folder / "letter.txt"), EXIT_USAGE, r"letter\.txt")
    assert (folder / "letter.txt").read_text() == "Dear Sir or Madam,\n"
    assert not server.generations


def test_a_run_file_is_not_overwritten(loadline, serve, folder):
    server = serve()
    first = loadline.run(server.url, "-o", folder / "mine.loadline")
    assert first.status in MEASURED
    before, asked = (folder / "mine.loadline").read_bytes(), len(server.generations)
    again = loadline.run(server.url, "-o", folder / "mine.loadline")
    assert_says(again, EXIT_USAGE, r"mine\.loadline", "exist")
    assert (folder / "mine.loadline").read_bytes() == before
    assert len(server.generations) == asked


def test_a_summary_that_cannot_be_written_is_refused_before_the_load(loadline, serve, folder):
    server = serve()
    result = loadline.run(server.url, "--json", folder / "no" / "summary.json")
    assert_says(result, EXIT_USAGE, r"no/summary\.json")
    assert not server.generations


def test_a_summary_is_not_written_over_a_run_file(loadline, folder):
    """Neither over that which is read, by whatever name, nor over that which the same call has just written."""
    first = loadline.run("sim:llama-3.1-8b@h100", "--offline", "-o", folder / "mine.loadline", "--json", folder / "mine.loadline")
    assert_says(first, EXIT_USAGE, r"mine\.loadline", "run file")
    before = (folder / "mine.loadline").read_bytes()
    (folder / "other.json").symlink_to("mine.loadline")
    for name in ("mine.loadline", "other.json"):
        assert_says(loadline("report", folder / "mine.loadline", "--json", folder / name), EXIT_USAGE, name, "run file")
        again = loadline.run("sim:llama-3.1-8b@h100", "--offline", "-o", folder / "new.loadline", "--json", folder / name)
        assert_says(again, EXIT_USAGE, name, "run file")
        assert not (folder / "new.loadline").exists()
    assert (folder / "mine.loadline").read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"not a database at all, just text\n" * 100, None])
def test_a_report_of_something_that_is_no_run_file(loadline, folder, content):
    if content is not None:
        (folder / "odd.loadline").write_bytes(content)
    assert_says(loadline("report", folder / "odd.loadline"), EXIT_USAGE, r"odd\.loadline")


def small_disk(folder, size):
    """A command prefix that mounts a file system of `size` on folder/small; None where that is not allowed."""
    (folder / "small").mkdir()
    mount = ["sh", "-c", f'mount -t tmpfs -o size={size} none "$0" && exec "$@"', str(folder / "small")]
    for unshare in (["unshare", "--mount"], ["unshare", "--user", "--map-root-user", "--mount"]):
        if subprocess.run([*unshare, *mount, "true"], capture_output=True, check=False).returncode == 0:
            return unshare + mount
    return None


def test_a_disk_that_fills_up_ends_the_run_with_a_sentence(loadline, serve, folder):
    prefix = small_disk(folder, "300k")
    if not prefix:
        pytest.skip("mounting is not allowed here")
    plain = loadline.command
    loadline.command = lambda *arguments: prefix + plain(*arguments)
    result = loadline.run(serve().url, "-o", folder / "small" / "run.loadline", "--random-output-len", "60",
                          "--max-concurrency", "20", n=3000)
    assert result.status in (EXIT_USAGE, EXIT_NOT_MADE, EXIT_INVALID), result
    assert re.search(r"full|no space|disk", result.said, re.IGNORECASE), result


# --- secrets -----------------------------------------------------------------------------------------------------

SECRET = "sk-do-not-write-this-down"


@pytest.mark.parametrize("how", ["option", "environment", "header"])
def test_a_key_is_written_nowhere(loadline, serve, folder, how):
    server = serve("good", first=0.05)
    options, env = [], {}
    if how == "option":
        options = ["--api-key", SECRET]
    elif how == "environment":
        env = {"OPENAI_API_KEY": SECRET}
    else:
        options = ["--header", f"Authorization: Bearer {SECRET}"]
    process, file, summary = loadline.measuring(server.url, *options, env=env)
    seen = watch_command_line(process, server)
    result = loadline.finish(process, file, summary)
    assert result.status in MEASURED, result
    assert {request.headers.get("authorization") for request in server.generations} == {f"Bearer {SECRET}"}
    assert SECRET not in result.said
    assert SECRET not in summary.read_text()
    for path in folder.rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path
    assert SECRET.encode() not in seen, "the key stands in /proc/PID/cmdline while the load runs"


def watch_command_line(process, server):
    """/proc/PID/cmdline once the load has begun."""
    begun = threading.Event()
    server.on_request = lambda request: begun.set() if request.generation else None
    begun.wait(10)
    with open(f"/proc/{process.pid}/cmdline", "rb") as file:
        return file.read()


def test_a_key_is_not_shown_when_the_run_fails(loadline, serve):
    result = loadline.run(serve("status", code=401).url, "--api-key", SECRET)
    assert result.status == EXIT_NOT_MADE
    assert SECRET not in result.said
