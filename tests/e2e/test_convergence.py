# SPDX-License-Identifier: MIT
"""Long random histories over a real Kafka, with crashes and replays from zero while they go on: in the end every event
is what a model makes of the set of its messages, whatever came when and how often. The model knows nothing of merging
one by one. WEIR_SEED repeats a run."""
import base64
import contextlib
import json
import os
import random
import shutil
import sqlite3
import struct
import threading
import time

import confluent_kafka
import pytest
import requests

from processes import TOPICS, wait_for
from test_indexer import start_pair

IDS, MESSAGES = 60, 4000
KINDS = {"created": "EventCreatedEvent", "updated": "EventUpdatedEvent", "deleted": "EventDeletedEvent"}
VALUES = {
    "title": [f"Weir {word}" for word in ("opera", "café", 'night "A"', "zoo", "jazz", "\U0001f600")],
    "city": ["Oslo", "Bergen", "", "Ås"],
    "price": ["12.50", "12.5", "0", "-1e3", "79228162514264337593543950335"],
    "note": ['["b",{"a":null}]', "true", "1.0"],  # the schema does not name it
}


def canonical(name, value):
    """The JSON that a value is kept as; null is a value too."""
    if value is None:
        return "null"
    return value if name in ("price", "note") else json.dumps(value, ensure_ascii=False)


class Message:
    def __init__(self, rng, event_id):
        self.id = event_id
        self.kind = rng.choices(list(KINDS), (4, 9, 2))[0]
        self.version = rng.choice((rng.randint(-3, 3), rng.randint(-40, 40), rng.randint(-40, 40)))
        self.fields = {}
        if self.kind != "deleted":
            names = [name for name in VALUES if rng.random() < (0.7 if self.kind == "created" else 0.4)]
            self.fields = {name: rng.choice([*values, None]) for name, values in VALUES.items() if name in names}

    def members(self, style):
        spell = {"pascal": lambda name: name[0].upper() + name[1:], "camel": str, "snake": str.lower}[style]
        key = {"pascal": "EventId", "camel": "eventId", "snake": "event_id"}[style]
        return [f'"{key}":{json.dumps(self.id)}',
                *(f'"{spell(name)}":{canonical(name, value)}' for name, value in self.fields.items())]

    def bytes(self, rng):
        """Key, value and headers in one of the shapes that mean the same."""
        kind, version = KINDS[self.kind], str(self.version)
        shape = rng.choice(("dotnet", "bare", "cloudevents", "base64", "binary", "connect", "framed", "text"))
        body = "{" + ",".join(self.members(rng.choice(("pascal", "camel", "snake")))) + "}"
        versioned = body[:-1] + f',"Version":{version}}}'
        if shape == "bare":
            return self.id, versioned, []
        if shape in ("cloudevents", "base64"):
            data = (f'"data":{versioned}' if shape == "cloudevents" else
                    f'"data_base64":"{base64.b64encode(versioned.encode()).decode()}"')
            return self.id, f'{{"specversion":"1.0","id":"x","source":"s","type":"org.example.{kind}",{data}}}', []
        if shape == "binary":
            return self.id, versioned, [("ce_specversion", "1.0"), ("ce_type", kind)]
        if shape == "connect":
            return (f'{{"schema":{{"type":"string","optional":false}},"payload":"{self.id}"}}',
                    f'{{"schema":null,"payload":{versioned}}}', [])
        headers = [("EventType", kind), ("Version", version)]
        if shape == "framed":
            return self.id, struct.pack(">bI", 0, 7) + body.encode(), headers
        return (f'"{self.id}"', json.dumps(body), headers) if shape == "text" else (self.id, body, headers)


def model(messages):
    """What the set of an event's messages comes to: the event, or None where it cannot be seen."""
    deletes = [message.version for message in messages if message.kind == "deleted"]
    alive = [message for message in messages
             if message.kind != "deleted" and (not deletes or message.version > max(deletes))]
    event, version = {}, max(deletes, default=None)
    for name in VALUES:
        writers = [(message.version, message.kind == "updated", canonical(name, message.fields[name]).encode(), message)
                   for message in alive if name in message.fields]
        if not writers:
            continue
        best = max(writers, key=lambda writer: writer[:3])
        version = best[0] if version is None else max(version, best[0])
        if best[3].fields[name] is not None:
            event[name] = best[2].decode()
    return {**event, "version": str(version)} if "title" in event else None


class Traffic(threading.Thread):
    """Sends every message once to three times, in one random order, some to a partition of their own."""

    def __init__(self, kafka, rng, messages):
        super().__init__(daemon=True)
        self.kafka, self.rng = kafka, rng
        self.sending = [message for message in messages for _ in range(rng.choice((1, 1, 1, 2, 3)))]
        rng.shuffle(self.sending)
        self.sent, self.allowed, self.failed = 0, 0, None

    def run(self):
        try:
            producer = self.kafka.producer(**{"linger.ms": 2})
            for message in self.sending:
                while self.sent >= self.allowed:
                    time.sleep(0.005)  # the test says how far; poll
                key, value, headers = message.bytes(self.rng)
                where = {"partition": self.rng.randrange(3)} if self.rng.random() < 0.2 else {}
                producer.produce(f"events.{message.kind}", key=key, value=value, headers=headers, **where)
                producer.poll(0)
                self.sent += 1
            assert producer.flush(60) == 0
        except Exception as failure:  # pylint: disable=broad-except
            self.failed = failure


def log_ends(kafka):
    """Where the log ends; None while topics are new to the client."""
    with contextlib.suppress(confluent_kafka.KafkaException):
        return kafka.ends()
    return None


def has_read_all(ends, system):
    positions = requests.get(f"{system.indexer.url}/api/ingest/positions", timeout=5).json()["positions"]
    held = {(each["topic"], each["partition"]): each["position"] or 0 for each in positions}
    return all(held.get(place, 0) >= end for place, end in ends.items())


def found(system, event_id):
    answer = requests.get(f"{system.searchd.url}/api/search/events/{event_id}", timeout=10)
    if answer.status_code == 404:
        return None
    assert answer.status_code == 200, answer.text
    event = json.loads(answer.text, parse_int=str, parse_float=str)["event"]
    del event["id"]
    for name in ("title", "city"):
        if name in event:
            event[name] = canonical(name, event[name])
    if "note" in event:
        text = answer.text[answer.text.index('"note":') + 7:]
        event["note"] = next(value for value in VALUES["note"] if text.startswith(value))
    return event


class Disturbance:
    """What happens to the indexer meanwhile."""

    def __init__(self, kafka, system, rng):
        self.kafka, self.system, self.done = kafka, system, []
        self.coming = [self.crash, self.forget_positions, self.forget_all, self.reset_group] * 2
        rng.shuffle(self.coming)

    def crash(self):
        self.system.indexer.kill()

    def forget_positions(self):
        """The same documents, and the log from its beginning."""
        self.system.indexer.stop()
        index = self.system.folder / "index.sqlite"
        if not index.exists():
            return self.forget_all()
        with sqlite3.connect(index) as connection:
            connection.execute("DELETE FROM positions")
        connection.close()
        return None

    def forget_all(self):
        """An empty index, and the log from its beginning."""
        self.system.indexer.kill()
        for path in self.system.folder.glob("index*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def reset_group(self):
        """Positions are the index's, so this changes nothing."""
        self.system.indexer.stop()
        places = [confluent_kafka.TopicPartition(topic, partition, 0) for topic in TOPICS for partition in range(3)]
        consumer = confluent_kafka.Consumer({"bootstrap.servers": self.kafka.brokers, "group.id": "eventsearch-group"})
        consumer.commit(offsets=places, asynchronous=False)
        consumer.close()

    def happen(self):
        what = self.coming.pop()
        self.done.append(what.__name__)
        what()
        self.system.indexer.start()
        wait_for(self.system.indexer.alive, "the indexer to live again")


def seed():
    value = int(os.environ.get("WEIR_SEED", random.randrange(1 << 32)))
    print(f"WEIR_SEED={value}")
    return value


def expired(system):
    """How often tombstones went."""
    return system.indexer.log().count("event=expire ")


@pytest.mark.slow
@pytest.mark.parametrize("plugin, retention", [("sqlite", "7d"), ("xapian", "7d"), ("sqlite", "50ms")])
def test_long_histories_end_as_the_model_says(kafka, make_system, plugin, retention):
    """Where tombstones go at once, what is older than a delete comes back when it is late, and that is no mistake; one
    replay of the whole log puts it right."""
    rng = random.Random(seed())
    messages = [Message(rng, f"event-{rng.randrange(IDS)}") for _ in range(MESSAGES)]
    first = start_pair(make_system(kafka.brokers, plugin=plugin, indexer__batch_count=rng.choice((3, 17, 200)),
                                   indexer__batch_time="5ms", indexer__tombstone_retention=retention))
    second = make_system(kafka.brokers, plugin="xapian" if plugin == "sqlite" else "sqlite", kafka__group="another")
    traffic = Traffic(kafka, random.Random(rng.random()), messages)
    disturbance = Disturbance(kafka, first, rng)
    traffic.start()
    rounds = len(disturbance.coming)
    for number in range(1, rounds + 1):
        traffic.allowed = len(traffic.sending) * number // rounds
        disturbance.happen()
        if number == rounds // 2:
            second.start()
    wait_for(lambda: traffic.failed or not traffic.is_alive(), "everything to be sent")
    assert traffic.failed is None
    ends = wait_for(lambda: log_ends(kafka), "the ends of the log")
    if retention != "7d":
        wait_for(lambda: has_read_all(ends, first), "everything to be read")
        wait_for(lambda: expired(first), "tombstones to go")
        disturbance.forget_positions()
        first.indexer.start()
        wait_for(first.indexer.alive, "the indexer to live again")
    wanted = {event_id: model([message for message in messages if message.id == event_id])
              for event_id in {message.id for message in messages}}
    for system in (first, second):
        wait_for(lambda: has_read_all(ends, system), "everything to be read")
        for event_id, event in wanted.items():
            wait_for(lambda: found(system, event_id) == event, f"{event_id} to be {event}")
        system.wait_total(sum(event is not None for event in wanted.values()))
    assert kafka.read_all("events.dlq") == []
    print(f"{len(traffic.sending)} messages of {len(wanted)} events, {sum(map(bool, wanted.values()))} visible, "
          f"{disturbance.done}, tombstones went {expired(first)} times")
