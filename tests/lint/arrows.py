"""Checks who looks into which room, and that every source is built.

Reads the #include "room/..." lines under src/. A room may include itself, base, and what ARROWS gives it.
Prints one line per offence, FILE:LINE first, and fails if there was any.
"""

import pathlib
import re
import sys

ARROWS = {
    "base": set(),
    "stats": set(),
    "wire": set(),
    "net": {"wire"},
    "workload": set(),
    "api": {"workload", "wire"},
    "record": set(),
    "measure": {"record", "stats"},
    "drive": {"api", "net", "wire", "workload", "record"},  # wire: event streams, metrics pages
    "sim": {"stats"},
    "serve": {"sim", "wire", "net"},
    "twin": {"sim", "workload", "record"},
    "decide": {"measure", "record", "stats"},
    "report": {"decide", "measure", "record", "stats"},
    "telemetry": {"net", "record"},
    "cluster": {"drive", "record"},
    "cli": None,  # everything
}

# These run under virtual time too: they do no I/O and read no clock.
PURE = {"stats", "wire", "api", "sim"}
IMPURE_HEADERS = {
    "base/clock.h", "time.h", "sys/time.h", "unistd.h", "fcntl.h", "poll.h", "sys/epoll.h",
    "sys/socket.h", "netdb.h", "dirent.h", "sys/stat.h", "sys/mman.h",
}

INCLUDE = re.compile(r'\s*#\s*include\s*(["<])([^">]+)[">]')


def includes(path):
    """Yields (line number, header, whether it is in quotes)."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match[2], match[1] == '"'


def complaints_about(path, room):
    """Says what is wrong with the includes of one file."""
    allowed = ARROWS[room]
    for number, header, quoted in includes(path):
        if room in PURE and header in IMPURE_HEADERS:
            yield f"{path}:{number}: {room} does no I/O and reads no clock, so not {header}"
        if not quoted or "/" not in header:
            continue
        other = header.split("/")[0]
        if other not in ARROWS:
            yield f"{path}:{number}: there is no room '{other}'"
        elif allowed is not None and other not in allowed | {room, "base"}:
            yield f"{path}:{number}: {room} must not look into {other}"


def check(src):
    """Yields one complaint per offence below src."""
    program = (src.parent / "meson.build").read_text(encoding="utf-8")
    for folder in sorted(path for path in src.iterdir() if path.is_dir()):
        room = folder.name
        if room not in ARROWS:
            yield f"{folder}: a room that tests/lint/arrows.py does not know"
            continue
        build_file = folder / "meson.build"
        listed = build_file.read_text(encoding="utf-8") if build_file.exists() else ""
        for path in sorted(folder.rglob("*.[ch]")):
            yield from complaints_about(path, room)
            built = f"'{path.name}'" in listed or f"'{path.relative_to(src.parent)}'" in program
            if path.suffix == ".c" and not built:
                yield f"{path}: not built by {build_file}"


def main():
    src = pathlib.Path(__file__).resolve().parents[2] / "src"
    found = list(check(src))
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
