# SPDX-License-Identifier: MIT
"""Adds up what the suites of `./dev test` left behind and prints the closing line.

meson leaves one JSON object a test program; a program made with check says how many checks it ran.
pytest leaves JUnit XML. Exit status 1 when anything failed or nothing ran."""
import json
import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree

CHECKS = re.compile(r"Checks: (\d+), Failures: (\d+), Errors: (\d+)")
CASES = re.compile(r"^all +(\d+) +(\d+) +(\d+) +(\d+)$", re.MULTILINE)


def from_meson(path):
    passed = failed = skipped = 0
    for line in path.read_text().splitlines():
        test = json.loads(line)
        stdout = test.get("stdout") or ""
        counts = [tuple(map(int, found)) for found in CHECKS.findall(stdout)]
        for found in CASES.findall(stdout):  # of the conformance suite
            cases_passed, cases_failed, _, cases_skipped = map(int, found)
            counts.append((cases_passed + cases_failed, cases_failed, 0))
            skipped += cases_skipped
        if test["result"] == "SKIP":
            skipped += 1
            print(f"skipped: {test['name']}: {(test.get('stdout') or '').strip()[-300:]}")
        elif test["result"] in ("OK", "EXPECTEDFAIL"):
            passed += sum(ran for ran, _, _ in counts) or 1
        else:
            bad = sum(failures + errors for _, failures, errors in counts) or 1
            failed += bad
            passed += max(0, sum(ran for ran, _, _ in counts) - bad)
            print(f"failed: {test['name']}")
    return passed, failed, skipped


def from_junit(path):
    passed = failed = skipped = 0
    for suite in ElementTree.parse(path).getroot().iter("testsuite"):
        bad = int(suite.get("errors", 0)) + int(suite.get("failures", 0))
        failed += bad
        skipped += int(suite.get("skipped", 0))
        passed += int(suite.get("tests", 0)) - bad - int(suite.get("skipped", 0))
        for skip in suite.iter("skipped"):
            print(f"skipped: {skip.get('message')}")
    return passed, failed, skipped


def main():
    folder = pathlib.Path(sys.argv[1])
    totals = [0, 0, 0]
    for path in sorted(folder.iterdir()):
        counts = from_junit(path) if path.suffix == ".xml" else from_meson(path)
        totals = [total + count for total, count in zip(totals, counts)]
    print("{} passed, {} failed, {} skipped".format(*totals))
    return 1 if totals[1] or not totals[0] else 0


if __name__ == "__main__":
    sys.exit(main())
