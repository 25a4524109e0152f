# SPDX-License-Identifier: MIT
"""Results as lines of JSON. A line is a run (machine, versions, when, what it was asked for), or what one contender did
in one case of a suite: `figures` (numbers by name, medians where there were several runs), `spread` (least and most of
the runs), `curves` (for the plots), or `absent` (why there are none), or, of a whole suite, `failed`."""
import datetime
import json
import os


class Results:
    def __init__(self, path):
        self.path = path
        self.lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        self.run = self.suite = None

    def begin_run(self, about):
        self.run = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.lines.append({"run": self.run, **about})

    def begin_suite(self, suite):
        """What an older run has of this suite goes."""
        self.suite = suite
        self.lines = [line for line in self.lines if line.get("suite") != suite]
        used = {line["run"] for line in self.lines if "suite" in line} | {self.run}
        self.lines = [line for line in self.lines if line["run"] in used]

    def add(self, contender, case, events, figures=None, spread=None, curves=None, absent=None):
        parts = {"figures": figures, "spread": spread, "curves": curves, "absent": absent}
        self.lines.append({"run": self.run, "suite": self.suite, "contender": contender, "case": case, "events": events,
                           "load_average": round(os.getloadavg()[0], 2),
                           **{name: rounded(part) for name, part in parts.items() if part}})
        self.write()

    def fail(self, why):
        self.lines.append({"run": self.run, "suite": self.suite, "failed": why})
        self.write()

    def write(self):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        part.write_text("".join(json.dumps(line) + "\n" for line in self.lines))
        part.rename(self.path)

    def runs(self):
        return [line for line in self.lines if "suite" not in line]

    def of(self, suite, **wanted):
        """The lines of a suite that have these members."""
        return [line for line in self.lines if line.get("suite") == suite and "contender" in line and
                all(line[name] == value for name, value in wanted.items())]

    def figures(self, suite, **wanted):
        """The figures of the one such line; None when there is none."""
        lines = self.of(suite, **wanted)
        return lines[0].get("figures") if lines else None


def rounded(value):
    """To five digits: more would only be noise in a file that is kept."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {name: rounded(each) for name, each in value.items()}
    return [rounded(each) for each in value] if isinstance(value, list) else value
