# SPDX-License-Identifier: MIT
"""Health, lag and freshness say what is so: against an outside measurement, with an engine that stands still, and with
clocks that differ and jump."""
import datetime
import json
import sqlite3
import struct
import time

import pytest
import requests

import processes
from processes import TOPICS, wait_for, weir
from traffic import event

HOUR = 3600 * 1000 * 1000
SHIM = processes.BUILD / "tests" / "clock" / "clock_shift.so"


def freshness(system):
    return system.search(limit=0)["freshness"]


def rows(system):
    return requests.get(f"{system.indexer.url}/api/ingest/positions", timeout=10).json()["positions"]


def figures(system, kafka):
    """The same lag from all who tell it; None where it is not the same yet."""
    told = [sum(row["lagMessages"] for row in rows(system)), system.indexer.metric("weir_indexer_lag_messages"),
            sum(row["lagMessages"] for row in json.loads(weir("lag", "--json", "--url", system.indexer.url).stdout)["positions"]),
            freshness(system)["lagMessages"], system.searchd.metric("weir_searchd_lag_messages")]
    return told[0] if len(set(told)) == 1 else None


def of_index(system):
    """What the index itself says, read with another tool."""
    with sqlite3.connect(f"file:{system.folder}/index.sqlite?mode=ro", uri=True) as index:
        return {(topic, number): offset for topic, number, offset in index.execute("SELECT topic, partition, next_offset FROM positions")}


def reason(daemon):
    answer = requests.get(f"{daemon.url}/health/ready", timeout=10)
    return json.dumps(answer.json().get("reasons", [])) if answer.status_code == 503 else ""


def test_an_engine_that_stands_still(kafka, make_system):
    system = make_system(kafka.brokers, plugin="sqlite", indexer__ready_lag="500ms").start()
    for number in range(20):
        assert system.post(event(number)).status_code == 201
    system.wait_total(20)
    for daemon in (system.indexer, system.searchd):
        daemon.wait_ready()
    wait_for(lambda: figures(system, kafka) == 0, "everybody to say that there is no lag")
    assert {row["lagMs"] for row in rows(system)} == {0} and freshness(system)["lagMs"] == 0
    lock = sqlite3.connect(system.folder / "index.sqlite", isolation_level=None, timeout=60)
    lock.execute("BEGIN IMMEDIATE")  # as a backup that hangs
    began = time.time()
    for number in range(20, 31):
        assert system.post(event(number)).status_code == 201
    wait_for(lambda: figures(system, kafka) == 11, "everybody to say how large the lag is")
    ends, positions = kafka.ends(), of_index(system)
    assert sum(ends.values()) - sum(positions.values()) == 11, "the outside measurement"
    assert {(r["topic"], r["partition"]): (r["position"], r["end"]) for r in rows(system) if r["end"]} \
        == {place: (positions.get(place), ends[place]) for place in ends if ends[place]}
    wait_for(lambda: "11 messages behind" in reason(system.indexer), "the indexer not to be ready")
    assert not system.indexer.ready() and system.searchd.ready(), "what is there can be searched"
    # At least as old as the oldest that is missing, and not much older: the log was looked at shortly before.
    now = freshness(system)
    age = (datetime.datetime.fromisoformat(now["asOf"]).timestamp() - began) * 1000
    assert 0 <= now["lagMs"] and age <= now["lagMs"] + 1000 and now["lagMs"] <= age + 30000
    # Dead, it is told all the same.
    system.indexer.kill()
    wait_for(lambda: freshness(system)["lagMs"] > now["lagMs"], "the lag to grow")
    assert freshness(system)["lagMessages"] == 11
    lock.execute("COMMIT")
    lock.close()
    system.indexer.start()
    system.indexer.wait_ready()
    system.wait_total(31)
    wait_for(lambda: figures(system, kafka) == 0, "everybody to say that there is no lag again")
    ends = kafka.ends()
    assert {place: end for place, end in ends.items() if end} == {p: o for p, o in of_index(system).items() if o}


class Clock:
    """A wall clock of its own for one daemon."""

    def __init__(self, daemon, folder):
        self.path = folder / f"{daemon.name}.clock"
        self.set(0)
        daemon.env = {"LD_PRELOAD": str(SHIM), "CLOCK_SHIFT_FILE": str(self.path)}

    def set(self, hours):
        with open(self.path, "r+b" if self.path.exists() else "w+b") as file:
            file.write(struct.pack("q", int(hours * HOUR)))


@pytest.mark.slow  # the shim and a sanitizer's runtime do not go together
def test_clocks_that_differ_and_jump(kafka, make_system):
    """Nothing is measured by two clocks: no figure is negative or an hour, nothing waits for an hour, versions only grow."""
    system = make_system(kafka.brokers)
    clocks = {daemon.name: Clock(daemon, system.folder) for daemon in (system.eventd, system.indexer, system.searchd)}
    for name, hours in (("eventd", -0.5), ("indexer", 1), ("searchd", -1)):
        clocks[name].set(hours)
    began, seen = time.monotonic(), []

    def look():
        told = freshness(system)
        seen.extend((told["lagMessages"], told["lagMs"]))
        if system.indexer.running():
            for row in rows(system):
                seen.extend((row["lagMessages"], row["lagMs"]))
        return told

    def sane():
        most = (time.monotonic() - began) * 1000 + 1000
        assert all(value is None or 0 <= value <= most for value in seen), seen
    system.start()
    created = system.post(event(1))
    event_id, versions = created.json()["id"], [created.json()["version"]]
    assert abs(versions[0] / 1e6 - time.time() + 1800) < 600, "it is eventd's clock that counts"
    system.wait_total(1)
    wait_for(lambda: look()["lagMessages"] == 0, "no lag")
    system.indexer.wait_ready()
    for round_number, jumps in enumerate([(-3, -2, 2), (0.75, 3, -4)]):
        system.indexer.kill()
        for number in range(3):
            assert system.post(event(number)).status_code == 201
        wait_for(lambda: look()["lagMessages"] == 3 and look()["lagMs"], "the lag")
        system.indexer.start()
        system.wait_total(1 + 3 * (round_number + 1))
        wait_for(lambda: look()["lagMessages"] == 0, "no lag")
        system.indexer.wait_ready()
        for clock, hours in zip(clocks.values(), jumps):
            clock.set(hours)
        # The clocks jumped under running daemons: whoever waits by them would stand still now.
        changed = requests.patch(f"{system.eventd.url}/api/v1/events/{event_id}", json={"city": f"City {round_number}"},
                                 headers={"Content-Type": "application/merge-patch+json"}, timeout=30)
        versions.append(changed.json()["version"])
        found = system.search(q="concert", city=f"City {round_number}", waitFor=changed.headers["Weir-Token"], waitMs=10000)
        assert found["total"] == 1
        before = look()["asOf"]
        wait_for(lambda: look()["asOf"] != before, "freshness to be looked at again")
        wait_for(lambda: look()["lagMessages"] == 0, "no lag")
        system.indexer.wait_ready()
        sane()
    assert versions == sorted(set(versions)), versions
    gone = requests.delete(f"{system.eventd.url}/api/v1/events/{event_id}", timeout=30)
    assert int(gone.headers["Weir-Token"].split("@")[1]) > versions[-1]
    assert system.search(city="City 1", waitFor=gone.headers["Weir-Token"], waitMs=10000)["total"] == 0
    # A broker takes no message from more than an hour ahead (message.timestamp.after.max.ms): said, kept, and sent later.
    clocks["eventd"].set(5)
    late = system.post(event(9, city="Late"))
    wait_for(lambda: "Invalid timestamp" in system.eventd.log(), "eventd to say so")
    clocks["eventd"].set(0)
    assert system.post(event(10, city="Late")).status_code == 201
    system.wait_total(2, city="Late")
    assert int(late.headers["Weir-Token"].split("@")[1]) > versions[-1]
    wait_for(lambda: look()["lagMessages"] == 0, "no lag")
    sane()


@pytest.mark.slow
def test_what_is_known_stays_known(kafka, make_system):
    """The log is looked at again every five seconds; brokers that take their time over it take nothing back."""
    system = make_system(kafka.brokers).start()
    for number in range(60):
        assert system.post(event(number)).status_code == 201
    system.wait_total(60)
    wait_for(lambda: freshness(system)["lagMessages"] == 0, "freshness to be known")
    said, looks = system.searchd.log().count("event=freshness"), {}

    def look():
        told = freshness(system)
        looks[told["asOf"]] = told["lagMessages"]
        return len(looks) > 20
    wait_for(look, "20 looks")
    assert set(looks.values()) == {0} and system.searchd.log().count("event=freshness") == said
