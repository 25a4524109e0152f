# SPDX-License-Identifier: MIT
"""Tombstones that are old enough go, and with them nothing else, and nothing comes back."""
import json
import sqlite3

import pytest

from processes import wait_for
from test_convergence import has_read_all
from test_indexer import created, deleted, event, get, identity, start_pair, updated, wait_read


def start(kafka, make_system, engine, retention="200ms"):
    return start_pair(make_system(kafka.brokers, **engine, indexer__tombstone_retention=retention))


def wait_expired(system, count):
    """So many tombstones were let go of in all."""
    def gone():
        lines = [line for line in system.indexer.log().splitlines() if "event=expire " in line]
        return sum(int(line.split("tombstones=")[1].split()[0]) for line in lines)
    wait_for(lambda: gone() >= count, f"{count} tombstones to expire")
    assert gone() == count


@pytest.mark.slow
def test_what_waits_for_the_rest_does_not_expire(kafka, make_system, engine):
    """Hidden is not only what was deleted: an update that overtook its create, an event whose title was cleared, one
    that was changed after its delete. None of these is too old, ever."""
    system = start(kafka, make_system, engine)
    early, cleared, revived, gone = (identity() for _ in range(4))
    updated(kafka, early, 20, city="Lisbon")
    created(kafka, cleared, 10, title="For a while", city="Porto", price=12.50)
    updated(kafka, cleared, 20, title=None)
    updated(kafka, revived, 30, city="Faro")  # first: it is never nothing but a delete
    deleted(kafka, revived, 20)
    created(kafka, revived, 10, title="Before", city="Braga")
    wait_read(system, 6)
    created(kafka, gone, 1, title="Gone")
    deleted(kafka, gone, 2)
    wait_expired(system, 1)
    created(kafka, early, 10, title="Late", city="Porto")
    updated(kafka, cleared, 30, title="Again")
    updated(kafka, revived, 40, title="After")
    system.wait_total(3)
    assert event(system, early) == {"id": early, "title": "Late", "city": "Lisbon", "version": 20}
    assert event(system, cleared) == {"id": cleared, "title": "Again", "city": "Porto", "price": 12.5, "version": 30}
    assert event(system, revived) == {"id": revived, "title": "After", "city": "Faro", "version": 40}
    assert get(system, gone).status_code == 404


def hidden(system):
    return system.indexer.metric("weir_index_documents_hidden")


def replay(kafka, ghosts, live):
    """Sends again what was: deletes come first, and the creates that are older behind a long queue."""
    producer = kafka.producer()
    for ghost in ghosts:
        kafka.produce("events.deleted", ghost, json.dumps({"EventId": ghost}),
                      {"EventType": "EventDeletedEvent", "Version": "30"}, producer)
    for number, event_id in enumerate(live):
        created(kafka, event_id, 1000 + number, producer, title="Live")
    for ghost in ghosts:
        created(kafka, ghost, 10, producer, title="Ghost", city="Oslo")
    assert producer.flush(60) == 0


@pytest.mark.slow
@pytest.mark.parametrize("plugin", ["sqlite", "xapian"])
def test_a_replay_brings_nothing_back(kafka, make_system, plugin):
    """Tombstones went long ago. Then everything comes again: the deletes are applied at once, the older creates only
    when the deletes would be old enough to go, if time alone counted."""
    system = start(kafka, make_system, {"plugin": plugin, "indexer__batch_count": 1})
    ghosts, live = [identity() for _ in range(20)], [identity() for _ in range(30)]
    for ghost in ghosts:
        created(kafka, ghost, 10, title="Ghost", city="Oslo")
        updated(kafka, ghost, 20, title="Ghost again")
        deleted(kafka, ghost, 30)
    wait_expired(system, len(ghosts))
    system.indexer.stop()
    replay(kafka, ghosts, live * (30 if plugin == "xapian" else 80))
    system.indexer.start()
    ends = kafka.ends()
    wait_for(lambda: system.indexer.alive() and has_read_all(ends, system), "the replay to be read")
    system.wait_total(len(live))
    assert [get(system, ghost).status_code for ghost in ghosts] == [404] * len(ghosts)
    wait_for(lambda: hidden(system) == 0, "the tombstones to go once more")
    assert system.total(q="ghost") == 0
    if plugin == "sqlite":  # and now all of it, into the same index
        system.indexer.stop()
        with sqlite3.connect(system.folder / "index.sqlite") as connection:
            connection.execute("DELETE FROM positions")
        connection.close()
        system.indexer.start()
        wait_for(lambda: system.indexer.alive() and has_read_all(ends, system), "everything to be read again")
        system.wait_total(len(live))
        wait_for(lambda: hidden(system) == 0, "the tombstones to go a third time")
        assert system.total(q="ghost") == 0
