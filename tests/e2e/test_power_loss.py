# SPDX-License-Identifier: MIT
"""The power goes: what eventd acknowledged is there, and the index is whole, holds what its positions say,
and catches up. One run is written down (tests/crash/power.c) and cut at many places (power.py)."""
import json
import os
import pathlib
import random
import re
import sqlite3
import subprocess
import sys
import threading
import uuid

import pytest
import requests

import processes
from processes import BUILD, ROOT, TOPICS, wait_for

sys.path.insert(0, str(ROOT / "tests" / "crash"))
import power  # noqa: E402

SEED = os.environ.get("WEIR_POWER_SEED") or str(random.randrange(10 ** 6))
CUTS = int(os.environ.get("WEIR_POWER_CUTS", 30))  # places in each journal; each is found in three ways
NEW = "made"                                       # a folder that the daemons make
CAUGHT_UP = 3                                      # of them, how many the daemons are started on


class Recorded:
    """A run of eventd and indexer: their journals, what clients were told, and what Kafka got."""

    def __init__(self, kafka, make_system, folder, plugin, swallow):
        self.kafka, self.folder, self.plugin = kafka, folder, plugin
        (folder / "store").mkdir()
        (folder / "index").mkdir()
        self.system = make_system(kafka.brokers, plugin=plugin, indexer__batch_time="5ms",
                                  eventd__database=folder / "store" / NEW / "events.db", **self.place(folder / "index"))
        for daemon, part in ((self.system.eventd, "store"), (self.system.indexer, "index")):
            daemon.env = {"LD_PRELOAD": str(BUILD / "tests" / "crash" / "weir_power.so"),
                          "WEIR_POWER_FOLDER": str(folder / part), "WEIR_POWER_JOURNAL": str(folder / f"{part}.journal"),
                          **({"WEIR_POWER_SWALLOW": "1"} if swallow else {})}
        self.told = {}  # request -> (id, version, whether it is there)
        self.run()
        self.messages = [message for topic in TOPICS for message in map(self.message, kafka.read_all(topic))]

    def place(self, folder):
        return {f"backend__{self.plugin}__path": folder / NEW / processes.LOCATIONS[self.plugin]}

    def run(self):
        eventd, indexer = self.system.eventd, self.system.indexer
        for part in range(2):
            eventd.start(), indexer.start()
            wait_for(eventd.alive, "eventd to live")
            threads = [threading.Thread(target=self.write, args=(part, number)) for number in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            wait_for(lambda: eventd.metric("weir_eventd_outbox_rows") == 0, "the outbox to be empty")
            wait_for(self.caught_up, "the indexer to catch up")
            assert eventd.stop() == 0 and indexer.stop() == 0
        assert len(self.told) == 2 * 2 * 30

    def caught_up(self):
        return self.positions_of(self.system.indexer) == self.kafka.ends()

    def write(self, part, number):
        rng, made, base = random.Random(f"{SEED}-{part}-{number}"), [], f"{self.system.eventd.url}/api/v1/events"
        with requests.Session() as session:
            for _ in range(30):
                request, event = str(uuid.uuid4()), {"title": f"flood {rng.random()}", "description": "d" * rng.randrange(3000)}
                action = rng.choice(["POST", "POST", "PATCH", "DELETE"]) if made else "POST"
                url = base if action == "POST" else f"{base}/{made.pop(rng.randrange(len(made)))}"
                answer = session.request(action, url, json=None if action == "DELETE" else event,
                                         headers={"X-Request-Id": request}, timeout=60)
                assert answer.status_code in (200, 201, 204), answer.text
                event_id, version = answer.headers["Weir-Token"].split("@")
                self.told[request] = (event_id, int(version), action != "DELETE")
                if action != "DELETE":
                    made.append(event_id)

    @staticmethod
    def message(message):
        headers = dict(message.headers())
        return ((message.topic(), message.partition()), message.offset(), message.key().decode(), int(headers["Version"]),
                message.topic() == "events.deleted", b'"Title"' in message.value())

    def journal(self, part):
        return list(power.read_journal(self.folder / f"{part}.journal"))

    # What must be

    def acknowledged(self, promised):
        """The newest version of each event that a client was told of."""
        newest = {}
        for record in promised:
            request = re.search(rb"X-Request-Id: ([0-9a-f-]{36})", record.data)
            if request and request[1].decode() in self.told:
                event_id, version, there = self.told[request[1].decode()]
                newest[event_id] = max(newest.get(event_id, (0, True)), (version, there))
        return newest

    def documents(self, positions):
        """What an index with these positions holds: version and kind of each event. An event's messages have one key
        and may come from three partitions."""
        versions, deletes, titles = {}, {}, {}
        for place, offset, event_id, version, deletes_it, has_title in self.messages:
            if offset >= positions.get(place, 0):
                continue
            versions[event_id] = max(versions.get(event_id, 0), version)
            if deletes_it:
                deletes[event_id] = max(deletes.get(event_id, 0), version)
            if has_title:
                titles[event_id] = max(titles.get(event_id, 0), version)
        return {event_id: (version, "live" if titles.get(event_id, 0) > deletes.get(event_id, 0) else "hidden")
                for event_id, version in versions.items()}

    # What is found

    def check_store(self, folder, promised):
        acknowledged, path = self.acknowledged(promised), folder / NEW / "events.db"
        if not path.exists() and not acknowledged:
            return
        with sqlite3.connect(path) as database:
            (whole,) = database.execute("PRAGMA integrity_check").fetchone()
            assert whole == "ok", f"the store is damaged: {whole}"
            if not database.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
                assert not acknowledged, "the store has no tables"
                return
            events = {row[0]: row[1:] for row in database.execute("SELECT id, version, deleted FROM events")}
            changes = set(database.execute("SELECT id, version FROM changes"))
        database.close()
        for event_id, (version, there) in acknowledged.items():
            assert event_id in events, f"the store lost {event_id}, which was acknowledged"
            found, deleted = events[event_id]
            assert found > version or (found, not deleted) == (version, there), \
                f"the store has {event_id} at {found}; {version} was acknowledged"
            assert (event_id, version) in changes, f"the outbox lost {event_id}@{version}, which was acknowledged"

    def contents(self, folder):
        """Positions and documents of the index; None: there is no index."""
        settings = {**self.system.settings, **{k.replace("__", "."): v for k, v in self.place(folder).items()}}
        boot_id = self.folder / "boot_id"  # the machine was started again
        boot_id.write_text(f"{uuid.uuid4()}\n")
        done = subprocess.run([BUILD / "tests" / "crash" / "contents", *(f"{k}={v}" for k, v in settings.items() if not k.startswith("eventd."))],
                              capture_output=True, text=True, timeout=60,
                              env={**os.environ, "LD_PRELOAD": str(BUILD / "tests" / "crash" / "weir_kill_at.so"), "WEIR_BOOT_ID": str(boot_id)})
        if done.returncode == 1:
            return None
        assert done.returncode == 0, f"the index cannot be read: {done.stderr}"
        words = [line.split() for line in done.stdout.splitlines()]
        positions = {(w[1], int(w[2])): int(w[3]) for w in words if w[0] == "position"}
        documents = {w[1]: (int(w[2]), w[3]) for w in words if w[0] == "document"}
        (total,) = [int(w[1]) for w in words if w[0] == "total"]
        assert total == sum(1 for _, kind in documents.values() if kind == "live")
        return positions, documents

    def check_index(self, folder, promised):
        catalog = folder / NEW / "events.catalog.json"
        try:
            assert not catalog.exists() or json.loads(catalog.read_text())["live"]
        except ValueError:
            raise AssertionError("the catalog is damaged") from None
        positions, documents = self.contents(folder) or ({}, {})
        expected = self.documents(positions)
        assert documents == expected, f"the index says {positions}; too many: {documents.items() - expected.items()}, " \
                                      f"lost: {expected.items() - documents.items()}"
        for record in [each for each in promised if each.operation == "G"][-1:]:
            for line in record.data.decode().splitlines():
                topic, partition, offset = line.split()
                assert positions.get((topic, int(partition)), 0) >= int(offset), f"the group is at {line}, the index at {positions}"

    def start_indexer(self, folder):
        """On what was found; it catches up."""
        settings = {**self.system.settings, **{k.replace("__", "."): v for k, v in self.place(folder).items()}}
        indexer = processes.Daemon("indexer", self.system, settings).start()
        try:
            wait_for(lambda: indexer.alive() and self.positions_of(indexer) == self.kafka.ends(), "the indexer to catch up")
        finally:
            indexer.kill()
        positions, documents = self.contents(folder)
        assert documents == self.documents(positions) and len(documents) == len({m[2] for m in self.messages})

    @staticmethod
    def positions_of(indexer):
        return {(p["topic"], p["partition"]): p["position"] or 0
                for p in requests.get(f"{indexer.url}/api/ingest/positions", timeout=10).json()["positions"]}

    def start_eventd(self, folder, promised):
        eventd = processes.Daemon("eventd", self.system, {
            **self.system.settings, "eventd.database": folder / NEW / "events.db", "kafka.brokers": "127.0.0.1:1"}).start()
        try:
            wait_for(eventd.alive, "eventd to live")
            for event_id, (version, there) in self.acknowledged(promised).items():
                answer = requests.get(f"{eventd.url}/api/v1/events/{event_id}", timeout=30)
                assert answer.status_code in ((200, 410) if there else (410,)), f"{event_id}@{version}: {answer.status_code}"
                assert answer.status_code == 410 or answer.json()["version"] >= version
        finally:
            eventd.kill()


def lose_power(recorded, part, check, start):
    """Cuts the journal of a part at many places; returns how many states were looked at."""
    rng, records, target = random.Random(f"{SEED}-{part}"), recorded.journal(part), recorded.folder / "found"
    cuts, states = power.choose_cuts(records, CUTS, rng), 0
    started = set(rng.sample(cuts, CAUGHT_UP))
    for cut, disk, promised in power.play(records, cuts):
        for variant in power.VARIANTS:
            disk.make(target, variant, rng)
            try:
                check(target, promised)
                if cut in started and variant == "strict":
                    disk.make(target, variant, rng)
                    start(target, promised)
            except (AssertionError, sqlite3.Error) as failure:
                raise AssertionError(f"seed {SEED}, {part}, cut {cut} of {len(records)}, {variant}: {failure}") from failure
            states += 1
    return states


def sqlite_and(*others):
    return [pytest.param(name, marks=pytest.mark.skipif(processes.plugin_missing(name) is not None, reason=str(processes.plugin_missing(name))))
            for name in ("sqlite", *others)]


@pytest.mark.slow
@pytest.mark.parametrize("plugin", sqlite_and("xapian", "tantivy"))
def test_a_power_loss_takes_nothing_that_was_promised(kafka, make_system, tmp_path, plugin):
    recorded = Recorded(kafka, make_system, tmp_path, plugin, swallow=False)
    states = lose_power(recorded, "store", recorded.check_store, recorded.start_eventd)
    states += lose_power(recorded, "index", recorded.check_index, lambda folder, _: recorded.start_indexer(folder))
    print(f"power loss: {plugin}, seed {SEED}: {states} states")


@pytest.mark.slow
def test_a_forgotten_sync_is_found(kafka, make_system, tmp_path):
    """The same without syncs must not pass, or it would show nothing."""
    recorded = Recorded(kafka, make_system, tmp_path, "sqlite", swallow=True)
    with pytest.raises(AssertionError, match="store"):
        lose_power(recorded, "store", recorded.check_store, recorded.start_eventd)
    with pytest.raises(AssertionError, match="the group is at|the catalog is damaged|the index"):
        lose_power(recorded, "index", recorded.check_index, lambda folder, _: recorded.start_indexer(folder))
