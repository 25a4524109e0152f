# SPDX-License-Identifier: MIT
"""Running daemons go over to another index when the catalog names one: no request fails, none sees an
older state, nothing is lost."""
import contextlib
import json
import os
import shutil
import signal

import pytest
import requests

import processes
from processes import Process, wait_for
from traffic import PLAIN, Traffic, catalog_path, event, index_of, read_catalog, sorted_schema, written_index


def write_catalog(system, **entries):
    """As weir rebuild does: whole or not at all."""
    catalog = {**read_catalog(system), **entries}
    part = system.folder / "part"
    part.write_text(json.dumps({k: v for k, v in catalog.items() if v is not None}))
    part.rename(catalog_path(system))


def entry(system, path, schema):
    return {"plugin": "xapian", "parameter": "path", "location": path.name,
            "configured": "index", "schema": schema.read_text()}


class Beside(Process):
    """An indexer that fills an index beside the live one, as weir rebuild starts it."""

    def __init__(self, system, path, schema):
        settings = {**system.settings, "backend.xapian.path": path, "schema.file": schema,
                    "indexer.beside": "true", "indexer.port": system.beside_port}
        arguments = [processes.BUILD / "indexer" / "indexer"]
        for key, value in settings.items():
            arguments += ["--set", f"{key}={value}"]
        super().__init__("beside", arguments, system.folder)
        self.url = f"http://127.0.0.1:{system.beside_port}"

    def caught_up(self):
        with contextlib.suppress(requests.ConnectionError):
            return requests.get(f"{self.url}/health/ready", timeout=5).status_code == 200
        return False


def build_beside(system, path, schema, keep=False):
    system.beside_port = processes.free_port()
    beside = Beside(system, path, schema).start()
    wait_for(beside.caught_up, "the index beside to be caught up")
    if not keep:
        assert beside.stop() == 0, beside.log()
    return beside


def test_running_daemons_go_over(system):
    system.searchd.wait_ready()
    schema, path = sorted_schema(system.folder), system.folder / "index.2"
    refused = requests.get(f"{system.searchd.url}/api/search/events", params={"sort": "createdBy"}, timeout=10)
    assert refused.status_code == 400, refused.text
    with Traffic(system) as traffic:
        traffic.goes_on("traffic before")
        build_beside(system, path, schema)
        write_catalog(system, writer=entry(system, path, schema))
        wait_for(lambda: written_index(system) == str(path), "the indexer to go over")
        wait_for(lambda: index_of(system.searchd).endswith("index.2"), "searchd to go over")
        traffic.goes_on("traffic behind")
    assert traffic.wrong == []
    system.wait_total(traffic.written, q="concert")
    system.search(sort="createdBy")  # what the new schema allows
    assert system.searchd.metric("weir_searchd_index") == 1
    wait_for(lambda: "state=closed" in system.searchd.log(), "the old index to be left by all")
    system.indexer.wait_ready()
    # And again after a start: both live and writer are known.
    system.searchd.stop()
    system.indexer.stop()
    write_catalog(system, live=entry(system, path, schema), writer=None,
                  previous=read_catalog(system)["live"])
    system.searchd.start()
    system.indexer.start()
    system.wait_total(traffic.written, q="concert")
    assert "createdBy: sort was" in system.indexer.log()  # the configured schema is still the old one


def test_searches_stay_until_the_other_is_as_far(system):
    for number in range(20):
        assert system.post(event(number)).status_code == 201
    system.wait_total(20)
    path = system.folder / "index.2"
    assert system.indexer.stop() == 0
    shutil.copytree(system.folder / "index", path)
    system.indexer.start()
    for number in range(20, 50):
        assert system.post(event(number)).status_code == 201
    system.wait_total(50)
    assert system.indexer.stop() == 0
    write_catalog(system, writer=entry(system, path, PLAIN))
    wait_for(lambda: "state=waiting index=" in system.searchd.log(), "searchd to see that it is behind")
    assert index_of(system.searchd).endswith("/index")
    assert system.total() == 50
    # A searchd that starts in between must not show less either.
    system.searchd.kill()
    system.searchd.start()
    system.wait_total(50)
    assert index_of(system.searchd).endswith("/index")
    totals = []
    system.indexer.start()

    def gone_over():
        totals.append(system.total())
        return index_of(system.searchd).endswith("index.2")
    wait_for(gone_over, "searchd to go over")
    assert set(totals) == {50}
    assert system.total() == 50


def test_searches_stay_until_the_other_index_is_left(system):
    """An indexer that has not gone over yet may go on writing to the index before, and somebody may see that."""
    system.searchd.wait_ready()
    for number in range(20):
        assert system.post(event(number)).status_code == 201
    system.wait_total(20)
    path = system.folder / "index.2"
    build_beside(system, path, PLAIN)
    assert system.indexer.stop() == 0
    system.indexer.env = {"WEIR_STOP_AT": "indexer.switch.before"}
    system.indexer.start()
    system.indexer.wait_ready()
    write_catalog(system, writer=entry(system, path, PLAIN))
    wait_for(system.indexer.is_stopped, "the indexer to see the catalog")
    wait_for(lambda: "state=waiting index=" in system.searchd.log() or "state=switched" in system.searchd.log(),
             "searchd to see the catalog")
    assert "reason=\"the indexer may still be writing to the current index\"" in system.searchd.log()
    assert "state=switched" not in system.searchd.log()
    assert system.post(event(20)).status_code == 201
    os.kill(system.indexer.child.pid, signal.SIGCONT)
    wait_for(lambda: index_of(system.searchd).endswith("index.2"), "searchd to go over")
    assert system.total() == 21


def test_an_index_that_somebody_else_writes_is_waited_for(system):
    assert system.post(event(1)).status_code == 201
    system.wait_total(1)
    path = system.folder / "index.2"
    beside = build_beside(system, path, PLAIN, keep=True)
    write_catalog(system, writer=entry(system, path, PLAIN))
    wait_for(lambda: "is written to, and not what the catalog says" in requests.get(
        f"{system.indexer.url}/health/ready", timeout=5).text, "the indexer to say so")
    assert written_index(system) == str(system.folder / "index")
    assert beside.stop() == 0
    wait_for(lambda: written_index(system) == str(path), "the indexer to go over")
    assert system.post(event(2)).status_code == 201
    system.wait_total(2)
    system.indexer.wait_ready()
    assert system.indexer.log().count("level=error") == 1


def test_a_damaged_catalog_is_said_and_not_guessed(system):
    assert system.post(event(1)).status_code == 201
    system.wait_total(1)
    good = catalog_path(system).read_bytes()
    part = system.folder / "part"
    part.write_bytes(good[:-20])
    part.rename(catalog_path(system))
    for daemon in (system.searchd, system.indexer):
        wait_for(lambda: "it is damaged" in daemon.log(), f"{daemon.name} to say so")
    assert system.post(event(2)).status_code == 201
    system.wait_total(2)
    for daemon in (system.searchd, system.indexer):
        daemon.kill()
        daemon.start()
        assert daemon.wait() == 2
        assert "events.catalog.json" in daemon.log().splitlines()[-1] or "it is damaged" in daemon.log()
    part.write_bytes(good)
    part.rename(catalog_path(system))
    system.searchd.start()
    system.indexer.start()
    system.wait_total(2)


def test_no_dead_letter_comes_twice(system, kafka):
    kafka.produce("events.created", "x", b"not json")
    assert system.post(event(1)).status_code == 201
    system.wait_total(1)
    wait_for(lambda: len(kafka.read_all("events.dlq")) == 1, "the dead letter")
    committed = system.indexer.metric("weir_indexer_dead_letters_total")
    beside = build_beside(system, system.folder / "index.2", PLAIN)
    assert "dead_letter" in beside.log()
    assert len(kafka.read_all("events.dlq")) == 1
    assert committed == 1


@pytest.mark.parametrize("gone", ["index", "index.2"])
def test_an_index_that_is_gone(system, gone):
    """What is gone is made anew as configured, and said; the live one that is there is written to."""
    assert system.post(event(1)).status_code == 201
    system.wait_total(1)
    for daemon in (system.searchd, system.indexer):
        assert daemon.stop() == 0
    if gone == "index.2":
        write_catalog(system, writer=entry(system, system.folder / "index.2", PLAIN))
    else:
        shutil.rmtree(system.folder / "index")
    system.searchd.start()
    if gone == "index":
        wait_for(lambda: "state=waiting" in system.searchd.log(), "searchd to wait for it")
        assert system.total() is None
    system.indexer.start()
    system.wait_total(1)
    assert system.post(event(2)).status_code == 201
    system.wait_total(2)
    assert not (system.folder / "index.2").exists()
