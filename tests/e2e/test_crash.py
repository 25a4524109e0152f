# SPDX-License-Identifier: MIT
"""Kills, by the driver of tests/crash: many in one run; faults planted into Weir, which the driver must
find; and the stop points that need a scene of their own."""
import os
import random
import sys

import pytest
import requests

import processes
from processes import BUILD, ROOT, wait_for, weir
from test_switch import build_beside, entry, write_catalog
from traffic import event, index_of, sorted_schema, written_index

sys.path.insert(0, str(ROOT / "tests" / "crash"))
import torture  # noqa: E402

SEED = os.environ.get("WEIR_TORTURE_SEED") or str(random.randrange(10 ** 6))
CRASH = BUILD / "tests" / "crash"


@pytest.fixture
def java():
    missing = processes.kafka_missing()
    if missing:
        pytest.skip(missing)


@pytest.mark.slow
@pytest.mark.parametrize(("plugin", "kills"), [("xapian", 120), ("sqlite", 40), ("tantivy", 40)])
def test_two_hundred_kills(java, tmp_path, plugin, kills):
    """At every stop point (xapian) and at any moment; the broker too. `./dev torture` is the same, for longer."""
    missing = processes.plugin_missing(plugin)
    if missing:
        pytest.skip(missing)
    summary = torture.torture(kills, SEED, plugin, folder=tmp_path / "torture", sweep=plugin == "xapian")
    print(summary)
    assert summary["kills"] >= kills and (plugin != "xapian" or not torture.missed_points(summary["points"]))
    assert summary["acknowledged"] > 2 * kills and summary["searches"] > kills and summary["poison"] > kills / 10


# What is wrong, and what the driver must say of it.
FAULTS = {
    "eventd answers before it commits": (
        {"programs": {"eventd": CRASH / "eventd_early"}}, r"acknowledged|was made twice|: 4\d\d |came back|: sent "),
    "the relay marks before Kafka has it": (
        {"environment": {"eventd": {"LD_PRELOAD": CRASH / "early_relay.so"}}, "settings": {"kafka__rdkafka.linger.ms": 300}},
        "index: "),
    "positions before documents": (
        {"settings": {"backend__plugin": CRASH / "early_positions.so"}}, "index: |no dead letter"),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(kafka, tmp_path, monkeypatch, fault):
    plan, complaint = FAULTS[fault]
    monkeypatch.setenv("WEIR_EARLY_PLUGIN", str(BUILD / "plugins" / "xapian" / "weir_xapian.so"))
    monkeypatch.setenv("WEIR_EARLY_FILE", str(tmp_path / "positions"))
    with pytest.raises(AssertionError, match=complaint):
        torture.torture(400, SEED, folder=tmp_path / "torture", kafka=kafka, sweep=False, **plan)


def kill_at(process, point, act=None):
    """Starts it on the way to a stop point, lets act bring it there, and kills it there."""
    process.env = {"WEIR_STOP_AT": point}
    process.start()
    if act:
        act()
    wait_for(process.is_stopped, f"{process.name} to come to {point}")
    process.kill()
    process.env = None


def index_is_right(system):
    """weir verify says so, and so does a comparison of our own."""
    settings = [f"--set={key}={value}" for key, value in system.settings.items()]
    weir("verify", "--url", system.eventd.url, *settings)
    stored = {each["id"]: each for each in requests.get(f"{system.eventd.url}/api/v1/events?limit=1000", timeout=30).json()["events"]}
    assert {hit["id"]: hit["event"] for hit in system.search(limit=1000)["hits"]} == stored


def hidden(system):
    return system.indexer.metric("weir_index_documents_hidden")


@pytest.mark.parametrize("point", [name for name in torture.stop_points() if name.startswith("indexer.expire.")])
def test_killed_while_tombstones_are_removed(kafka, make_system, point):
    system = make_system(kafka.brokers, indexer__tombstone_retention="100ms", indexer__batch_time="10ms").start()
    made = [system.post(event(number)).json()["id"] for number in range(5)]
    system.wait_total(5)
    for each in made[:3]:
        assert requests.delete(f"{system.eventd.url}/api/v1/events/{each}", timeout=30).status_code == 204
    system.wait_total(2)
    system.indexer.kill()
    kill_at(system.indexer, point)
    system.indexer.start().wait_ready()
    wait_for(lambda: hidden(system) == 0, "the tombstones to be removed")
    index_is_right(system)


@pytest.mark.slow
@pytest.mark.parametrize("point", [name for name in torture.stop_points() if name.startswith("indexer.switch.")])
def test_killed_while_going_over_to_another_index(kafka, make_system, point):
    """The indexer is killed in the middle of a switch; it goes on with the index of the catalog, and both are whole."""
    system = make_system(kafka.brokers, indexer__batch_time="10ms").start()
    for number in range(5):
        system.post(event(number))
    system.wait_total(5)
    schema, path = sorted_schema(system.folder), system.folder / "index.2"
    build_beside(system, path, schema)
    system.indexer.kill()
    kill_at(system.indexer, point, lambda: (wait_for(system.indexer.alive, "the indexer to live"),
                                            write_catalog(system, writer=entry(system, path, schema))))
    for number in range(5, 8):
        system.post(event(number))
    system.indexer.start().wait_ready()
    assert written_index(system) == str(path)
    wait_for(lambda: index_of(system.searchd).endswith("index.2"), "searchd to go over")
    system.wait_total(8)
    index_is_right(system)
