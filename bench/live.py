"""Three figures that need the whole program: what a token event costs with 2,000 streams of about 20 tokens a
second, how late the engine's bursts begin when it has a core to itself, and how long it takes from the program's
start to its first word to a server.

    live.py PROGRAM

The engine runs on one core, the client on the other where there are two.
"""

import json
import os
import pathlib
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time

STREAMS, SECONDS, STARTS = 2000, 20, 20
PUNCTUAL_STREAMS, PUNCTUAL_SECONDS = 32, 10
LATE_P50_US, LATE_P99_US = 200, 1000  # targets

# Steps of about 50 ms: 333 sequences in each of six engines.
ENGINE = "qwen3-32b@h200?replicas=6&max_num_seqs=512"


def pinned_to(turn):
    """What the child does first: takes one core of ours, when there is more than one."""
    cores = sorted(os.sched_getaffinity(0))
    return lambda: os.sched_setaffinity(0, {cores[turn % len(cores)]})


def start_engine(program, spec):
    """Returns the engine and its port."""
    reading, writing = os.pipe()
    engine = subprocess.Popen(
        [program, "sim", spec, "--listen", "127.0.0.1:0", "--ready-fd", str(writing)],
        pass_fds=[writing], preexec_fn=pinned_to(0), stderr=subprocess.PIPE, text=True)
    os.close(writing)
    with os.fdopen(reading) as ready:
        return engine, int(ready.readline())


def processor_seconds(process):
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def sustained(program, folder):
    engine, port = start_engine(program, ENGINE)
    summary = pathlib.Path(folder) / "live.json"
    try:
        before, begin = processor_seconds(engine), time.monotonic()
        run = subprocess.run(
            [program, "run", f"http://127.0.0.1:{port}", "--max-concurrency", str(STREAMS),
             "--preconnect", str(STREAMS), "--duration", f"{SECONDS}s", "--warmup-requests", "0",
             "--random-input-len", "32", "--random-output-len", "200", "--random-range-ratio", "0.5",
             "--seed", "1", "--quiet", "-o", str(pathlib.Path(folder) / "live.db"), "--json", str(summary)],
            stdout=subprocess.DEVNULL, preexec_fn=pinned_to(1), check=False)
        engine_busy = (processor_seconds(engine) - before) / (time.monotonic() - begin)
    finally:
        engine.terminate()
        engine.communicate()
    if run.returncode not in (0, 3):  # the figures hold whatever the verdict on so short a run
        sys.exit(f"live.py: the run ended with {run.returncode}")
    s = json.loads(summary.read_text(encoding="utf-8"))
    tokens, instrument = s["throughput"]["output_tokens_per_s"], s["instrument"]
    print(f"{s['concurrency']['mean']:.0f} streams, {tokens:.0f} tokens/s "
          f"({tokens / s['concurrency']['mean']:.1f} each), {s['requests']['failed']} requests failed")
    print(f"client: {instrument['cpu_user_us_per_event']:.2f} us user and "
          f"{instrument['cpu_total_us_per_event']:.2f} us in all per token event, "
          f"{100 * instrument['busy_fraction']:.0f} % busy; engine: {100 * engine_busy:.0f} % of its core")
    print(f"read lag p50 {instrument['read_lag_ms']['p50']:.2f} ms, p99 {instrument['read_lag_ms']['p99']:.2f} ms; "
          f"{100 * instrument['censored_ours_fraction']:.2f} % of events censored by us")


def microseconds(text):
    number, unit = text.split()
    return float(number) * {"ns": 1e-3, "us": 1, "ms": 1e3, "s": 1e6}[unit]


def punctual(program, folder):
    engine, port = start_engine(program, "llama-3.1-8b@h100")
    subprocess.run(
        [program, "run", f"http://127.0.0.1:{port}", "--max-concurrency", str(PUNCTUAL_STREAMS), "--duration",
         f"{PUNCTUAL_SECONDS}s", "--warmup-requests", "0", "--seed", "1", "--quiet",
         "-o", str(pathlib.Path(folder) / "punctual.db")],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=pinned_to(1), check=False)
    engine.terminate()
    said = engine.communicate()[1]
    found = re.search(r"in (\d+) bursts; first send after its due time: p50 (\S+ \w+), p99 (\S+ \w+), max (\S+ \w+)", said)
    if not found:
        sys.exit(f"live.py: the engine said {said!r}")
    bursts, p50, p99, most = found.groups()
    kept = microseconds(p50) <= LATE_P50_US and microseconds(p99) <= LATE_P99_US
    print(f"{PUNCTUAL_STREAMS} streams, {bursts} bursts: first write after its due time p50 {p50}, p99 {p99}, max {most} "
          f"(targets p50 <= {LATE_P50_US} us, p99 <= {LATE_P99_US} us): {'ok' if kept else 'MISSED'}")


def start_ms(program, folder, number):
    """From just before the program is started to its first connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        target = f"http://127.0.0.1:{listener.getsockname()[1]}"
        begin = time.monotonic()
        client = subprocess.Popen(
            [program, "run", target, "--request-rate", "1", "-o", str(pathlib.Path(folder) / f"start{number}.db")],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            connection, _ = listener.accept()
            ms = (time.monotonic() - begin) * 1e3
            connection.close()
        finally:
            client.kill()
            client.wait()
        return ms


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: live.py PROGRAM")
    program = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="loadline-bench-") as folder:
        starts = [start_ms(program, folder, i) for i in range(STARTS)]
        print(f"start to first connection: {statistics.median(starts):.1f} ms (median of {STARTS}; "
              f"least {min(starts):.1f}, most {max(starts):.1f})")
        punctual(program, folder)
        sustained(program, folder)


if __name__ == "__main__":
    main()
