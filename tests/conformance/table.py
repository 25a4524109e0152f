# SPDX-License-Identifier: MIT
"""docs/conformance.md: what the conformance suite said of each backend. Never typed.

  table.py BUILD               runs the suite of that build on every backend and writes the page
  table.py --check SUITE PAGE  fails when the page has other capabilities or cases than the suite

`./dev conformance-table` is the first one."""
import collections
import json
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BACKENDS = ("xapian", "sqlite", "tantivy", "opensearch", "null")

HEAD = """# What each backend passes

Written by `./dev conformance-table`, which runs the conformance suite (`tests/conformance`) on every backend;
the tests fail when the suite has other cases than this page. `weir plugin check` prints the same for one
plug-in, also for one of yours ([plugins.md](plugins.md)).

Each cell says how many cases passed, of how many that the backend offers; – is a capability that its manifest
does not promise. The results of a search are fixed by sets ([backend-abi.md](backend-abi.md)), so they are the
same on every backend that passes.

"""


def cases_of(suite):
    listing = subprocess.run([suite, "--list"], check=True, capture_output=True, text=True).stdout
    areas = collections.Counter(line.rsplit(": ", 1)[0] for line in listing.splitlines())
    return dict(areas)  # in the order of the suite


def cell(area):
    offered = area["passed"] + area["failed"]
    if offered == 0:
        return "–" if area["skipped"] == 0 else "skipped"
    text = f"{area['passed']}" if area["failed"] == 0 else f"**{area['passed']} of {offered}**"
    left = [f"{area[key]} {word}" for key, word in (("notOffered", "not offered"), ("skipped", "skipped"))
            if area[key]]
    return f"{text} ({', '.join(left)})" if left else text


def row(cells):
    return "| " + " | ".join(cells) + " |\n"


def page(suite, runs):
    areas = cases_of(suite)
    lines = [row(["capability", "cases"] + [run["plugin"] for run in runs]),
             row(["---", "---:"] + ["---:"] * len(runs))]
    for name, count in areas.items():
        found = [next(area for area in run["areas"] if area["area"] == name) for run in runs]
        lines.append(row([name, str(count)] + [cell(area) for area in found]))
    lines.append(row(["all", str(sum(areas.values()))] + [cell(run) for run in runs]))
    notes = [f"- {run['plugin']} {run['version']} (ABI {run['abi']}), seed {run['seed']}" for run in runs]
    reasons = [f"- {run['plugin']}: {case['area']}: {case['case']}: {case['result']}: {case['reason']}"
               for run in runs for case in run["cases"] if case["result"] in ("failed", "skipped")]
    text = HEAD + "".join(lines) + "\n## The runs\n\n" + "\n".join(notes) + "\n"
    if reasons:
        text += "\n## Failed and skipped\n\n" + "\n".join(reasons) + "\n"
    return text


def check(suite, path):
    with open(path, encoding="utf-8") as file:
        rows = re.findall(r"^\| ([^|]+) \| (\d+) \|", file.read(), re.MULTILINE)
    areas = cases_of(suite)
    expected = [(name, str(count)) for name, count in areas.items()]
    expected.append(("all", str(sum(areas.values()))))
    if rows != expected:
        sys.exit(f"{path} is of another suite: ./dev conformance-table; differences: "
                 f"{sorted(set(rows) ^ set(expected))}")


def run(build, name, *parameters):
    suite = build / "tests" / "conformance" / "weir-conformance"
    plugin = build / "plugins" / name / f"weir_{name}.so"
    if not plugin.exists():
        sys.exit(f"{plugin} was not built, and the page has all backends: see the README for what builds it")
    print(f"{name} ...", file=sys.stderr)
    done = subprocess.run([suite, "--json", *parameters, plugin], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode not in (0, 1):
        sys.exit(f"the suite could not be run on {name}")
    return json.loads(done.stdout)


def run_on_node(build):
    sys.path.insert(0, str(ROOT / "tests" / "e2e"))
    import processes  # pylint: disable=import-outside-toplevel
    missing = processes.opensearch_missing()
    if missing:
        sys.exit(f"the page has all backends, and there is no OpenSearch node: {missing}")
    with tempfile.TemporaryDirectory() as folder:
        node = processes.OpenSearch(pathlib.Path(folder) / "opensearch").start()
        try:
            return run(build, "opensearch", "--param", f"url={node.url}")
        finally:
            node.kill()


def main():
    if sys.argv[1] == "--check":
        check(*sys.argv[2:])
        return
    build = pathlib.Path(sys.argv[1]).resolve()
    runs = [run_on_node(build) if name == "opensearch" else run(build, name) for name in BACKENDS]
    text = page(build / "tests" / "conformance" / "weir-conformance", runs)
    (ROOT / "docs" / "conformance.md").write_text(text, encoding="utf-8")


main()
