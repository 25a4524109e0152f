# SPDX-License-Identifier: MIT
"""Tombstones that are old enough go, and with them nothing else, and nothing comes back."""
from test_indexer import created, deleted, event, get, identity, start_pair, updated, wait_read
from processes import wait_for


def start(kafka, make_system, engine, retention="200ms"):
    return start_pair(make_system(kafka.brokers, **engine, indexer__tombstone_retention=retention))


def wait_expired(system, count):
    """So many tombstones were let go of in all."""
    def gone():
        lines = [line for line in system.indexer.log().splitlines() if "event=expire " in line]
        return sum(int(line.split("tombstones=")[1].split()[0]) for line in lines)
    wait_for(lambda: gone() >= count, f"{count} tombstones to expire")
    assert gone() == count


def test_what_waits_for_the_rest_does_not_expire(kafka, make_system, engine):
    """Hidden is not only what was deleted: an update that overtook its create, an event whose title was cleared, one
    that was changed after its delete. None of these is too old, ever."""
    system = start(kafka, make_system, engine)
    early, cleared, revived, gone = (identity() for _ in range(4))
    updated(kafka, early, 20, city="Lisbon")
    created(kafka, cleared, 10, title="For a while", city="Porto", price=12.50)
    updated(kafka, cleared, 20, title=None)
    created(kafka, revived, 10, title="Before", city="Braga")
    deleted(kafka, revived, 20)
    updated(kafka, revived, 30, city="Faro")
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
