# SPDX-License-Identifier: MIT
"""waitFor: who writes to eventd and searches with the token that it got finds what it wrote, always."""
import concurrent.futures
import contextlib
import json
import random
import signal
import threading
import time
import uuid

import pytest
import requests

from processes import Daemon, wait_for
from test_switch import build_beside, entry, write_catalog
from traffic import PLAIN, event, index_of, sorted_schema


def ask(system, token, searchd=None, **parameters):
    return requests.get(f"{(searchd or system.searchd).url}/api/search/events",
                        params={"waitFor": token, "waitMs": 10000, **parameters}, timeout=60)


def ask_id(system, event_id, token, **parameters):
    return requests.get(f"{system.searchd.url}/api/search/events/{event_id}",
                        params={"waitFor": token, "waitMs": 10000, **parameters}, timeout=60)


def produce(kafka, event_id, version, title="Jazz", kind="Created", producer=None, **more):
    body = {"EventId": event_id, **({"Title": title} if title else {}), **more}
    kafka.produce(f"events.{kind.lower()}", event_id, json.dumps(body),
                  {"EventType": f"Event{kind}Event", "Version": str(version)}, producer)


def hits(answer):
    assert answer.status_code == 200, answer.text
    return [hit["id"] for hit in answer.json()["hits"]]


def missing(answer, *parts):
    """It is a 504 that says what is missing."""
    assert answer.status_code == 504 and answer.headers["Content-Type"] == "application/problem+json", answer.text
    assert all(error["field"] == "waitFor" for error in answer.json()["errors"])
    text = "\n".join(error["message"] for error in answer.json()["errors"])
    assert all(part in text for part in parts), text
    return True


def test_tokens_are_waited_for(system, kafka, engine, make_system):
    """What counts as reached, on every engine."""
    system = make_system(kafka.brokers, **engine).start()
    system.searchd.wait_ready()
    a, b = str(uuid.uuid4()), str(uuid.uuid4())
    # By eventd: create, change, delete.
    created = system.post(event(1, id=a, description="zanzibar"))
    assert hits(ask(system, created.headers["Weir-Token"], q="zanzibar")) == [a]
    changed = requests.patch(f"{system.eventd.url}/api/v1/events/{a}", json={"description": "timbuktu"},
                             headers={"Content-Type": "application/merge-patch+json"}, timeout=30)
    assert hits(ask(system, changed.headers["Weir-Token"], q="timbuktu")) == [a]
    assert hits(ask(system, created.headers["Weir-Token"], waitMs=0, q="timbuktu")) == [a], "a newer one is fine"
    assert ask_id(system, a, changed.headers["Weir-Token"]).json()["version"] == changed.json()["version"]
    gone = requests.delete(f"{system.eventd.url}/api/v1/events/{a}", timeout=30)
    assert hits(ask(system, gone.headers["Weir-Token"], q="timbuktu")) == []
    assert hits(ask(system, changed.headers["Weir-Token"], waitMs=0, q="timbuktu")) == []
    assert ask_id(system, a, gone.headers["Weir-Token"]).status_code == 404
    # Not reached: unknown, older, an update without its create.
    assert missing(ask(system, f"{b}@5", waitMs=50), f"{b}@5: the index holds nothing of it")
    assert missing(ask(system, f"{a}@{gone.headers['Weir-Token'].split('@')[1]}9", waitMs=0), "the index holds version")
    produce(kafka, b, 20, title=None, kind="Updated", City="Accra")
    wait_for(lambda: "not the create" in ask(system, f"{b}@20", waitMs=0).text, "the update to be held")
    assert missing(ask_id(system, b, f"{b}@20", waitMs=50), "not the create that it overtook")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        waiting = pool.submit(ask, system, f"{b.upper()}@20, {a}@1", city="Accra")
        wait_for(lambda: system.searchd.metric("weir_searchd_waiting") == 1, "the request to wait")
        produce(kafka, b, 10)
        assert hits(waiting.result()) == [b]
    produce(kafka, b, 30, title=None, kind="Deleted")
    assert hits(ask(system, [f"{b}@30", f"{a}@-7"], city="Accra")) == []
    # As a body, and by the side of what is wrong.
    url = f"{system.searchd.url}/api/search/events"
    assert requests.post(url, json={"waitFor": [f"{a}@1", f"{b}@30"], "waitMs": 0}, timeout=10).status_code == 200
    assert missing(requests.post(url, json={"waitFor": f"{b}@31,{b}@32", "waitMs": 0}, timeout=10), "@31", "@32")
    assert ask(system, f"{b}@31", limit="x").status_code == 400
    wrong = requests.get(f"{url}/{a}", params={"waitfor": f"{a}@1"}, timeout=10)
    assert wrong.status_code == 400 and wrong.json()["errors"][0]["field"] == "waitfor"
    assert requests.get(f"{url}/{a}", params={"waitFor": a}, timeout=10).status_code == 400


def test_waiting_takes_no_worker_and_has_a_limit(system, kafka, make_system):
    system.searchd.stop()
    searchd = Daemon("searchd", system, {**system.settings, "searchd.workers": 1, "searchd.waiting": 40, "searchd.queue": 100,
                                         "searchd.deadline": "1s"})
    searchd.start().wait_ready()
    ids = [str(uuid.uuid4()) for _ in range(20)]
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        waiting = [pool.submit(ask, system, f"{ids[i % 20]}@1", searchd, limit=0) for i in range(40)]
        wait_for(lambda: searchd.metric("weir_searchd_waiting") == 40, "all to wait")
        full = ask(system, f"{ids[0]}@1", searchd)
        assert full.status_code == 503 and full.headers["Retry-After"] and "waiting" in full.json()["detail"]
        assert requests.get(f"{searchd.url}/api/search/events", timeout=10).status_code == 200
        assert ask(system, f"{ids[0]}@1", searchd, waitMs=0).status_code == 504, "who does not wait needs no place"
        producer = kafka.producer()
        for event_id in ids[1:]:
            produce(kafka, event_id, 1, producer=producer)
        producer.flush(30)
        wait_for(lambda: all(waiting[i].done() for i in range(40) if i % 20), "the others to be answered")
        produce(kafka, ids[0], 1)
        assert all(each.result().status_code == 200 for each in waiting)
    # Who waits does not hold up the end.
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        last = pool.submit(ask, system, f"{ids[0]}@2", searchd)
        wait_for(lambda: searchd.metric("weir_searchd_waiting") == 1, "the last one to wait")
        began = time.monotonic()
        assert searchd.stop() == 0
        assert last.result().status_code == 503 and time.monotonic() - began < 9


def test_an_index_that_takes_over_is_asked_again(system):
    """Reached in the old index is not reached in the new one: what is searched is what was looked at."""
    first = system.post(event(1))
    assert hits(ask(system, first.headers["Weir-Token"])) == [first.json()["id"]]
    path = system.folder / "index.2"
    build_beside(system, path, sorted_schema(system.folder))
    stop, wrong, rounds = threading.Event(), [], [0]

    def write_and_search():
        while not stop.is_set():
            word = uuid.uuid4().hex
            posted = system.post(event(2, description=word))
            answer = ask(system, posted.headers["Weir-Token"], q=word)
            rounds[0] += 1
            if hits(answer) != [posted.json()["id"]]:
                wrong.append(answer.text)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        running = [pool.submit(write_and_search) for _ in range(2)]
        for index, schema in ((path, sorted_schema(system.folder)), (system.folder / "index", PLAIN)):
            seen = rounds[0]
            wait_for(lambda: rounds[0] > seen + 10 or wrong, "rounds before the switch")
            write_catalog(system, writer=entry(system, index, schema))
            wait_for(lambda: index_of(system.searchd).endswith("/" + index.name), "searchd to go over")
            seen = rounds[0]
            wait_for(lambda: rounds[0] > seen + 10 or wrong, "rounds behind the switch")
        stop.set()
        for each in running:
            each.result()
    assert not wrong, wrong[0]


class Clients:
    """Each writes an event, changes it, deletes it, and searches for what it just did with its token.
    Answers other than the true one are `wrong`; 503, 504 and connections that break are asked again."""

    def __init__(self, system, searchds, seed):
        self.system, self.searchds, self.wrong, self.rounds, self.late = system, searchds, [], 0, 0
        self.stopping, self.lock, self.seed = threading.Event(), threading.Lock(), seed

    def insist(self, session, method, url, good, **more):
        while True:
            with contextlib.suppress(requests.RequestException):
                answer = session.request(method, url, timeout=30, **more)
                if answer.status_code in good:
                    return answer
                if answer.status_code not in (503, 504):
                    raise AssertionError(f"{method} {url}: {answer.status_code} {answer.text}")
                with self.lock:
                    self.late += 1
            if self.stopping.is_set():
                return None

    def check(self, session, pick, token, word, expected):
        answer = self.insist(session, "GET", f"{pick.choice(self.searchds).url}/api/search/events", (200,),
                             params={"q": word, "waitFor": token, "waitMs": pick.choice([100, 1000, 10000])})
        if answer is None:
            return
        with self.lock:
            self.rounds += 1
            if [hit["id"] for hit in answer.json()["hits"]] != expected:
                self.wrong.append(f"{token} {word}: expected {expected}: {answer.text}")

    def run(self, number):
        pick = random.Random(f"{self.seed} {number}")
        with requests.Session() as session:
            while not self.stopping.is_set() and not self.wrong:
                event_id, words = str(uuid.UUID(int=pick.getrandbits(128))), [f"w{pick.getrandbits(60):x}" for _ in range(2)]
                url = f"{self.system.eventd.url}/api/v1/events"
                created = self.insist(session, "POST", url, (201, 409), json=event(1, id=event_id, description=words[0]))
                if created is None or created.status_code == 409:
                    continue
                self.check(session, pick, created.headers["Weir-Token"], words[0], [event_id])
                changed = self.insist(session, "PATCH", f"{url}/{event_id}", (200,), json={"description": words[1]},
                                      headers={"Content-Type": "application/merge-patch+json"})
                if changed is None:
                    return
                pick.random() < 0.5 and self.check(session, pick, changed.headers["Weir-Token"], words[0], [])
                self.check(session, pick, changed.headers["Weir-Token"], words[1], [event_id])
                gone = self.insist(session, "DELETE", f"{url}/{event_id}", (204, 410))
                if gone is None or gone.status_code == 410:
                    continue
                self.check(session, pick, gone.headers["Weir-Token"], words[1], [])


def read_your_writes(system, searchds, faults, seed, clients=6):
    """Faults one after the other under clients that never stop; answers the clients."""
    for searchd in searchds:
        searchd.wait_ready()
    work = Clients(system, searchds, seed)
    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        running = [pool.submit(work.run, number) for number in range(clients)]
        try:
            for fault in faults:
                seen = work.rounds
                wait_for(lambda: work.rounds > seen + 3 * clients or work.wrong, "rounds to go on")
                fault()
            seen = work.rounds
            wait_for(lambda: work.rounds > seen + 3 * clients or work.wrong, "rounds at the end")
        finally:
            work.stopping.set()
        for each in running:
            each.result()
    assert not work.wrong, work.wrong[0]
    print(f"seed {seed}: {work.rounds} searches behind a write, {work.late} asked again")
    return work


def kill(daemon):
    daemon.kill()
    daemon.start()


def freeze(daemon):
    """Stands still for as long as a request takes to notice."""
    daemon.child.send_signal(signal.SIGSTOP)
    time.sleep(0.2)  # the fault itself, not a wait
    daemon.child.send_signal(signal.SIGCONT)


def second_searchd(system):
    return Daemon("searchd", system, {**system.settings, "searchd.refresh": "1s"})


def test_writes_are_read_whatever_is_killed(kafka, make_system, engine, tmp_path):
    """Two searchds, one of which refreshes seldom."""
    system = make_system(kafka.brokers, **engine).start()
    (tmp_path / "other").mkdir()
    other = second_searchd(system)
    other.log_path = tmp_path / "other" / "searchd.log"
    other.start()
    try:
        seed = random.randrange(10 ** 6)
        faults = [lambda: kill(system.indexer), lambda: kill(system.searchd), lambda: freeze(system.indexer),
                  lambda: kill(other), lambda: kill(system.eventd)]
        random.Random(seed).shuffle(faults)
        read_your_writes(system, [system.searchd, other], faults, seed)
    finally:
        other.kill()
