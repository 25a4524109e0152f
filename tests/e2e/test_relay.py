# SPDX-License-Identifier: MIT
"""eventd's relay on a real Kafka: the wire format, and that nothing is lost or reordered whatever
dies meanwhile."""
import collections
import concurrent.futures
import datetime
import json
import re
import signal
import threading
import time

import confluent_kafka
import confluent_kafka.admin
import pytest
import requests

import processes
from processes import TOPICS, wait_for
from test_eventd import Client


@pytest.fixture
def make_client(tmp_path):
    made = []

    def make(brokers, **settings):
        made.append(processes.System(tmp_path, brokers, **settings))
        return Client(made[-1])

    yield make
    for system in made:
        system.kill()


def wait_relayed(client, deadline=60):
    wait_for(lambda: client.daemon.metric("weir_eventd_outbox_rows") == 0, "the outbox to be empty", deadline)


def headers_of(message):
    return {name: value.decode() for name, value in message.headers()}


def order_key(message):
    return message.partition(), message.offset()


def check_history(client, kafka, event_ids):
    """Every change of every event is in Kafka, and in order within each topic. Returns how many
    messages came more than once."""
    seen = collections.defaultdict(list)
    for topic in TOPICS:
        for message in sorted(kafka.read_all(topic), key=order_key):
            seen[topic, message.key().decode()].append(int(headers_of(message)["Version"]))
    topics = dict(zip(("created", "updated", "deleted"), TOPICS))
    twice = 0
    for event_id in event_ids:
        changes = client.history(event_id).json()["changes"]
        for kind, topic in topics.items():
            expected = [change["version"] for change in changes if change["type"] == kind]
            versions = seen.get((topic, event_id), [])
            first_seen = list(dict.fromkeys(versions))
            assert first_seen == expected, f"{event_id} in {topic}"
            twice += len(versions) - len(first_seen)
    return twice


def test_messages_are_byte_for_byte_those_of_the_contract(kafka, make_client):
    client = make_client(kafka.brokers).start()
    event = client.post('{"title": "Café <b>&\\"\'+`😀", "category": "Tango", "price": 12.50, '
                        '"startDate": "2026-03-01T20:00:00.5+01:00", "createdBy": "ann"}').json()
    second = client.send("PATCH", event["id"], {"price": None, "city": "Köln", "updatedBy": "bob"}).json()
    third = client.send("PUT", event["id"], {"title": "New", "city": "Köln"}).json()
    deleted = client.send("DELETE", event["id"]).headers["Weir-Token"].split("@")[1]
    wait_relayed(client)
    created, updated, gone = (sorted(kafka.read_all(topic), key=order_key) for topic in TOPICS)
    assert [len(created), len(updated), len(gone)] == [1, 2, 1]
    name = event["id"]
    assert created[0].value() == (
        '{"EventId":"%s","Title":"Caf\\u00E9 \\u003Cb\\u003E\\u0026\\u0022\\u0027\\u002B\\u0060\\uD83D\\uDE00",'
        '"Description":null,"Category":"Tango","Location":null,"City":null,"Country":null,"Price":12.50,'
        '"StartDate":"2026-03-01T19:00:00.5Z","EndDate":null,"CreatedAt":"%s","CreatedBy":"ann"}'
        % (name, event["createdAt"])).encode()
    assert updated[0].value() == (
        '{"EventId":"%s","City":"K\\u00F6ln","Price":null,"UpdatedAt":"%s","UpdatedBy":"bob"}'
        % (name, second["updatedAt"])).encode()
    assert updated[1].value() == (
        '{"EventId":"%s","Title":"New","Category":null,"StartDate":null,"UpdatedAt":"%s","UpdatedBy":null}'
        % (name, third["updatedAt"])).encode()
    assert re.fullmatch(r'\{"EventId":"%s","DeletedAt":"[^"]+","DeletedBy":null\}' % name,
                        gone[0].value().decode())
    for message, kind, version in ((created[0], "Created", event["version"]),
                                   (updated[0], "Updated", second["version"]),
                                   (updated[1], "Updated", third["version"]), (gone[0], "Deleted", deleted)):
        assert message.key() == name.encode()
        headers = headers_of(message)
        assert set(headers) == {"EventType", "Timestamp", "Version"} and len(message.headers()) == 3
        assert headers["EventType"] == f"Event{kind}Event" and headers["Version"] == str(version)
        produced = datetime.datetime.fromisoformat(headers["Timestamp"].replace("Z", "+00:00"))
        assert abs(produced.timestamp() * 1000 - message.timestamp()[1]) < 60_000


def test_a_restart_sends_nothing_twice(kafka, make_client):
    client = make_client(kafka.brokers).start()
    client.batch([{"title": f"Number {n}"} for n in range(2000)])
    wait_relayed(client)
    assert client.daemon.stop() == 0
    client.start()
    event = client.create()
    wait_relayed(client)
    messages = kafka.read_all("events.created")
    assert len(messages) == 2001 and event["id"].encode() in {message.key() for message in messages}


def test_a_stop_empties_the_outbox_first(kafka, make_client):
    client = make_client(kafka.brokers).start()
    client.create()
    wait_relayed(client)
    client.batch([{"title": f"Number {n}"} for n in range(3000)])
    assert client.daemon.stop() == 0
    assert len(kafka.read_all("events.created")) == 3001


@pytest.mark.slow
def test_kafka_that_comes_later_gets_everything(own_kafka, make_client):
    own_kafka.kill()
    client = make_client(own_kafka.brokers).start()
    made = [client.create()["id"] for _ in range(50)]
    for event_id in made:
        client.send("PATCH", event_id, {"city": "B"})
    own_kafka.start()
    wait_relayed(client)
    assert check_history(client, own_kafka, made) == 0
    assert client.daemon.log().count("state=away") <= 1 and client.daemon.log().count("state=back") <= 1


def test_a_topic_that_is_missing_is_waited_for_and_holds_nobody_up(kafka, make_client):
    admin = kafka.admin()
    admin.delete_topics(["events.updated"])["events.updated"].result(30)
    wait_for(lambda: "events.updated" not in admin.list_topics(timeout=10).topics, "the topic to go")
    client = make_client(kafka.brokers).start()
    made = [client.create()["id"] for _ in range(20)]
    for event_id in made:
        client.send("PATCH", event_id, {"city": "A"})
        client.send("PATCH", event_id, {"city": "B"})
        client.send("DELETE", event_id)
    wait_for(lambda: client.daemon.metric("weir_eventd_outbox_rows") == 40, "all but the updates to be sent")
    wait_for(lambda: "topic=events.updated" in client.daemon.log(), "a line that names the topic")
    assert client.daemon.ready()
    kafka.create_topics(["events.updated"])
    wait_relayed(client)
    assert check_history(client, kafka, made) == 0
    assert client.daemon.log().count("state=waits topic=events.updated") == 1


def test_a_topic_that_goes_while_it_is_written_to_is_waited_for(kafka, make_client):
    client = make_client(kafka.brokers).start()
    load = Load(client.base)
    wait_for(lambda: load.count() > 300, "writes")
    admin = kafka.admin()
    admin.delete_topics(["events.updated"])["events.updated"].result(30)
    before = load.count()
    wait_for(lambda: load.count() > before + 300, "writes without the topic")
    load.end()
    event = client.create()
    client.send("PATCH", event["id"], {"city": "B"})
    wait_for(lambda: "topic=events.updated" in client.daemon.log(), "a line that names the topic")
    wait_for(lambda: "events.updated" not in admin.list_topics(timeout=10).topics, "the topic to go")
    kafka.create_topics(["events.updated"])
    wait_relayed(client)
    assert event["id"].encode() in {message.key() for message in kafka.read_all("events.updated")}


def test_what_is_too_large_for_the_broker_is_set_aside_alone(kafka, make_client):
    admin = kafka.admin()
    change = confluent_kafka.admin.ConfigResource(confluent_kafka.admin.ConfigResource.Type.TOPIC,
                                                  "events.created", set_config={"max.message.bytes": "20000"})
    for future in admin.alter_configs([change]).values():
        future.result(30)
    settings = {"kafka__rdkafka.compression.codec": "none", "kafka__rdkafka.linger.ms": 50}
    client = make_client(kafka.brokers, **settings).start()
    lines = [{"title": f"Number {n}", "description": "x" * (30_000 if n == 30 else 500)} for n in range(60)]
    results = [json.loads(line) for line in client.batch(lines).text.splitlines()]
    large = results[30]["id"]
    wait_relayed(client)
    assert client.daemon.metric("weir_eventd_outbox_refused_rows") == 1
    refused = [line for line in client.daemon.log().splitlines() if "state=refused" in line]
    assert len(refused) == 1 and large in refused[0]
    assert {m.key().decode() for m in kafka.read_all("events.created")} == {
        result["id"] for result in results} - {large}
    # Once the broker takes it, a restart sends it.
    change = confluent_kafka.admin.ConfigResource(confluent_kafka.admin.ConfigResource.Type.TOPIC,
                                                  "events.created", set_config={"max.message.bytes": "900000"})
    for future in admin.alter_configs([change]).values():
        future.result(30)
    assert client.daemon.stop() == 0
    client.start()
    wait_for(lambda: large.encode() in {m.key() for m in kafka.read_all("events.created")}, "the large one")


class Load:
    """Threads that create, update and delete until they are told to end; `answered` is what eventd
    acknowledged, by event."""

    def __init__(self, base, threads=6):
        self.base, self.ending = base, threading.Event()
        self.lock, self.answered = threading.Lock(), {}
        self.deleted = set()
        self.pool = concurrent.futures.ThreadPoolExecutor(threads)
        self.futures = [self.pool.submit(self.run) for _ in range(threads)]

    def note(self, answer, status):
        if answer.status_code != status:
            return None
        event_id, version = answer.headers["Weir-Token"].split("@")
        with self.lock:
            self.answered.setdefault(event_id, []).append(int(version))
        return event_id

    def run(self):
        http = requests.Session()
        n = 0
        while not self.ending.wait(0.02):  # its pace
            n += 1
            try:
                event_id = self.note(http.post(self.base, json={"title": f"Number {n}"}, timeout=30), 201)
                for price in range(3 if event_id else 0):
                    self.note(http.patch(f"{self.base}/{event_id}", json={"price": price}, timeout=30), 200)
                if event_id and n % 3 == 0:
                    self.deleted.add(event_id)  # before: its answer may be lost
                    self.note(http.delete(f"{self.base}/{event_id}", timeout=30), 204)
            except requests.RequestException:
                time.sleep(0.01)  # eventd is away; poll

    def count(self):
        with self.lock:
            return sum(map(len, self.answered.values()))

    def end(self):
        self.ending.set()
        for future in self.futures:
            future.result(60)


def check_kept(client, load):
    """Everything that was acknowledged is in the store."""
    for event_id, versions in load.answered.items():
        kept = [change["version"] for change in client.history(event_id).json()["changes"]]
        assert set(versions) <= set(kept) and kept == sorted(kept)


@pytest.mark.slow
def test_kafka_killed_and_started_during_writes_loses_and_reorders_nothing(own_kafka, make_client):
    client = make_client(own_kafka.brokers).start()
    load = Load(client.base)
    for _ in range(2):
        before = load.count()
        wait_for(lambda: load.count() > before + 200, "writes while Kafka is there")
        own_kafka.kill()
        before = load.count()
        wait_for(lambda: load.count() > before + 200, "writes while Kafka is away")
        assert client.daemon.ready()
        own_kafka.start()
    load.end()
    wait_relayed(client)
    check_kept(client, load)
    check_history(client, own_kafka, load.answered)


@pytest.mark.slow
def test_eventd_killed_during_writes_keeps_and_sends_all_it_acknowledged(kafka, make_client):
    client = make_client(kafka.brokers).start()
    load = Load(client.base)
    for _ in range(5):
        before = load.count()
        wait_for(lambda: load.count() > before + 300, "writes")
        client.daemon.kill()
        client.start()
    load.end()
    wait_relayed(client)
    check_kept(client, load)
    check_history(client, kafka, load.answered)
    alive = set(load.answered) - load.deleted
    for event_id in list(alive)[:200]:
        assert client.get(event_id).status_code == 200


@pytest.mark.slow
def test_term_during_writes_answers_what_it_took(kafka, make_client):
    client = make_client(kafka.brokers).start()
    load = Load(client.base)
    for _ in range(3):
        before = load.count()
        wait_for(lambda: load.count() > before + 200, "writes")
        assert client.daemon.stop() == 0
        client.start()
    load.end()
    wait_relayed(client)
    check_kept(client, load)
    assert check_history(client, kafka, load.answered) == 0


def test_a_second_term_ends_at_once(own_kafka, make_client):
    client = make_client(own_kafka.brokers).start()
    client.create()
    wait_relayed(client)
    own_kafka.child.send_signal(signal.SIGSTOP)
    try:
        client.create()
        client.daemon.child.terminate()
        wait_for(lambda: "event=stop" in client.daemon.log(), "the first TERM to be seen")
        client.daemon.child.terminate()
        assert client.daemon.wait(10) in (0, 130)
    finally:
        own_kafka.child.send_signal(signal.SIGCONT)
    client.start()
    wait_relayed(client)
    assert len(own_kafka.read_all("events.created")) >= 2


