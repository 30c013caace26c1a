"""Runs the program as a user would, in an empty folder of its own with a clean environment.

LOADLINE names the program; build/loadline of this checkout without it.
"""

import collections
import fcntl
import json
import os
import pathlib
import pty
import signal
import sqlite3
import struct
import subprocess
import tempfile
import termios
import time

import pytest

from faultserver import MODEL, FaultServer

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("LOADLINE", str(ROOT / "build" / "loadline"))
SANITIZER_STATUS = 99  # what ./dev tells the sanitizers to exit with

EXIT_DONE, EXIT_USAGE, EXIT_NOT_MADE, EXIT_INVALID, EXIT_NOT_MET, EXIT_INTERRUPTED = 0, 1, 2, 3, 4, 130
MEASURED = (EXIT_DONE, EXIT_INVALID)  # the run was made; how far its figures hold depends on the host


def on_terminal(command, columns, env, folder):
    """What a command shows on a terminal of so many columns, both streams."""
    try:
        leader, follower = pty.openpty()
    except OSError as trouble:
        pytest.skip(f"no terminal can be had here: {trouble}")
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    process = subprocess.Popen(command, stdout=follower, stderr=follower, stdin=subprocess.DEVNULL, cwd=folder,
                               env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TERM": "xterm", **env})
    os.close(follower)
    text = b""
    while True:
        try:
            more = os.read(leader, 4096)
        except OSError:  # the end of a terminal whose last writer has gone
            break
        if not more:
            break
        text += more
    os.close(leader)
    process.wait(timeout=60)
    return text.decode("utf-8")


def rows_of_file(file, query, *values):
    """What a run file answers, without writing to it."""
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as database:
        database.row_factory = sqlite3.Row
        rows = database.execute(query, values).fetchall()
    database.close()
    return rows


class Result:
    """What one invocation left behind."""

    def __init__(self, command, status, out, err, folder, file, json_file):
        self.command, self.status, self.out, self.err = command, status, out, err
        self.folder, self.file, self.json_file = folder, file, json_file

    def __repr__(self):
        shown = " ".join(map(str, self.command))
        return f"\n$ {shown}\nexit {self.status}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"

    @property
    def said(self):
        """Both streams on one line, so that a sentence can be looked for where lines were wrapped."""
        return " ".join((self.out + " " + self.err).split())

    @property
    def summary(self):
        with open(self.json_file, encoding="utf-8") as file:
            return json.load(file)

    def check(self, identity):
        """One check of the verdict, by its id."""
        found = [check for check in self.summary["verdict"]["checks"] if check["id"] == identity]
        assert found, f"no check '{identity}' among {[c['id'] for c in self.summary['verdict']['checks']]}"
        return found[0]

    def rows(self, query, *values):
        return rows_of_file(self.file, query, *values)

    @property
    def requests(self):
        """The measured requests of the file, in order."""
        return self.rows("SELECT * FROM request WHERE phase = 1 ORDER BY idx")

    @property
    def outcomes(self):
        return dict(collections.Counter(row["outcome"] for row in self.requests))

    @property
    def findings(self):
        return " ".join(f"{row['id']} {row['text']}" for row in self.rows("SELECT * FROM finding"))


def clean_environment(folder, extra):
    kept = {name: value for name, value in os.environ.items() if name.endswith("_OPTIONS") and "SAN" in name}
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8", **kept, **(extra or {})}


def check_alive(result):
    """No crash and no sanitizer's report, whatever the test is about."""
    assert result.status != SANITIZER_STATUS and "Sanitizer" not in result.err, result
    assert result.status >= 0, f"killed by {signal.Signals(-result.status).name}: {result}"
    return result


class Program:
    """Invocations in one folder."""

    def __init__(self, folder):
        self.folder = folder
        self.count = 0

    def command(self, *arguments):
        return [PROGRAM, *map(str, arguments)]

    def start(self, *arguments, env=None, **how):
        """A Popen, for tests that send signals or look at it while it runs."""
        return subprocess.Popen(self.command(*arguments), cwd=self.folder, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env=clean_environment(self.folder, env), **how)

    def finish(self, process, file=None, json_file=None, timeout=60):
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            pytest.fail(f"still running after {timeout} s: {process.args}\n{out}\n{err}")
        return Result(process.args, process.returncode, out, err, self.folder, file, json_file)

    def __call__(self, *arguments, timeout=60, **how):
        """Runs it to its end."""
        return check_alive(self.finish(self.start(*arguments, **how), timeout=timeout))

    def measuring(self, target, *options, n=12, **how):
        """Starts `run` with options that make it short, a file and a summary; returns (process, file, summary)."""
        self.count += 1
        given = dict(zip(map(str, options), map(str, options[1:])))
        defaults = {"--num-prompts": n, "--max-concurrency": 2, "--warmup-requests": 0, "--timeout": "10s",
                    "--model": MODEL, "--dataset-name": "random", "--random-input-len": 12,
                    "--random-output-len": 8, "-o": self.folder / f"run-{self.count}.loadline",
                    "--json": self.folder / f"run-{self.count}.json"}
        if "--request-rate" in given or "--ramp-up-strategy" in given:
            del defaults["--max-concurrency"]
        if "--duration" in given:
            del defaults["--num-prompts"]
        if "--dataset-path" in given:
            del defaults["--random-input-len"], defaults["--random-output-len"]
        if target.startswith("sim:"):
            del defaults["--model"]
        arguments = [part for name, value in defaults.items() if name not in given for part in (name, value)]
        process = self.start("run", target, *arguments, *options, **how)
        file, summary = (pathlib.Path(given.get(name, defaults[name])) for name in ("-o", "--json"))
        return process, file, summary

    def run(self, target, *options, n=12, timeout=60, **how):
        process, file, summary = self.measuring(target, *options, n=n, **how)
        return check_alive(self.finish(process, file, summary, timeout))


@pytest.fixture
def folder():
    with tempfile.TemporaryDirectory(prefix="loadline-test-") as name:
        yield pathlib.Path(name)


@pytest.fixture
def loadline(folder):
    return Program(folder)


@pytest.fixture
def serve():
    """serve(FAULT, …) starts a fault server that lives as long as the test."""
    servers = []

    def start(name="good", **options):
        servers.append(FaultServer(name, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def make_certificate(folder, name, subject, signer=None, usage="subjectAltName"):
    """Writes NAME.pem and NAME.key, signed by signer (cert, key) or by itself."""
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
               "-keyout", key, "-out", cert, "-days", "2", "-subj", f"/CN={name}"]
    if subject:
        command += ["-addext", f"{usage}={subject}", "-addext", "basicConstraints=critical,CA:FALSE"]
    if signer:
        command += ["-CA", signer[0], "-CAkey", signer[1]]
    subprocess.run(command, check=True, capture_output=True)
    return cert, key


@pytest.fixture(scope="session")
def certificates():
    """An authority, a certificate of it for this host, one for another, and one signed by nobody."""
    with tempfile.TemporaryDirectory(prefix="loadline-test-") as name:
        folder = pathlib.Path(name)
        authority = make_certificate(folder, "authority", None)
        yield {
            "authority": authority[0],
            "good": make_certificate(folder, "here", "DNS:localhost,IP:127.0.0.1", authority),
            "elsewhere": make_certificate(folder, "elsewhere", "DNS:example.org", authority),
            "self-signed": make_certificate(folder, "lonely", "DNS:localhost,IP:127.0.0.1"),
        }


def wait_until(true, seconds=10):
    """Polls; the bound is for a machine that is busy, not for the program."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
