# SPDX-License-Identifier: MIT
"""What the writers know of the events: a write that was acknowledged must be there; one whose answer was
lost may be there or not, and until the next settling nobody writes that event again."""
import decimal
import threading

ABSENT, DELETED = "absent", "deleted"
FIELDS = ("title", "description", "category", "location", "city", "country", "price")


def fields_of(event):
    """The fields that the writers set, of an event as eventd or searchd shows it."""
    return {name: event.get(name) for name in FIELDS}


def same_fields(left, right):
    """Prices digit for digit: as decimals of the same digits and scale."""
    def plain(value):
        return decimal.Decimal(value).as_tuple() if isinstance(value, (decimal.Decimal, int)) else value
    return all(plain(left.get(name)) == plain(right.get(name)) for name in FIELDS)


class Entry:
    """One event. state: its fields, DELETED or ABSENT; version: of the last acknowledged write. maybe: the
    state after a write whose answer was lost."""
    __slots__ = ("id", "state", "version", "maybe")

    def __init__(self, event_id, state, version):
        self.id, self.state, self.version, self.maybe = event_id, state, version, None


class Model:
    """Shared by the threads; each entry is written by one writer."""

    def __init__(self):
        self.lock = threading.Lock()
        self.entries = {}
        self.maybe_new = {}         # title -> fields, of creates whose answer and so whose id were lost
        self.creates_tried = 0      # events that may ever have come to be
        self.deletes_tried = set()  # ids; noted before the request
        self.settled_live = 0       # at the last settling
        self.deletes_settled = 0
        self.deletes_since = 0      # tried since the last settling
        self.acknowledged = self.lost = 0

    def try_creates(self, count):
        with self.lock:
            self.creates_tried += count

    def try_delete(self, event_id):
        with self.lock:
            self.deletes_tried.add(event_id)
            self.deletes_since += 1

    def add(self, event_id, state, version):
        """A new event, acknowledged."""
        with self.lock:
            assert event_id not in self.entries, f"{event_id} was made twice"
            self.entries[event_id] = Entry(event_id, state, version)
            self.acknowledged += 1
        return self.entries[event_id]

    def add_maybe(self, event_id, fields):
        """A new event of an id that we chose, whose answer was lost."""
        with self.lock:
            self.entries[event_id] = Entry(event_id, ABSENT, 0)
            self.entries[event_id].maybe = fields
            self.lost += 1

    def add_maybe_new(self, fields):
        with self.lock:
            self.maybe_new[fields["title"]] = fields
            self.lost += 1

    def change(self, entry, state, version):
        assert version >= entry.version, f"{entry.id}: version {version} after {entry.version}"
        entry.state, entry.version = state, version
        self.acknowledged += 1

    def may_change(self, entry, state):
        entry.maybe = state
        self.lost += 1

    # Settling: nobody writes now.

    def _settle_entry(self, entry, stored):
        """stored: the event of the store, DELETED or ABSENT."""
        is_event = not isinstance(stored, str)
        version = stored["version"] if is_event else None

        def is_state(state, newer):
            if isinstance(state, str) or not is_event:
                return state == stored
            return same_fields(state, stored) and (version > entry.version if newer else version == entry.version)

        if entry.maybe is not None and is_state(entry.maybe, True):
            entry.state, entry.version = entry.maybe, version if is_event else entry.version
        elif not is_state(entry.state, False):
            raise AssertionError(f"store: {entry.id} is {stored}; acknowledged: {entry.state} at {entry.version}"
                                 f"; perhaps, without an answer: {entry.maybe}")
        entry.maybe = None

    def settle(self, live, find):
        """live: every event of the store by id. find(id): what the store says of one that is not there."""
        for event_id, stored in live.items():
            if event_id not in self.entries:
                fields = self.maybe_new.pop(stored["title"], None)
                if fields is None or not same_fields(fields, stored):
                    raise AssertionError(f"store: {event_id} was never written: {stored}")
                self.entries[event_id] = Entry(event_id, fields, stored["version"])
        self.maybe_new.clear()
        forgotten = []
        for event_id, entry in self.entries.items():
            if event_id in live:
                self._settle_entry(entry, live[event_id])
            elif entry.maybe is not None or entry.state != DELETED:
                self._settle_entry(entry, find(event_id))
            if entry.state == ABSENT:
                forgotten.append(event_id)
        for event_id in forgotten:
            del self.entries[event_id]
        with self.lock:
            self.settled_live = len(live)
            self.deletes_settled = sum(1 for entry in self.entries.values() if entry.state == DELETED)
            self.deletes_since = 0
