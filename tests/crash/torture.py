#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Kills eventd, indexer, searchd and the broker with SIGKILL, at random moments and at stop points
(lib/stop_point.h), while events are written, searched and poisoned; in between and at the end everything
comes to rest and is compared (settle.py).

    ./dev torture --kills N [--seed S] [--plugin xapian|sqlite|tantivy] [--minutes M]

The seed decides what is written, whom it hits, where, and after how long; not what the threads have done by
then, which is the machine's. So a seed brings back the same plan, and about the same course."""
import argparse
import collections
import contextlib
import json
import pathlib
import random
import re
import shutil
import signal
import sys
import tempfile
import threading
import time

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent), str(pathlib.Path(__file__).resolve().parents[1] / "e2e")]
import processes  # noqa: E402
from load import Poisoner, Reader, Writer  # noqa: E402
from model import Model  # noqa: E402
from settle import Settler  # noqa: E402

# Come by in scenes of their own (tests/e2e/test_crash.py): they need a rebuild, or old tombstones.
ELSEWHERE = ("indexer.switch.", "indexer.expire.")
FIRST_START = ("catalog.written", "catalog.renamed")
RARE = re.compile(r"\.(open|register|assign|sync|group)\.")  # once a start, or a second
PATIENCE = 3         # seconds that a daemon has to come to its point
SETTLE_EVERY = 20    # kills
VICTIMS = {"indexer": 58, "eventd": 26, "searchd": 11, "kafka": 5}  # how often, in 100
ARMED = {"indexer": 0.85, "eventd": 0.55, "searchd": 0.4}           # how often a start is on the way to a point


def stop_points():
    text = (processes.ROOT / "lib" / "stop_point.c").read_text()
    return re.findall(r'^\t"([a-z.]+)",$', text, re.MULTILINE)


class Torture:
    def __init__(self, folder, seed, plugin, kafka=None, settings=None, environment=None, programs=None):
        self.folder, self.seed = pathlib.Path(folder), seed
        self.rng = random.Random(f"{seed}-kills")
        self.topics = processes.TOPICS
        self.own_kafka = kafka is None
        self.kafka = kafka or processes.Kafka(self.folder / "kafka").start()
        if self.own_kafka:
            self.kafka.create_topics()
        self.environment = environment or {}
        self.system = processes.System(self.folder / "system", self.kafka.brokers, plugin, **{"indexer__batch_time": "20ms", **(settings or {})})
        self.daemons = [self.system.indexer, self.system.eventd, self.system.searchd]
        for daemon in self.daemons:
            daemon.arguments[0] = str((programs or {}).get(daemon.name, daemon.arguments[0]))
        self.model = Model()
        self.failures, self.failed = [], threading.Event()
        self.victims, self.points, self.kinds = collections.Counter(), collections.Counter(), collections.Counter()
        self.kills, self.armed, self.started = 0, {}, {}
        self.plans = {daemon.name: self.plan(daemon.name) for daemon in self.daemons}
        self.actions = open(self.folder / "actions.log", "w", buffering=1)

    def plan(self, process):
        """The process's points, each as often as the others."""
        names = [n for n in stop_points() if n.startswith(process + ".") and not n.startswith(ELSEWHERE)]
        while True:
            for name in self.rng.sample(names, len(names)):
                yield name, 1 if RARE.search(name) else self.rng.choice([1, 1, 1, 2, 4])

    def note(self, text):
        self.actions.write(f"{time.time():.3f} {text}\n")

    def note_failure(self, who, failure):
        self.failures.append(f"{who}: {type(failure).__name__}: {failure}")
        self.failed.set()

    # Processes

    def start(self, daemon, point=None):
        """point: (name, n) to stop at."""
        daemon.env = {**self.environment.get(daemon.name, {}), **({"WEIR_STOP_AT": f"{point[0]}:{point[1]}"} if point else {})}
        self.armed[daemon.name] = point
        self.started[daemon.name] = time.monotonic()
        self.note(f"start {daemon.name} {point or ''}")
        daemon.start()

    def start_kafka(self):
        self.note("start kafka")
        processes.Process.start(self.kafka)  # nobody waits for it

    def kill(self, process, kind):
        point = self.armed.get(process.name)
        if process is not self.kafka and not process.running():
            raise AssertionError(f"{process.name} ended by itself, status {process.child.returncode}:\n{process.log()[-3000:]}")
        if point and process.is_stopped():
            self.points[point[0]] += 1
            kind = "point"
        process.kill()
        self.armed[process.name] = None
        self.kills += 1
        self.victims[process.name] += 1
        self.kinds[kind] += 1
        self.note(f"kill {self.kills} {process.name} {kind} {point or ''}")

    def restart(self, process):
        if process is self.kafka:
            self.start_kafka()
        else:
            self.start(process, next(self.plans[process.name]) if self.rng.random() < ARMED[process.name] else None)

    # Kills

    def standing(self):
        """Those that stand at their point and that others wait for."""
        return [daemon for daemon in (self.system.eventd, self.system.indexer) if self.armed[daemon.name] and daemon.is_stopped()]

    def choose(self):
        """Who is killed next, and when: one that is on its way to its point mostly gets there. One that stands
        keeps the others from getting to theirs, so mostly it goes first."""
        name = self.rng.choices(list(VICTIMS), list(VICTIMS.values()))[0]
        impatient, moment = self.rng.random() < 0.1, self.rng.random() * 0.15
        if name == "kafka":
            return self.kafka if self.own_kafka else self.system.eventd
        victim = next(daemon for daemon in self.daemons if daemon.name == name)
        if impatient or not self.armed[name]:
            self.failed.wait(moment)
            return victim
        until = self.started[name] + PATIENCE
        while victim.running() and not victim.is_stopped() and time.monotonic() < until:
            others = self.standing()
            if others or self.failed.is_set():
                return self.rng.choice(others or [victim])
            time.sleep(0.003)  # poll
        return victim

    def step(self):
        again, together, pause = self.rng.random() < 0.1, self.rng.random() < 0.1, self.rng.random() * 0.06
        victim = self.choose()
        other = self.rng.choice([d for d in self.daemons if d is not victim])
        self.kill(victim, "moment")
        if together:
            self.kill(other, "together")
            self.restart(other)
        self.restart(victim)
        if again and victim is not self.kafka:
            self.failed.wait(pause)
            self.kill(victim, "recovering")
            self.restart(victim)

    def first_start(self):
        """An index that is entered in the catalog for the first time."""
        for point in FIRST_START:
            self.start(self.system.indexer, (point, 1))
            processes.wait_for(self.system.indexer.is_stopped, point)
            self.kill(self.system.indexer, "point")
        for daemon in self.daemons:
            self.start(daemon)

    def all_run(self):
        """Nothing stands at a point, and everything answers."""
        for daemon in self.daemons:
            if self.armed[daemon.name]:
                self.kill(daemon, "moment")
                self.start(daemon)
        processes.wait_for(self.kafka.answers, "Kafka to answer")
        for daemon in self.daemons:
            processes.wait_for(daemon.alive, f"{daemon.name} to live")

    def sweep(self):
        """Comes by the points that the kills before did not."""
        self.all_run()
        for name in missed_points(self.points):
            daemon = next(d for d in self.daemons if name.startswith(d.name))
            self.kill(daemon, "moment")
            self.start(daemon, (name, 1))
            processes.wait_for(lambda: daemon.is_stopped() or self.failed.is_set(), f"{daemon.name} to come to {name}")
            self.kill(daemon, "moment")
            self.start(daemon)
            self.raise_failures()

    def settle(self, last=False):
        self.note("settle")
        self.all_run()
        with contextlib.ExitStack() as stack:
            for worker in self.workers:
                stack.enter_context(worker.turn)
            self.raise_failures()
            self.poisoner.flush()
            self.settler.settle(last)
        self.note("settled")

    def raise_failures(self):
        if self.failures:
            raise AssertionError("\n".join(self.failures))

    def run(self, kills, minutes, sweep):
        until = time.monotonic() + 60 * minutes if minutes else float("inf")
        self.first_start()
        self.settler = Settler(self)
        self.writers = [Writer(i, self, f"{self.seed}-writer-{i}") for i in range(2)]
        self.reader, self.poisoner = Reader(self, f"{self.seed}-reader"), Poisoner(self, f"{self.seed}-poison")
        self.workers = [*self.writers, self.reader, self.poisoner]
        for worker in self.workers:
            worker.start()
        next_settling = SETTLE_EVERY
        while self.kills < kills and time.monotonic() < until:
            self.step()
            self.raise_failures()
            if self.kills >= next_settling:
                self.settle()
                next_settling = self.kills + SETTLE_EVERY
        if sweep:
            self.sweep()
        self.settle(last=True)

    def end(self):
        for worker in getattr(self, "workers", []):
            worker.ending.set()
        for process in (*self.daemons, *([self.kafka] if self.own_kafka else [])):
            process.kill()
        for worker in getattr(self, "workers", []):
            worker.join(10)
        self.actions.close()

    def summary(self):
        letters = self.settler.letters
        return {"seed": self.seed, "plugin": self.system.plugin, "kills": self.kills, "victims": dict(self.victims),
                "kinds": dict(self.kinds), "points": dict(sorted(self.points.items())),
                "settled": self.settler.count, "settling_seconds": round(self.settler.seconds, 1),
                "acknowledged": self.model.acknowledged, "unanswered": self.model.lost,
                "events": len(self.model.entries), "deleted": self.model.deletes_settled,
                "searches": self.reader.searches, "gets": self.reader.gets, "searchd_503": self.reader.unavailable,
                "poison": len(self.settler.poison), "dead_letters": sum(letters.values())}


def missed_points(points):
    """Points of the table that a run should have come by and did not."""
    return [n for n in stop_points() if not n.startswith(ELSEWHERE) and n not in points]


def torture(kills, seed, plugin="xapian", minutes=None, folder=None, sweep=True, **more):
    """Runs in a folder of its own, which stays when something was found. Returns the summary. sweep: every
    stop point is come by, at the end if need be. environment, programs: variables, and another
    executable, by process."""
    folder = pathlib.Path(folder or tempfile.mkdtemp(prefix=f"weir-torture-{seed}-"))
    folder.mkdir(exist_ok=True)
    print(f"torture: seed {seed}, {plugin}, {kills} kills", flush=True)
    run, began = Torture(folder, seed, plugin, **more), time.monotonic()
    try:
        run.run(kills, minutes, sweep)
    except BaseException as failure:
        run.end()
        print(f"torture: seed {seed}, kill {run.kills}: {failure}\ntorture: everything is kept in {folder}", flush=True)
        raise
    run.end()
    shutil.rmtree(folder)
    return {**run.summary(), "seconds": round(time.monotonic() - began, 1)}


def main():
    parser = argparse.ArgumentParser(prog="./dev torture", description=__doc__.split("\n\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", default=str(random.randrange(10 ** 6)))
    parser.add_argument("--plugin", default="xapian", choices=sorted(processes.LOCATIONS))
    parser.add_argument("--minutes", type=float, help="ends then, also with fewer kills")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    missing = processes.kafka_missing() or processes.plugin_missing(arguments.plugin)
    if missing:
        sys.exit(f"torture: {missing}")
    try:
        summary = torture(arguments.kills, arguments.seed, arguments.plugin, arguments.minutes)
    except AssertionError:
        sys.exit(1)
    print(json.dumps(summary, indent=1))
    missed = missed_points(summary["points"])
    print(f"torture: {summary['kills']} kills in {summary['seconds']} s; points not come by: {', '.join(missed) or 'none'}")


if __name__ == "__main__":
    main()
