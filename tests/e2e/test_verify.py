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
           for name in ("xapian", "sqlite", "tantivy", "opensearch")]


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
def make_checked(request, kafka, make_system):
    def make(plugin="xapian", **settings):
        if plugin == "opensearch":
            settings = {"backend__opensearch__url": request.getfixturevalue("opensearch").url,
                        "backend__opensearch__replicas": 0, **settings}
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


def random_fields(random_source):
    """Some fields of an event, as clients write them."""
    every = {
        "title": ["Über Straße", "日本語 イベント", "A \"quoted\" title", "emoji 🎉", "tab\u200bbed"],
        "description": [None, "", "Line\nbreak <b>&amp;</b> \u2028", "x" * 3000],
        "category": [None, "Music", "Kunst & Kultur"], "city": [None, "Graz", "São Paulo"],
        "country": [None, "AT"], "location": [None, "Hall 5"],
        "price": [None, 0, 12.5, 79228162514264337593543950335, 1e-7],
        "startDate": [None, "2026-05-01", "2026-05-01T10:00:00+02:00", "2026-05-01T10:00:00.1234567Z"],
        "endDate": [None, "2026-12-31T23:59:59Z", "9999-12-31"]}
    return {name: random_source.choice(values) for name, values in every.items() if random_source.random() < 0.4}


class Writers:
    """Threads that create, change and delete until they are stopped. Each has a few events that it
    changes again and again, so that some are always on their way."""

    def __init__(self, checked, count=3, pause=0):
        self.checked, self.stopping, self.failed = checked, threading.Event(), []
        self.pause = pause  # seconds between the writes of each
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(count)]
        self.writes = 0

    def run(self, number):
        source, http = random.Random(number), requests.Session()
        base, hot = self.checked.base, []
        while not self.stopping.wait(self.pause):
            fields = random_fields(source)
            if len(hot) < 5:
                answer = http.post(base, json={"title": f"Of writer {number}", **fields})
                hot.append(answer.json()["id"])
            elif source.random() < 0.2:
                answer = http.delete(f"{base}/{hot.pop(source.randrange(len(hot)))}")
            else:
                fields.setdefault("title", f"Title {source.random()}")
                answer = http.patch(f"{base}/{source.choice(hot)}", json=fields)
            if answer.status_code not in (200, 201, 204):
                self.failed.append(answer.text)
            self.writes += 1

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        assert self.failed == []


def test_any_history_makes_the_same_states_in_store_and_index(checked):
    source, ids = random.Random(7), []
    for _ in range(60):
        answer = checked.http.post(checked.base, json={"title": "A title", **random_fields(source)})
        assert answer.status_code == 201, answer.text
        ids.append(answer.json()["id"])
    for _ in range(250):
        event_id, fields = source.choice(ids), random_fields(source)
        if source.random() < 0.1:
            checked.http.delete(f"{checked.base}/{event_id}")
        elif source.random() < 0.3:
            checked.http.put(f"{checked.base}/{event_id}", json={"title": "Another", **fields})
        else:
            checked.http.patch(f"{checked.base}/{event_id}", json=fields)
    checked.verify(expect=0)
    result = checked.verify(expect=0)
    assert (result["store"], result["index"], result["compared"], result["inFlight"]) == (60, 60, "states", 0)


@pytest.mark.slow
@pytest.mark.parametrize("plugin", PLUGINS)
def test_writes_that_go_on_make_no_false_alarm(make_checked, plugin):
    checked = make_checked(plugin)
    slow = plugin == "opensearch"  # writes that outrun an index only make each run wait for it
    with Writers(checked, pause=0.02 if slow else 0.002) as writers:
        wait_for(lambda: writers.writes > 100, "writers to be at work")
        seen = 0
        for _ in range(5 if slow else 15):
            before = writers.writes
            result = checked.verify()
            assert result["same"], result
            assert writers.writes > before
            seen += result["inFlight"]
    assert seen > 0, "nothing was ever on its way: this test shows nothing"
    assert checked.verify(expect=0)["same"]


def test_drift_is_found_and_repaired_while_writes_go_on(checked):
    ids = [checked.create(title=f"Event {i}", city="Graz")["id"] for i in range(20)]
    checked.settle()
    with Writers(checked, pause=0.002):
        checked.plant(("remove", ids[0]), ("set", ids[1], 0, "city", '"Wien"'), ("add", "stranger", 7, "Stranger"))
        for _ in range(3):
            assert set(listed(checked.verify(expect=1))) == {ids[0], ids[1], "stranger"}
        assert checked.verify("--repair", expect=0)["sentAgain"] == 3
        checked.verify(expect=0)


def test_an_index_that_lags_is_waited_for(checked):
    checked.create(title="First")
    checked.settle()
    checked.system.indexer.stop()
    for i in range(50):
        checked.create(title=f"Event {i}")
    verifying = subprocess.Popen([BUILD / "cli" / "weir", *checked.arguments(), "--json"], stdout=subprocess.PIPE)
    checked.system.indexer.start()
    out, _ = verifying.communicate(timeout=60)
    result = json.loads(out)
    assert verifying.returncode == 0 and result["same"] and result["inFlight"] > 0


def refused(checked, status, *arguments):
    done = weir(*checked.arguments(), *arguments, check=False)
    assert done.returncode == status, (done.stdout, done.stderr)
    lines = done.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith("weir verify: "), done.stderr
    return lines[0]


def test_what_is_away_is_named_and_nothing_is_guessed(own_kafka, make_system):
    checked = Checked(make_system(own_kafka.brokers).start())
    checked.create(title="First")
    checked.settle()
    checked.system.indexer.stop()
    checked.create(title="On its way")
    assert "does the indexer run" in refused(checked, 3, "--patience", 1)
    own_kafka.kill()
    assert "127.0.0.1" in refused(checked, 3, "--patience", 1)
    checked.create(title="Never sent")
    assert "outbox" in refused(checked, 3, "--patience", 1)
    checked.system.eventd.stop()
    assert checked.system.eventd.url in refused(checked, 3)


def test_an_index_that_is_not_there_is_away(make_checked, tmp_path):
    checked = make_checked()
    assert "nowhere" in refused(checked, 3, "--set", f"backend.xapian.path={tmp_path / 'nowhere'}")


@pytest.mark.parametrize("arguments, word", [
    (["more"], "too many"), (["--limit", "x"], "--limit"), (["--patience", "0"], "--patience"),
    (["--set", "backend.plugin=null"], "keeps no documents"), (["--set", "backend.plugin=nosuch"], "nosuch"),
    (["--url", "gopher://127.0.0.1"], "gopher"), (["--repare"], "--repair")])
def test_wrong_use_is_2(checked, arguments, word):
    done = weir(*checked.arguments(), *arguments, check=False)
    assert done.returncode == 2 and word in done.stderr, (done.stdout, done.stderr)


def test_an_empty_store_repairs_nothing(checked, make_system):
    checked.create()
    checked.settle()
    other = make_system(checked.system.settings["kafka.brokers"]).eventd.start()
    wait_for(other.alive, "the other eventd to live")
    assert "never held an event" in refused(checked, 2, "--url", other.url, "--repair")
    done = weir(*checked.arguments(), "--url", other.url, check=False)
    assert done.returncode == 1 and "(1 extra)" in done.stdout


@pytest.mark.slow
def test_a_repair_that_was_killed_is_finished_by_the_next(checked):
    ids = [checked.create(title=f"Event {i}")["id"] for i in range(150)]
    checked.settle()
    checked.plant(*(("remove", each) for each in ids[:40]), *(("set", each, 9, "city", '"Wien"') for each in ids[40:80]))
    newest = lambda: int(checked.http.get(f"{checked.system.eventd.url}/api/v1/changes?limit=1").headers["Weir-Sequence"])
    before = newest()
    repairing = subprocess.Popen([BUILD / "cli" / "weir", *checked.arguments(), "--repair"], stdout=subprocess.DEVNULL)
    wait_for(lambda: newest() > before + 20, "the repair to be at work", interval=0)
    repairing.send_signal(signal.SIGKILL)
    repairing.wait()
    assert newest() < before + 240, "it was over already"
    assert checked.verify("--repair", expect=0)["same"]
    checked.verify(expect=0)
    assert checked.system.total() == 150


def test_deletes_that_an_index_may_have_let_go_of_are_no_difference(make_checked):
    checked = make_checked(indexer__tombstone_retention="1s")
    gone, kept = checked.create()["id"], checked.create()["id"]
    checked.delete(gone)
    checked.settle()
    sterner = ["--set", "indexer.tombstone_retention=7d"]
    found = wait_for(lambda: listed(checked.verify(*sterner)), "the delete to expire")
    assert {each: what["what"] for each, what in found.items()} == {gone: "notDeleted"}
    result = checked.verify(expect=0)
    assert (result["store"], result["index"]) == (1, 1)
    assert checked.found(kept) is not None
