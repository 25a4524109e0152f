# SPDX-License-Identifier: MIT
"""The whole way: REST, Kafka, index, search; and what is left when processes die in the middle."""
import gzip
import json
import random
import threading
import uuid

import pytest
import requests

from processes import ROOT, wait_for

BUCKET = 500


def batch(system, events, session=requests):
    """Posts events over the batch call; the results, a line each."""
    body = "\n".join(json.dumps(event) for event in events).encode()
    answer = session.post(f"{system.eventd.url}/api/v1/events/batch", data=body, timeout=60,
                          headers={"Content-Type": "application/x-ndjson"})
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def indexed(system, buckets):
    """Every event of the index by id; events are in buckets (createdBy) of at most BUCKET."""
    found = {}
    for bucket in range(buckets):
        for hit in system.search(createdBy=f"bucket-{bucket}", limit=1000)["hits"]:
            found[hit["id"]] = hit["event"]
    return found


def test_a_title_and_a_category_are_enough(system):
    made = system.post({"title": "Night of the Bandoneon", "category": "Tango"})
    assert made.status_code == 201, made.text
    system.wait_total(1, q="bandoneon")
    (hit,) = system.search(category="Tango")["hits"]
    assert hit["id"] == made.json()["id"] and hit["event"]["version"] == made.json()["version"]


def test_digits_and_letters_arrive_as_they_were_sent(system):
    made = requests.post(f"{system.eventd.url}/api/v1/events", headers={"Content-Type": "application/json"}, timeout=10, data=(
        '{"title": "Ça va? \\u0416 <b>&\\"quotes\\"</b> \U0001f3b7", "price": 12.50, "description": "tab\\tand\\nline"}').encode())
    assert made.status_code == 201, made.text
    system.wait_total(1)
    text = requests.get(f"{system.searchd.url}/api/search/events/{made.json()['id']}", timeout=10).text
    assert '"price":12.50' in text
    event = json.loads(text)["event"]
    assert event["title"] == 'Ça va? Ж <b>&"quotes"</b> \U0001f3b7' and event["description"] == "tab\tand\nline"


def test_a_thousand_creates_updates_and_deletes(system):
    count, url = 1000, f"{system.eventd.url}/api/v1/events"
    events = [{"title": f"Concert {number}", "city": "Paris", "createdBy": f"bucket-{number % 2}"} for number in range(count)]
    made = [result["id"] for result in batch(system, events)]
    system.wait_total(count)
    session = requests.Session()
    for number, event_id in enumerate(made):
        if number % 3 == 0:
            assert session.patch(f"{url}/{event_id}", json={"city": "Lyon", "price": number}, timeout=10).status_code == 200
        elif number % 3 == 1:
            assert session.put(f"{url}/{event_id}", json={"title": f"Recital {number}", "createdBy": f"bucket-{number % 2}"}, timeout=10).status_code == 200
        else:
            assert session.delete(f"{url}/{event_id}", timeout=10).status_code == 204
    deleted, patched, put = count // 3, (count + 2) // 3, (count + 1) // 3
    system.wait_total(count - deleted)
    system.wait_total(patched, city="Lyon")
    system.wait_total(put, q="recital")
    system.wait_total(0, city="Paris")
    for event_id, event in indexed(system, 2).items():
        stored = session.get(f"{url}/{event_id}", timeout=10)
        assert stored.status_code == 200
        assert event == stored.json(), "store and index agree"


def restart_in_the_middle(system, victim):
    ids = []
    for part in range(6):
        events = [{"title": f"Part {part} number {number}", "createdBy": f"bucket-{part}"} for number in range(BUCKET)]
        ids += [result["id"] for result in batch(system, events)]
        if part in (1, 3):
            victim.kill()
        if part == 4:
            assert victim.stop() == 0
        if part in (1, 3, 4):
            victim.start()
            wait_for(victim.alive, f"{victim.name} to live")
    system.wait_total(len(ids))
    assert set(indexed(system, 6)) == set(ids)


@pytest.mark.slow
def test_restart_of_eventd_in_the_middle(system):
    restart_in_the_middle(system, system.eventd)


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["indexer", "searchd"])
def test_restart_in_the_middle(kafka, make_system, engine, victim):
    system = make_system(kafka.brokers, **engine).start()
    restart_in_the_middle(system, getattr(system, victim))


FULL, SOME = 44705, 6000


def load_of(count):
    """The sample again and again, under other ids."""
    with gzip.open(ROOT / "data" / "events-sample.jsonl.gz", "rt") as lines:
        sample = [json.loads(line) for line in lines]
    for number in range(count):
        event = sample[number % len(sample)]
        yield {"id": str(uuid.uuid5(uuid.NAMESPACE_OID, str(number))), "createdBy": f"bucket-{number // BUCKET}",
               **{name: event[name] for name in ("title", "description", "category", "city", "country") if event[name]}}


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["xapian", "opensearch"], indirect=True)  # the others: test_crash.py
def test_kills_at_any_moment_of_a_load(own_kafka, make_system, engine):
    """A writer that tries again until every event is acknowledged; meanwhile everything dies in turn."""
    system = make_system(own_kafka.brokers, **engine).start()
    events, rng = list(load_of(FULL if system.plugin == "xapian" else SOME)), random.Random(3)
    kills, least, killed, done = 0, 8, threading.Condition(), threading.Event()

    def write():
        session, size = requests.Session(), len(events) // 80
        for number, start in enumerate(range(0, len(events), size)):
            waiting = events[start:start + size]
            with killed:  # the load is to last as long as the kills
                killed.wait_for(lambda: number * least <= (kills + 1) * 80, timeout=60)
            while waiting:
                try:
                    results = batch(system, waiting, session)
                except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError, AssertionError):
                    continue
                waiting = [event for event, result in zip(waiting, results) if result["status"] not in (201, 409)]
        done.set()
    writer = threading.Thread(target=write)
    writer.start()
    while not done.wait(rng.uniform(0.2, 1.2)) or kills < least:
        victim = (system.eventd, system.indexer, own_kafka, system.searchd)[kills % 4]
        victim.kill()
        victim.start()
        with killed:
            kills += 1
            killed.notify()
    writer.join()
    for daemon in (system.eventd, system.indexer, system.searchd):
        wait_for(daemon.alive, f"{daemon.name} to live")
    system.wait_total(len(events), deadline=180)
    found = indexed(system, len(events) // BUCKET + 1)
    assert set(found) == {event["id"] for event in events}
    expected = {event["id"]: event["title"] for event in events}
    assert all(event["title"] == expected[event_id] for event_id, event in found.items())
