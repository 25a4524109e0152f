# SPDX-License-Identifier: MIT
"""weir verify: an index that differs from the store is found and repaired; one that does not, or only
lags, never is. Drift is planted through the plug-in itself (tests/drift), while the indexer is down."""
import json
import os
import random
import signal
import subprocess
import threading
import time
import uuid

import pytest
import requests

import processes
from processes import BUILD, wait_for, weir

PLUGINS = [pytest.param(name, marks=pytest.mark.skipif(processes.plugin_missing(name) is not None,
                                                       reason=str(processes.plugin_missing(name))))
           for name in ("xapian", "sqlite", "tantivy")]


class Checked:
    """The daemons, and what these tests do to them."""

    def __init__(self, system):
        self.system = system
        self.base = f"{system.eventd.url}/api/v1/events"
        self.http = requests.Session()

    def create(self, **event):
        answer = self.http.post(self.base, json={"title": "A title", **event})
        assert answer.status_code == 201, answer.text
        return answer.json()

    def patch(self, event_id, **fields):
        answer = self.http.patch(f"{self.base}/{event_id}", json=fields)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def delete(self, event_id):
        assert self.http.delete(f"{self.base}/{event_id}").status_code == 204

    def found(self, event_id):
        """The event as the index has it; None: it does not."""
        answer = self.http.get(f"{self.system.searchd.url}/api/search/events/{event_id}")
        assert answer.status_code in (200, 404), answer.text
        return answer.json()["event"] if answer.status_code == 200 else None

    def arguments(self):
        settings = [f"--set={key}={value}" for key, value in self.system.settings.items()]
        return ["verify", "--url", self.system.eventd.url, *settings]

    def verify(self, *arguments, expect=None):
        done = weir(*self.arguments(), "--json", *arguments, check=False)
        assert done.stderr == "" and done.returncode in (0, 1), (done.stdout, done.stderr)
        result = json.loads(done.stdout)
        assert result["same"] == (done.returncode == 0)
        if expect is not None:
            assert done.returncode == expect, done.stdout
        return result

    def settle(self):
        """Everything that was written is in the index."""
        self.verify(expect=0)

    def plant(self, *actions):
        """Changes the index behind everybody's back, one document an action."""
        self.system.indexer.stop()
        settings = [f"{key}={value}" for key, value in self.system.settings.items()]
        for action in actions:
            done = subprocess.run([BUILD / "tests" / "drift" / "drift", *settings, "--", *map(str, action)],
                                  capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, (action, done.stderr)
        self.system.indexer.start()
        wait_for(self.system.indexer.alive, "the indexer to live")


def kinds(result):
    return {name: count for name, count in result["differences"].items() if name != "listed" and count}


def listed(result):
    return {each["id"]: each for each in result["differences"]["listed"]}


@pytest.fixture
def make_checked(kafka, make_system):
    def make(plugin="xapian", **settings):
        return Checked(make_system(kafka.brokers, plugin=plugin, **settings).start())
    return make


@pytest.fixture
def checked(make_checked):
    return make_checked()


@pytest.mark.parametrize("plugin", PLUGINS)
def test_planted_drift_is_found_and_repaired(make_checked, plugin):
    checked = make_checked(plugin)
    kept, removed, changed, older, newer, hidden, gained, lost, back = (
        checked.create(title=f"Event {name}", city="Graz", price=12.50, createdBy="ann")["id"]
        for name in ("kept", "removed", "changed", "older", "newer", "hidden", "gained", "lost", "back"))
    checked.patch(changed, city="Linz", updatedBy="bob")
    checked.delete(lost)
    checked.delete(back)
    strangers = str(uuid.uuid4()), "stranger / 7"
    checked.settle()
    before = {each: checked.found(each) for each in (kept, removed, changed, older, newer, hidden, gained)}
    year = 365 * 24 * 3600 * 10 ** 6
    checked.plant(("remove", removed), ("set", changed, 0, "city", '"Wien"'), ("set", older, -5, "city", '"Wien"'),
                  ("set", newer, year, "city", '"Wien"'), ("hide", hidden), ("set", gained, 0, "seats", "7"),
                  ("remove", lost), ("remove", back), ("add", back, 5, "Risen"),
                  ("add", strangers[0], 5, "Stranger"), ("add", strangers[1], year, "Stranger"))
    result = checked.verify(expect=1)
    assert kinds(result) == {"missing": 1, "different": 5, "notDeleted": 2, "extra": 2}
    found = listed(result)
    assert kept not in found
    assert found[removed]["what"] == "missing" and found[removed]["indexVersion"] is None
    assert {"field": "city", "store": "Linz", "index": "Wien"} in found[changed]["fields"]
    assert found[changed]["storeVersion"] == found[changed]["indexVersion"]
    assert found[older]["indexVersion"] == found[older]["storeVersion"] - 5
    assert found[newer]["indexVersion"] == found[newer]["storeVersion"] + year
    assert found[gained]["fields"] == [{"field": "seats", "index": 7}]
    assert found[hidden]["fields"] == [] and found[hidden]["what"] == "different"
    assert found[lost]["what"] == found[back]["what"] == "notDeleted"
    assert found[lost]["indexVersion"] is None and found[back]["indexVersion"] == 5
    assert {found[each]["what"] for each in strangers} == {"extra"}
    repaired = checked.verify("--repair", expect=0)
    assert kinds(repaired) == kinds(result) and repaired["sentAgain"] == 10
    assert checked.verify(expect=0)["inFlight"] == 0
    for event_id, event in before.items():
        now = checked.found(event_id)
        assert {**now, "version": 0} == {**event, "version": 0}
        assert now["version"] == checked.http.get(f"{checked.base}/{event_id}").json()["version"]
    for gone in (lost, back, strangers[0]):
        assert checked.found(gone) is None
    assert checked.system.total() == 7
    checked.patch(newer, city="Lienz")
    checked.settle()
    assert checked.found(newer)["city"] == "Lienz"


def test_the_same_says_so_in_one_line(checked):
    for i in range(5):
        checked.create(title=f"Event {i}")
    checked.settle()
    done = weir(*checked.arguments())
    assert done.stdout.startswith("5 in the store, 5 in the index: the same, "), done.stdout
    assert done.stderr == ""


def test_people_see_which_fields_differ(checked):
    long_one = checked.create(title="A", description="x" * 200 + "one" + "y" * 200)["id"]
    gone = checked.create(title="The missing one")["id"]
    checked.settle()
    checked.plant(("set", long_one, 0, "description", '"' + "x" * 200 + "two" + "y" * 200 + '"'), ("remove", gone))
    done = weir(*checked.arguments(), check=False)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0].split()[:4] == ["WHAT", "ID", "STORE", "INDEX"]
    by_id = {line.split()[1]: line for line in lines[1:3]}
    assert "xone" in by_id[long_one] and "xtwo" in by_id[long_one] and len(by_id[long_one]) < 250
    assert 'title "The missing one"' in by_id[gone]
    assert lines[3].startswith("2 in the store, 1 in the index: 2 differences (1 missing, 1 different), ")
    repaired = weir(*checked.arguments(), "--repair")
    assert repaired.stdout.splitlines()[-1] == "2 sent again; the index agrees"


def test_listed_are_as_many_as_asked_for_and_all_are_counted(checked):
    ids = [checked.create()["id"] for _ in range(6)]
    checked.settle()
    checked.plant(*(("remove", each) for each in ids))
    assert len(checked.verify("--limit", 2, expect=1)["differences"]["listed"]) == 2
    done = weir(*checked.arguments(), "--limit", 0, check=False)
    assert done.stdout.startswith("6 in the store, 0 in the index: 6 differences (6 missing), ")
