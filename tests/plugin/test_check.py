# SPDX-License-Identifier: MIT
"""`weir plugin check` finds out an engine that is wrong in one way: wrong.c puts one fault before a good
engine, and the capability that it is about must fail, the engine without a fault must pass. And its
exit statuses, messages, seed, and that it leaves nothing behind.
Arguments: weir, weir_wrong.so, the good engine, weir_null.so, weir-conformance, libdir, libexecdir."""
import concurrent.futures
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

WEIR, WRONG, ENGINE, NULL, SUITE = map(os.path.abspath, sys.argv[1:6])
LIBDIR, LIBEXECDIR = sys.argv[6:]

# The fault, and the capability that has to fail.
FLAWS = {
    "begins anew": "lifecycle",
    "takes any schema": "lifecycle",
    "cuts states at a NUL": "fetch and apply",
    "does not abandon": "commit and abandon",
    "commits when it is closed": "commit and abandon",
    "loses positions": "positions",
    "expires too much": "expire, maintain, stats",
    "accepts everything": "verdicts",
    "rejects the batch": "poison isolation",
    "commits twice": "positions with documents",
    "forgets every third commit": "durability",
    "refreshes by itself": "snapshot reads",
    "has one generation": "snapshot reads",
    "reorders the scan": "scan",
    "scans states from the start": "scan of states",
    "never cancels": "cancelling",
    "takes one search at a time": "threads",
    "does not stem": "query TERM",
    "crashes on phrases": "query PHRASE",
    "keeps the order of near words": "query PHRASE",
    "takes beginnings for words": "query PREFIX",
    "trims keywords": "query EXACT",
    "closes open ends": "query RANGE",
    "takes an empty AND for nothing": "query AND, OR, NOT, ALL, BOOST",
    "ignores filters": "query AND, OR, NOT, ALL, BOOST",
    "knows ASCII only": "unicode",
    "cuts at quotes": "query syntax as words",
    "only sorts upwards": "sorting",
    "passes over one more": "paging",
    "counts the page only": "paging",
    "takes phrases for words": "random documents and queries",
    "counts hidden values": "facets",
    "counts a sample": "facets",
    "cuts values at a NUL": "facets",
    "cuts long values": "facets",
    "orders ties downwards": "facets",
    "counts without filter": "facets",
    "counts one value more": "facets",
    "counts the newest commit": "facets",
    "counts on and on": "facets",
    "gives up counting at 5,000": "totals",
    "estimates totals": "totals",
    "always gives up counting": "totals",
}


def check(*arguments, folder, **environment):
    done = subprocess.run([WEIR, "plugin", "check", *arguments], capture_output=True, text=True,
                          env={**os.environ, "TMPDIR": folder, **environment}, timeout=300, check=False)
    assert os.listdir(folder) == [], f"left behind: {os.listdir(folder)}"
    return done


def check_wrong(flaw, *arguments, folder):
    return check(WRONG, "--param", f"engine={ENGINE}", "--param", f"flaw={flaw}", *arguments, folder=folder)


def report_of(done):
    return {area["area"]: area for area in json.loads(done.stdout)["areas"]}


def find_flaw(flaw):
    area = FLAWS[flaw]
    with tempfile.TemporaryDirectory() as folder:
        done = check_wrong(flaw, "--json", "--only", f"{area}: ", folder=folder)
    assert done.returncode == 1, f"{flaw}: {done.returncode}: {done.stdout}{done.stderr}"
    assert report_of(done)[area]["failed"] > 0, f"{flaw}: {done.stdout}"


def test_each_flaw_is_found(_):
    # they wait for the disk more than they compute
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        list(pool.map(find_flaw, FLAWS))


def test_no_flaw_passes(folder):
    done = check_wrong("", folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    head, _, columns = done.stdout.split("\n")[:3]
    assert head.startswith("wrong 0.1.0, ABI 1."), head
    assert columns.split() == ["capability", "passed", "failed", "not", "offered", "skipped"], columns
    sharing = next(line for line in done.stdout.split("\n") if line.startswith("sharing"))
    assert sharing.split()[1:] == ["0", "0", "8", "0"], sharing


def test_a_crash_is_a_failed_case(folder):
    done = check_wrong("crashes on phrases", "--only", "query P", folder=folder)
    assert done.returncode == 1
    assert "failed: query PHRASE: phrase: " in done.stdout and "signal 11" in done.stdout, done.stdout
    prefix = next(line for line in done.stdout.split("\n") if line.startswith("query PREFIX"))
    assert prefix.split()[2:4] == ["2", "0"], "the cases behind the crash ran: " + prefix
    done = check(NULL, "--only", "manifest", folder=folder)
    assert done.returncode == 0, done.stderr
    done = check(WRONG, folder=folder, WEIR_WRONG_CRASHES="1")
    assert done.returncode == 1 and "signal 11" in done.stderr, done.stderr


def test_wrong_use(folder):
    for arguments, message in [
            ((WEIR,), "expected a shared object that loads"),
            ((folder + "/weir_none.so",), "No such file or directory"),
            ((WRONG,), "[backend.wrong] engine is needed"),
            ((WRONG, "--param", "engin=x"), "has no key engin; did you mean engine?"),
            ((WRONG, "--param", f"engine={ENGINE}", "--param", "path=/tmp/one"), "{case}"),
            ((WRONG, "--param", "engine"), "KEY=VALUE"),
            ((NULL, "--seed", "x"), "--seed"),
            ((NULL, "--only", "nothing is called so"), "--list"),
            ((NULL, "--pram", "x=y"), "--param"),
            ((), "usage")]:
        done = check(*arguments, folder=folder)
        assert done.returncode == 2, f"{arguments}: {done.returncode}: {done.stderr}"
        assert message in done.stderr, f"{arguments}: expected {message} in {done.stderr}"


def test_something_is_away(folder):
    done = check_wrong("is away", folder=folder)
    assert done.returncode == 3 and "the node does not answer" in done.stderr, done.stderr


def test_the_seed_repeats_a_failure(folder):
    failures = []
    for seed in ("7", "7", "8"):
        done = check_wrong("keeps the order of near words", "--only", "random", "--seed", seed, folder=folder)
        assert done.returncode == 1, done.stdout
        failures.append(done.stdout[done.stdout.index("failed: "):])
    assert "seed 7: PHRASE(" in failures[0], failures[0]
    assert failures[0] == failures[1] and failures[0] != failures[2], failures


def test_case_is_another_word_each_time(folder):
    with tempfile.TemporaryDirectory() as indexes:
        path = os.path.join(indexes, "index-{case}")
        done = check(WRONG, "--param", f"engine={ENGINE}", "--param", f"path={path}", "--only", "query P",
                     folder=folder)
        assert done.returncode == 0, done.stdout + done.stderr
        made = [name for name in os.listdir(indexes) if "{" not in name]
        assert len(made) >= 5, made  # one a case; they are the caller's to remove


def test_an_installed_weir_checks_by_name(folder):
    with tempfile.TemporaryDirectory() as prefix:
        for file, place in ((WEIR, "bin"), (SUITE, f"{LIBEXECDIR}/weir"), (NULL, f"{LIBDIR}/weir")):
            os.makedirs(os.path.join(prefix, place), exist_ok=True)
            shutil.copy(file, os.path.join(prefix, place))
        done = subprocess.run([os.path.join(prefix, "bin", "weir"), "plugin", "check", "null"], cwd="/",
                              env={**os.environ, "TMPDIR": folder}, capture_output=True, text=True, check=False)
        assert done.returncode == 0 and done.stdout.startswith("null "), done.stdout + done.stderr
        os.remove(os.path.join(prefix, LIBEXECDIR, "weir", "weir-conformance"))
        done = subprocess.run([os.path.join(prefix, "bin", "weir"), "plugin", "check", "null"], cwd="/",
                              capture_output=True, text=True, check=False)
        assert done.returncode == 3 and "weir-conformance" in done.stderr, done.stderr


def test_termination_leaves_nothing(folder):
    runs = subprocess.Popen([WEIR, "plugin", "check", ENGINE], stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL, env={**os.environ, "TMPDIR": folder})
    deadline = time.monotonic() + 30
    while not any(os.listdir(os.path.join(folder, name)) for name in os.listdir(folder)):
        assert time.monotonic() < deadline and runs.poll() is None
    runs.send_signal(signal.SIGTERM)
    assert runs.wait(30) != 0
    assert os.listdir(folder) == []


def main():
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            with tempfile.TemporaryDirectory() as folder:
                test(folder)


main()
