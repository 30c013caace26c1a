"""Adds up JUnit files: names what failed, then says "N passed, N failed".

A file that is missing or unreadable is a failure: its tests did not get to the end. No tests at all is one too.
"""

import sys
import xml.etree.ElementTree as ElementTree

BAD = ("failure", "error")


def count(path):
    """Returns (passed, names of the failed) of one file."""
    try:
        cases = list(ElementTree.parse(path).getroot().iter("testcase"))
    except (OSError, ElementTree.ParseError) as trouble:
        return 0, [f"{path}: {trouble}"]
    if not cases:
        return 0, [f"{path}: no tests"]
    failed = [case for case in cases if any(case.find(tag) is not None for tag in BAD)]
    skipped = [case for case in cases if case.find("skipped") is not None]
    names = [f"{path}: {case.get('classname') or ''} {case.get('name')}" for case in failed]
    return len(cases) - len(failed) - len(skipped), names


def main(paths):
    results = [count(path) for path in paths]
    passed = sum(good for good, _ in results)
    failed = [name for _, names in results for name in names]
    for name in failed:
        print("FAILED", name)
    print(f"{passed} passed, {len(failed)} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
