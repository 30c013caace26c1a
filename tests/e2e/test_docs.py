"""What is written about the program is true of it: the man page, help, completion, links, and the examples."""

import re
import shutil
import subprocess
import sys

import pytest

from conftest import MEASURED, ROOT, clean_environment

COMMANDS = ("run", "sweep", "compare", "plan", "sim", "calibrate", "report")  # those with options
TOPICS = ("targets", "models", "load", "result")
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
MAN_PAGE = ROOT / "docs" / "loadline.1"
NOT_OURS = {"--slow", "--list", "--variant", "--rbind", "--make-rslave", "--version", "--port", "--host", "--model-path",
            "--model-id"}  # of ./dev, debootstrap, mount and servers
ENGINES = {"--no-deps", "--no-binary", "--served-model-name", "--dtype", "--enforce-eager", "--max-model-len", "--max-num-seqs",
           "--metrics", "--interrupt", "--device"}  # of pip and the servers of docs/real-engines.md


def options_in_help(text):
    """The long options that begin a row of the help, and the letters in front of them."""
    found = set()
    for letter, name in re.findall(r"^  (-\w, |    )(--[a-z][a-z-]*)", text, re.M):
        found |= {name, letter[:2]} - {"  "}
    return found


def options_in_man_page():
    """{command: options}, from the items of each command's section."""
    found, command = {}, None
    for line in MAN_PAGE.read_text(encoding="utf-8").replace(r"\-", "-").splitlines():
        if line.startswith((".Ss ", ".Sh ")):
            command = line.split()[-1] if line.startswith(".Ss loadline ") else None
        elif command and line.startswith(".It Fl "):
            for word in re.findall(r"(?:Fl|,) (-?[a-z][a-z-]*)", line):
                found.setdefault(command, set()).add("-" + word)
    return found


@pytest.mark.parametrize("command", COMMANDS)
def test_the_man_page_has_every_option_of_a_command_and_no_other(loadline, command):
    told = options_in_help(loadline(command, "--help").out)
    assert "--help" in told and len(told) > 5
    assert options_in_man_page()[command] == told


def test_the_man_page_names_every_command(loadline):
    commands = re.findall(r"^  (\w+)  ", loadline("help").out, re.M)
    assert set(COMMANDS) < set(commands)
    text = MAN_PAGE.read_text(encoding="utf-8")
    assert [name for name in commands if f"\n.Ss loadline {name}\n" not in text] == []


def test_the_man_page_is_clean():
    if not shutil.which("mandoc"):
        pytest.skip("mandoc is not installed")
    done = subprocess.run(["mandoc", "-Tlint", MAN_PAGE], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("", 0)


@pytest.mark.parametrize("arguments", [["help"], *([name, "--help"] for name in (*COMMANDS, "completion", "help")),
                                       *(["help", topic] for topic in TOPICS)], ids=" ".join)
def test_help_fits_eighty_columns(loadline, arguments):
    shown = loadline(*arguments)
    assert shown.status == 0
    assert [line for line in shown.out.splitlines() if len(line) > 80 or line != line.rstrip()] == []


def test_the_engine_page_names_the_models_and_gpus_that_help_lists_and_no_other(loadline):
    models, gpus = loadline("help", "models").out.split("\nGPUs ")
    page = (ROOT / "docs" / "engine.md").read_text(encoding="utf-8")
    listed = re.search(r"^Models: (.*?)^\n", page, re.M | re.S)[1].replace("\n", " ")
    told_models, told_gpus = listed.split("GPUs: ")
    assert re.findall(r"^  (\S+)", models, re.M) == told_models.strip(" .").split(", ")
    measured, estimated = told_gpus.split(".")[0].split("; ")
    estimated = estimated.split(": ")[1].split(", ")
    rows = [line for line in gpus.splitlines()[1:] if line.startswith("  ")]
    assert [row.split()[0] for row in rows if not row.endswith(" *")] == measured.split(", ")
    assert [row.split()[0] for row in rows if row.endswith(" *")] == estimated


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_completion_script_parses_and_offers_every_option(loadline, folder, shell):
    script = folder / "script"
    script.write_text(loadline("completion", shell).out, encoding="utf-8")
    if shutil.which(shell):
        subprocess.run([shell, "-n", script], check=True, stdin=subprocess.DEVNULL)
    offered = set(re.findall(r"--[a-z][a-z-]*", script.read_text(encoding="utf-8")))
    for command in COMMANDS:
        long = {name for name in options_in_help(loadline(command, "--help").out) if name.startswith("--")}
        assert long - offered == set()


def test_bash_completes_options_and_their_values(loadline, folder):
    script = folder / "script"
    script.write_text(loadline("completion", "bash").out, encoding="utf-8")

    def complete(*words):
        line = " ".join(words)
        code = f'source {script}; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _loadline; echo "${{COMPREPLY[@]}}"'
        return subprocess.run(["bash", "-c", code], check=True, capture_output=True, text=True).stdout.split()

    assert complete("loadline", "rep") == ["report"]
    assert complete("loadline", "run", "--request") == ["--request-rate"]
    assert complete("loadline", "run", "--backend", "o") == ["openai", "openai-chat"]


# --- the pages ---

def names(pages):
    return [str(page.relative_to(ROOT)) for page in pages]


def anchors(page):
    """GitHub's anchors of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_every_link_leads_somewhere(page):
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_every_dev_command_named_exists(page):
    shown = subprocess.run([ROOT / "dev", "help"], capture_output=True, text=True, check=True).stdout
    known = set(re.findall(r"^  ([a-z]+) ", shown, re.M))
    assert "test" in known
    assert set(re.findall(r"\./dev ([a-z]+)", page.read_text(encoding="utf-8"))) - known == set()


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_every_option_named_exists(loadline, page):
    known = set().union(*(options_in_help(loadline(command, "--help").out) for command in (*COMMANDS, "sweep"))) | NOT_OURS | ENGINES
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*[a-z]", page.read_text(encoding="utf-8")))
    assert named - known == set()


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_every_path_of_the_tree_named_exists(page):
    named = re.findall(r"`((?:src|docs|tests|bench|fuzz)/[\w./-]*)`", page.read_text(encoding="utf-8"))
    assert [path for path in named if not (ROOT / path).exists()] == []


# --- the examples of docs/run-file.md ---

def blocks(text):
    """The indented blocks of a page."""
    found = re.findall(r"(?:^ {4}.*\n|^\n(?= {4}))+", text, re.M)
    return [re.sub(r"^ {4}", "", block, flags=re.M).strip() for block in found]


def test_the_queries_of_the_run_file_page_run(loadline):
    result = loadline.run("sim:llama-3.1-8b@h100")
    assert result.status in MEASURED, result
    page = (ROOT / "docs" / "run-file.md").read_text(encoding="utf-8")
    queries = [block for block in blocks(page.split("\n## Queries\n")[1]) if block.startswith(("SELECT", "WITH"))]
    assert len(queries) >= 8
    assert [query for query in queries if not result.rows(query)] == []


def test_the_run_file_page_names_every_column_of_every_table(loadline):
    result = loadline.run("sim:llama-3.1-8b@h100", n=2)
    page = (ROOT / "docs" / "run-file.md").read_text(encoding="utf-8")
    missing = []
    for table in result.rows("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')"):
        section = re.search(rf"^### {table['name']}\b(.*?)(?=^##)", page, re.M | re.S)
        words = set(re.findall(r"\w+", section[1])) if section else set()
        missing += [f"{table['name']}.{row['name']}" for row in result.rows(f"PRAGMA table_info({table['name']})")
                    if row["name"] not in words]
    assert missing == []


def test_the_metrics_page_names_every_check_and_latency(loadline):
    summary = loadline.run("sim:llama-3.1-8b@h100", n=2).summary
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    wanted = {check["id"] for check in summary["verdict"]["checks"]}
    wanted |= {name.removesuffix("_ms") for name in summary["latency"]}
    assert [name for name in sorted(wanted) if f"`{name}`" not in page] == []


def test_the_program_on_the_run_file_page_prints_every_token(loadline):
    result = loadline.run("sim:llama-3.1-8b@h100", "-o", loadline.folder / "my.loadline")
    assert result.status in MEASURED, result
    page = (ROOT / "docs" / "run-file.md").read_text(encoding="utf-8")
    program, = [block for block in blocks(page) if block.startswith("import sqlite3")]
    shown = subprocess.run([sys.executable, "-c", program], cwd=loadline.folder, check=True, capture_output=True,
                           text=True, env=clean_environment(loadline.folder, None)).stdout.splitlines()
    with_gaps = [row for row in loadline("report", "my.loadline", "--csv", "gaps").out.splitlines()
                 if row.startswith("10,measure,")]
    assert len(shown) == len(with_gaps) > 1
    assert [line.split()[0] for line in shown] == [row.split(",")[3] for row in with_gaps]
