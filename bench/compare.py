# SPDX-License-Identifier: MIT
"""./dev bench compare OLD NEW: for each figure that two result files share, NEW divided by OLD. Two files of one
machine in about one state can be compared, others cannot: each run's machine is printed first."""
import argparse
import pathlib
import sys

from results import Results

FIGURES = ("events_per_second", "cpu_us_per_event", "cpu_us_per_event_settled", "pss_mib", "rss_mib",
           "write_bytes_per_event", "disk_bytes_per_event", "p50_ms", "p99_ms", "max_ms", "queries_per_second",
           "creates_per_second", "cpu_ratio", "seconds_ratio", "fdatasyncs_per_second")


def by_case(results):
    return {(line["suite"], line["contender"], line["case"], line["events"]): line["figures"]
            for line in results.lines if "figures" in line}


def main():
    parser = argparse.ArgumentParser(prog="./dev bench compare", description=__doc__)
    parser.add_argument("old", type=pathlib.Path)
    parser.add_argument("new", type=pathlib.Path)
    parser.add_argument("--all", action="store_true", help="every figure, not only the chief ones")
    options = parser.parse_args()
    for path in (options.old, options.new):
        if not path.is_file():
            sys.exit(f"bench compare: there is no file {path}: give two results.jsonl")
    old, new = Results(options.old), Results(options.new)
    for name, results in (("old", old), ("new", new)):
        for run in results.runs():
            print(f"{name}: {run['run']}, weir {run['versions']['weir']}, {run['machine']}, load average before "
                  f"{run['load_average_before'][0]:.2f}")
    before, after = by_case(old), by_case(new)
    print(f"{'suite':10} {'contender':15} {'case':36} {'figure':27} {'old':>11} {'new':>11} {'new/old':>8}")
    for key in (key for key in after if key in before):
        for figure in (name for name in after[key] if name in before[key] and (options.all or name in FIGURES)):
            a, b = before[key][figure], after[key][figure]
            case = f"{key[2]} ({key[3]:,})" if key[3] else key[2]
            ratio = f"{b / a:.3f}" if a else "-"
            print(f"{key[0]:10} {key[1]:15} {case:36} {figure:27} {a:11,.5g} {b:11,.5g} {ratio:>8}")
    for name, keys in (("old", before.keys() - after.keys()), ("new", after.keys() - before.keys())):
        if keys:
            print(f"only in {name}: {len(keys)} cases")


main()
