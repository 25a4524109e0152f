# SPDX-License-Identifier: MIT
"""RESULTS.md from the lines of results.jsonl; the table of docs/backends.md; the plots, where matplotlib is there.

report.py FOLDER writes them again from FOLDER/results.jsonl."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "e2e"))
from processes import ROOT  # noqa: E402
from results import Results  # noqa: E402

PEERS = ["plain consumer", "pull-based"]
TITLES = {"plain consumer": "plain consumer + OpenSearch", "pull-based": "OpenSearch's own ingestion"}
# What issue 6 wants: figure -> engine -> no more than (or no less than, where below zero), in order of its values.
WANTED = {
    "cpu": {"xapian": [150], "tantivy": [110]},
    "speed": {"xapian": [-10000], "tantivy": [-15000]},
    "fresh": {"xapian": [60, 250], "tantivy": [60, 250]},
    "updates": {"xapian": [1.5, 1.5], "tantivy": [1.5, 1.5]},
    "small memory": {"xapian": [100], "tantivy": [150]},
    "large memory": {"xapian": [200], "tantivy": [250]},
    "two terms": {"xapian": [0.5, 5], "tantivy": [0.3, 1]},
    "two common words": {"xapian": [3, 10], "tantivy": [0.5, 2]},
    "either of two common words": {"xapian": [3, 10], "tantivy": [0.5, 2]},
    "phrase": {"xapian": [3, 15], "tantivy": [0.5, 3]},
    "facets of a broad word": {"xapian": [5, 20], "tantivy": [3, 10]},
    "written": {"xapian": [15000], "tantivy": [10000]},
}


def number(value):
    """Three digits that count, four from a thousand on."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def title(contender):
    return TITLES.get(contender, contender)


class Page:
    def __init__(self, results):
        self.results = results
        self.engines = self.contenders("ingest", "growth", "freshness", "search")
        self.peers = [peer for peer in PEERS if results.of("peers", contender=peer)]
        self.small = self.size("ingest", "peers", "freshness")
        self.large = self.size("growth") or self.small

    def contenders(self, *suites):
        lines = [line["contender"] for suite in suites for line in self.results.of(suite)]
        return [name for name in dict.fromkeys(lines) if name != "null"]

    def size(self, *suites):
        return next((line["events"] for suite in suites for line in self.results.of(suite) if line["events"]), 0)

    def line(self, contender, case, events=None, suites=("ingest", "growth", "freshness", "search")):
        """The one line of a contender and a case, in the suite where it stands."""
        for suite in ("peers",) if contender in PEERS else suites:
            for line in self.results.of(suite, contender=contender, case=case):
                if events in (None, line["events"]):
                    return line
        return None

    def values(self, contender, case, names, events=None):
        line = self.line(contender, case, events)
        if line is None:
            return None
        return [line["figures"][name] for name in names] if "figures" in line else line["absent"]

    # The table of the issue.

    def cell(self, contender, wanted, values, unit="", more=""):
        if values is None:
            return "–"
        if isinstance(values, str):
            return "not offered"
        limits = WANTED.get(wanted, {}).get(contender)
        missed = limits and any(value > limit if limit > 0 else value < -limit for value, limit in zip(values, limits))
        return f"{' / '.join(number(value) for value in values)}{unit}{more}{' **missed**' if missed else ''}"

    @staticmethod
    def target(engine, wanted, unit=""):
        limits = WANTED[wanted].get(engine)
        if not limits:
            return ""
        sign = "≥" if limits[0] < 0 else "≤"
        return f"{sign} {' / '.join(f'{abs(limit):,}' for limit in limits)}{unit}"

    def goal_row(self, text, wanted, unit, cell_of):
        cells = [text]
        for engine in self.engines:
            cells += [self.target(engine, wanted, unit), cell_of(engine)]
        return cells + [cell_of(peer) for peer in self.peers]

    def load_cell(self, wanted, names, unit, events, beside=None):
        """A figure of the load; of a peer, whose load is the small one, that."""
        def cell(contender):
            size = self.small if contender in self.peers else events
            values = self.values(contender, "load", names, size)
            more = ""
            if beside and values:
                others = self.values(contender, "load", beside[1], size)
                more = f" ({beside[0]} {', '.join(map(number, others))})"
            return self.cell(contender, wanted, values, unit, more)
        return cell

    def case_cell(self, wanted, name, names, unit, events):
        def cell(contender):
            size = self.small if contender in self.peers else events
            return self.cell(contender, wanted, self.values(contender, name, names, size), unit)
        return cell

    def goals(self):
        latency, sizes, rows = ["p50_ms", "p99_ms"], dict.fromkeys((self.small, self.large)), []

        def load(text, wanted, names, unit, events, beside):
            rows.append(self.goal_row(text, wanted, unit, self.load_cell(wanted, names, unit, events, beside)))

        def case(text, wanted, name, names, unit, events):
            rows.append(self.goal_row(text, wanted, unit, self.case_cell(wanted, name, names, unit, events)))
        for events in sizes:
            load(f"CPU per event, 0 to {events:,} searchable, all of ours", "cpu", ["cpu_us_per_event"], " us", events,
                 ("with what is left to merge", ["cpu_us_per_event_settled"]))
        load(f"events/s, 0 to {self.large:,} searchable", "speed", ["events_per_second"], "", self.large,
             ("first and last tenth", ["events_per_second_first_tenth", "events_per_second_last_tenth"]))
        for rate in self.rates():
            case(f"freshness p50 / p99 at {rate}", "fresh", rate, latency, " ms", self.small)
        case("a fifth updates of old events, over plain inserts: CPU / time", "updates", "updates",
             ["cpu_ratio", "seconds_ratio"], " x", self.small)
        for events, wanted in zip(sizes, ("small memory", "large memory")):
            load(f"memory of all daemons at {events:,}, PSS", wanted, ["pss_mib"], " MiB", events,
                 ("RSS, anonymous", ["rss_mib", "anonymous_mib"]))
        for kind in ("two terms", "two common words", "either of two common words", "phrase", "facets of a broad word"):
            case(f"{kind}, p50 / p99 at {self.large:,}", kind, kind, latency, " ms", self.large)
        load(f"bytes written per event to {self.large:,}", "written", ["write_bytes_per_event"], "", self.large,
             ("given to write()", ["wchar_per_event"]))
        columns = [text for engine in self.engines for text in (f"{engine} is to reach", engine)]
        return table(["figure", *columns, *map(title, self.peers)], rows)

    def rates(self):
        return list(dict.fromkeys(line["case"] for line in self.results.of("freshness")))

    # The same load beside the peers.

    def ratios(self):
        cases = [("events/s", "load", "events_per_second"), ("CPU per event", "load", "cpu_us_per_event"),
                 ("CPU per event, with what is left to merge", "load", "cpu_us_per_event_settled"),
                 ("memory (PSS)", "load", "pss_mib"), ("bytes written per event", "load", "write_bytes_per_event"),
                 ("on disk", "load", "disk_bytes_per_event")]
        for rate in self.rates():
            cases += [(f"freshness {name} at {rate}", rate, f"{name}_ms") for name in ("p50", "p99")]
        for kind in self.kinds():
            cases += [(f"{kind}, {text}", kind, name) for text, name in (
                ("p50", "p50_ms"), ("p99", "p99_ms"), ("queries/s", "queries_per_second"))]
        head = ["Weir : peer"] + [f"{engine} : {title(peer)}" for engine in self.engines for peer in self.peers]
        rows = []
        for text, case, name in cases:
            cells = []
            for engine in self.engines:
                ours = self.values(engine, case, [name], self.small)
                for peer in self.peers:
                    theirs = self.values(peer, case, [name], self.small)
                    good = isinstance(ours, list) and isinstance(theirs, list) and theirs[0]
                    cells.append(f"{number(ours[0] / theirs[0])}" if good else "–")
            rows.append([text, *cells])
        return table(head, rows)

    def kinds(self):
        return list(dict.fromkeys(line["case"] for line in self.results.of("search")))

    # Each suite's own.

    def searches(self):
        columns = [(engine, events) for events in dict.fromkeys((self.small, self.large)) for engine in self.engines]
        columns += [(peer, self.small) for peer in self.peers]

        def cell(contender, events, kind):
            line = self.line(contender, kind, events)
            if line is None or "figures" not in line:
                return "–" if line is None else "not offered"
            figures, spread = line["figures"], line.get("spread", {}).get("p99_ms")
            between = f" ({number(spread[0])}–{number(spread[1])})" if spread else ""
            bad = f" **{figures['bad']} failed**" if figures["bad"] else ""
            return (f"{number(figures['p50_ms'])} / {number(figures['p99_ms'])}{between}; "
                    f"{number(figures['queries_per_second'])}/s{bad}")
        head = ["p50 / p99 ms (spread of p99); queries/s"] + [f"{title(name)}, {events:,}" for name, events in columns]
        return table(head, [[kind] + [cell(*column, kind) for column in columns] for kind in self.kinds()])

    def freshnesses(self):
        rows = []
        for contender in self.engines + self.peers:
            for line in self.results.of("peers" if contender in PEERS else "freshness", contender=contender):
                if line["case"].endswith("/s") and "figures" in line:
                    f = line["figures"]
                    rows.append([title(contender), line["case"],
                                 *(number(f[name]) for name in ("p50_ms", "p90_ms", "p99_ms", "max_ms")),
                                 f"{f['probes']:,}", str(f["lost"]), number(f["rate"]), number(f["cores"]),
                                 number(f["ack_p50_ms"]), str(line["load_average"])])
        return table(["contender", "rate", "p50 ms", "p90", "p99", "max", "probes", "lost", "rate reached",
                      "cores used", "acknowledged after, p50 ms", "load average after"], rows)

    def loads(self):
        names = [("events/s", "events_per_second"), ("CPU us per event", "cpu_us_per_event"),
                 ("with what is left", "cpu_us_per_event_settled"), ("of Kafka's broker", "kafka_cpu_us_per_event"),
                 ("s to settle", "seconds_to_settle"), ("PSS MiB", "pss_mib"), ("RSS MiB", "rss_mib"),
                 ("anonymous MiB", "anonymous_mib"), ("written", "write_bytes_per_event"),
                 ("on disk", "disk_bytes_per_event")]
        lines = [line for suite in ("ingest", "growth", "peers") for line in self.results.of(suite, case="load")]

        def cell(line, name):
            if name not in line["figures"]:
                return "–"
            spread = line.get("spread", {}).get(name)
            return number(line["figures"][name]) + (f" ({number(spread[0])}–{number(spread[1])})" if spread else "")
        return table(["contender, events"] + [text for text, _ in names],
                     [[f"{title(line['contender'])}, {line['events']:,}", *(cell(line, name) for _, name in names)]
                      for line in lines])

    def rest(self):
        rows = []
        for text, contender, case, name in (
                ("REST creates/s, 32 connections, each on disk", "eventd", "single", "creates_per_second"),
                ("the same, p99 ms", "eventd", "single", "p99_ms"),
                ("REST creates/s over the batch call", "eventd", "batch", "creates_per_second"),
                ("eventd's peak memory (PSS), MiB", "eventd", "batch", "pss_mib"),
                ("bare fdatasync/s of this disk", "disk", "bare", "fdatasyncs_per_second")):
            for line in self.results.of("rest", contender=contender, case=case):
                spread = line.get("spread", {}).get(name, [])
                rows.append([text, number(line["figures"][name]), "–".join(map(number, spread))])
        return table(["measured", "median", "spread"], rows)

    def backends(self):
        names = self.contenders("backends")

        def cell(contender, case, *wanted):
            figures = self.results.figures("backends", contender=contender, case=case)
            return " / ".join(number(figures[name]) for name in wanted) if figures else "–"
        cases = list(dict.fromkeys(line["case"] for line in self.results.of("backends")))
        rows = [[text] + [cell(name, "load", *wanted) for name in names] for text, wanted in (
            ("events/s, start to all searchable", ["events_per_second"]),
            ("CPU us per event, all processes of it", ["cpu_us_per_event"]),
            ("peak memory (PSS), MiB", ["pss_mib"]), ("on disk, bytes per event", ["disk_bytes_per_event"]))]
        for case in cases[1:]:
            searched = not case.endswith("/s")
            text = case if searched else f"acknowledged to searchable at {case}"
            rows.append([f"{text}, p50 / p99 ms"] + [cell(name, case, "p50_ms", "p99_ms") for name in names])
            if searched:
                rows.append([f"{case}, queries/s with 8 connections"] +
                            [cell(name, case, "queries_per_second") for name in names])
        return table(["measured"] + list(map(title, names)), rows)

    def head(self):
        text = ""
        for run in self.results.runs():
            suites = dict.fromkeys(line["suite"] for line in self.results.lines
                                   if "suite" in line and line["run"] == run["run"])
            versions = ", ".join(f"{name} {version}" for name, version in run["versions"].items())
            load = ", ".join(f"{each:.2f}" for each in run["load_average_before"])
            text += (f"- Run of {run['run']} ({', '.join(suites)}): {run['machine']}; {versions}; load average before "
                     f"{load}; events of {run['source']}.\n")
        for line in self.results.lines:
            if "failed" in line:
                text += f"\n**The suite {line['suite']} failed**: {line['failed']}\n"
        return text

    def text(self, plots):
        parts = [("What is to be reached", "goals", "ingest growth freshness search", "Two cores, Kafka on the same "
                  f"machine. The peers, by the same method: {self.small:,} events, and their searches on these."),
                 ("Beside the peers", "ratios", "peers", f"Weir's figure divided by the peer's, {self.small:,} events. "
                  "Of what is counted per second more is better, of all else less."),
                 ("Load", "loads", "ingest growth", "Medians, with least and most where a load was run several times."),
                 ("Freshness", "freshnesses", "freshness", "From the broker's acknowledgement to found by a search."),
                 ("Searches", "searches", "search", "Ten hits; latency over one connection, queries/s over eight."),
                 ("REST", "rest", "rest", "With the other daemons running."),
                 ("Backends", "backends", "backends", f"{self.size('backends'):,} events, one run each.")]
        text = ("# Measured\n\n`./dev bench` writes this page from results.jsonl; [README.md](README.md) says what "
                "each figure is and what it is not. Absolute figures are this machine's; what carries over is "
                "their ratios.\n\n" + self.head())
        for heading, method, suites, what in parts:
            if any(self.results.of(suite) for suite in suites.split()):
                text += f"\n## {heading}\n\n{what}\n\n{getattr(self, method)()}"
        return text + "".join(f"\n![{name}](plots/{name}.svg)\n" for name in plots)


NOTES = "<!-- notes -->\n"


def write(results, folder):
    try:
        import plots
    except ImportError:
        names = []
        print("bench: no plots: python3-matplotlib is not installed", file=sys.stderr)
    else:
        names = plots.draw(results, folder / "plots")
    page = Page(results)
    path = folder / "RESULTS.md"
    old = path.read_text() if path.exists() else ""
    # What people wrote below the mark stays: why a figure is what it is.
    notes = old.split(NOTES, 1)[1] if NOTES in old else ""
    path.write_text(page.text(names) + "\n" + NOTES + notes)
    if folder.resolve() == ROOT / "bench" and results.of("backends"):
        docs = ROOT / "docs" / "backends.md"
        before, rest = docs.read_text().split("<!-- measured -->\n")
        after = rest.split("<!-- end of measured -->")[1]
        docs.write_text(f"{before}<!-- measured -->\n{page.backends()}<!-- end of measured -->{after}")


if __name__ == "__main__":
    place = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "bench")
    write(Results(place / "results.jsonl"), place)
