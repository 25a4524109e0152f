# SPDX-License-Identifier: MIT
"""./dev bench [SUITE...]: measures Weir and its peers over a real Kafka; bench/README.md says what each suite does.

Lines of JSON go to results.jsonl, tables to RESULTS.md, plots to plots/, all in --out. A suite that fails leaves what
the others measured. Runs with other sizes than the published ones are put into build-bench/try."""
import argparse
import os
import pathlib
import shutil
import sys
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "e2e"))
import processes  # noqa: E402
import report  # noqa: E402
from lab import Lab, machine, say  # noqa: E402
from load import CACHE, Load, default_source  # noqa: E402
from results import Results  # noqa: E402
from suites import SUITES, first_line  # noqa: E402

EVENTS, GROWTH = 200000, 1000000


def arguments():
    sentences = {name: each.__doc__.split(".")[0].replace("\n    ", " ") for name, each in SUITES.items()}
    parser = argparse.ArgumentParser(
        prog="./dev bench", formatter_class=argparse.RawDescriptionHelpFormatter, description=__doc__,
        epilog="suites:\n" + "".join(f"  {name:10} {sentence}\n" for name, sentence in sentences.items()) +
        "  all        every one of them (the default)\n\n"
        "./dev bench compare OLD NEW prints the ratios of two result files")
    parser.add_argument("suites", nargs="*", default=["all"], metavar="SUITE")
    parser.add_argument("--events", type=int, default=EVENTS, help="events of the load (%(default)s)")
    parser.add_argument("--growth", type=int, help=f"events of the large index ({GROWTH}, five times --events)")
    parser.add_argument("--engines", default="xapian,tantivy", help="by comma (%(default)s)")
    parser.add_argument("--repeat", type=int, default=3, help="runs of what is repeated (%(default)s)")
    parser.add_argument("--seconds", type=int, default=1, help="of each run of a kind of search (%(default)s)")
    parser.add_argument("--rates", default="500,2000", help="events/s of the freshness runs, by comma (%(default)s)")
    parser.add_argument("--fresh-seconds", type=int, default=30, help="of each freshness run (%(default)s)")
    parser.add_argument("--profile", action="store_true", help="growth: also where the CPU went, by perf")
    parser.add_argument("--source", type=pathlib.Path, default=default_source(), help="NDJSON of events, gzipped")
    parser.add_argument("--out", type=pathlib.Path, help="folder of the results")
    options = parser.parse_args()
    options.growth = options.growth or 5 * options.events
    options.engines = options.engines.split(",")
    options.rates = [int(rate) for rate in options.rates.split(",")]
    unknown = [name for name in options.suites if name not in (*SUITES, "all")]
    if unknown:
        parser.error(f"there is no suite {unknown[0]}: there are {', '.join(SUITES)}, all")
    options.suites = [name for name in SUITES if name in options.suites or "all" in options.suites]
    published = (options.events, options.growth) == (EVENTS, GROWTH)
    options.out = options.out or (processes.ROOT / "bench" if published else CACHE / "try")
    return options


def main():
    options = arguments()
    missing = processes.kafka_missing() or ("wrk is not installed" if not shutil.which("wrk") else None)
    if missing:
        sys.exit(f"bench: {missing}")
    results, failed = Results(options.out / "results.jsonl"), []
    asked = {name: value for name, value in vars(options).items() if name not in ("source", "out")}
    results.begin_run({**machine(), "load_average_before": list(os.getloadavg()), "source": options.source.name,
                       "options": asked})
    lab = Lab(options, Load(options.source))
    try:
        for name in options.suites:
            began = time.monotonic()
            results.begin_suite(name)
            try:
                SUITES[name](lab, results)
            except Exception as error:  # what the others measured is kept, whatever this one met
                traceback.print_exc()
                failed.append(name)
                results.fail(first_line(error))
                lab.abandon()
            say(f"{name} took {time.monotonic() - began:.0f} s")
    finally:
        lab.close()
        results.write()
    report.write(results, options.out)
    say(f"written to {options.out}/RESULTS.md")
    if failed:
        sys.exit(f"bench: failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
