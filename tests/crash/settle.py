# SPDX-License-Identifier: MIT
"""When everything has come to rest: store = model, index = store, positions = ends of the log, dead letters
= what was poison. Looks over HTTP and into Kafka by itself, and asks `weir verify` as well."""
import contextlib
import json
import time

import confluent_kafka
import requests

from load import parse
from model import ABSENT, DELETED
from processes import TOPICS, wait_for, weir

DEADLINE = 120
PAGE = 1000
VERIFY_EVERY, VERIFY_ALWAYS = 5, 8000  # settlings; events


class LogReader:
    """Reads the topics on from where it was."""

    def __init__(self, brokers):
        self.consumer = confluent_kafka.Consumer({
            "bootstrap.servers": brokers, "group.id": "torture-looks", "enable.auto.commit": False,
            "fetch.wait.max.ms": 20, "reconnect.backoff.max.ms": 500, "log_level": 0})
        self.next = {}

    def ends(self, topics):
        places = [(topic, partition) for topic in topics
                  for partition in self.consumer.list_topics(topic, timeout=30).topics[topic].partitions]
        return {place: self.consumer.get_watermark_offsets(confluent_kafka.TopicPartition(*place), timeout=30)[1]
                for place in places}

    def read(self, topics):
        """Every message since the last time."""
        ends = self.ends(topics)
        left = {place for place, end in ends.items() if self.next.get(place, 0) < end}
        self.consumer.assign([confluent_kafka.TopicPartition(*place, self.next.get(place, 0)) for place in left])
        until = time.monotonic() + DEADLINE
        while left:
            message = self.consumer.poll(1)
            assert time.monotonic() < until, f"the log's end was not reached in {left}"
            if message is None or message.error():
                continue
            place = (message.topic(), message.partition())
            self.next[place] = message.offset() + 1
            if self.next[place] >= ends[place]:
                left.discard(place)
            yield message
        self.consumer.unassign()


class Settler:
    def __init__(self, torture):
        self.torture, self.system, self.model = torture, torture.system, torture.model
        self.log = LogReader(torture.kafka.brokers)
        self.session = requests.Session()
        self.poison = {}   # origin -> (key, value)
        self.letters = {}  # origin -> how often
        self.count = self.seconds = 0

    def get(self, daemon, path, **parameters):
        return self.session.get(f"{daemon.url}{path}", params=parameters, timeout=DEADLINE)

    def positions(self):
        answer = self.get(self.system.indexer, "/api/ingest/positions")
        if answer.status_code != 200:
            return {}
        return {(each["topic"], each["partition"]): each["position"] or 0 for each in answer.json()["positions"]}

    def has_come_to_rest(self):
        # Kafka: a broker that is just back does not lead its partitions yet
        with contextlib.suppress(requests.ConnectionError, confluent_kafka.KafkaException):
            return self.system.eventd.metric("weir_eventd_outbox_rows") == 0 and \
                self.system.eventd.metric("weir_eventd_relay_inflight") == 0 and \
                self.positions() == self.log.ends(TOPICS) and self.system.searchd.ready()
        return False

    def wait(self):
        try:
            wait_for(self.has_come_to_rest, "everything to come to rest", DEADLINE)
        except AssertionError as failure:
            state = {"outbox": self.system.eventd.metric("weir_eventd_outbox_rows"), "positions": self.positions(),
                     "ends": self.log.ends(TOPICS)}
            state.update({d.name: self.get(d, "/health/ready").text for d in self.torture.daemons})
            raise AssertionError(f"{failure}: {state}") from None

    def stored(self):
        """Every event of the store, by id."""
        found, cursor = {}, {}
        while True:
            answer = self.get(self.system.eventd, "/api/v1/events", limit=PAGE, **cursor)
            assert answer.status_code == 200, f"eventd: {answer.status_code} {answer.text}"
            page = parse(answer)
            found.update((event["id"], event) for event in page["events"])
            if not page.get("nextCursor"):
                return found
            cursor = {"cursor": page["nextCursor"]}

    def indexed(self):
        """Every event that a search for everything finds, by id; nothing changes while the pages are read."""
        found, count, total = {}, 0, 1
        while count < total:
            answer = self.get(self.system.searchd, "/api/search/events", sort="createdAt", limit=PAGE, offset=count)
            assert answer.status_code == 200, f"searchd: {answer.status_code} {answer.text}"
            page = parse(answer)
            found.update((hit["id"], hit["event"]) for hit in page["hits"])
            count, total = count + len(page["hits"]), page["total"]
            assert page["hits"] or count == total, f"total {total}, and {count} were found"
        assert len(found) == count, "a search finds an event twice"
        return found

    def find(self, event_id):
        answer = self.get(self.system.eventd, f"/api/v1/events/{event_id}")
        assert answer.status_code in (200, 404, 410), answer.text
        return {404: ABSENT, 410: DELETED}.get(answer.status_code) or parse(answer)

    def check_store(self):
        live = self.stored()
        self.model.settle(live, self.find)
        deleted = [entry.id for entry in self.model.entries.values() if entry.state == DELETED]
        for event_id in self.torture.rng.sample(deleted, min(10, len(deleted))):
            assert self.find(event_id) == DELETED, f"store: {event_id} was deleted"
            assert self.get(self.system.searchd, f"/api/search/events/{event_id}").status_code == 404, \
                f"index: {event_id} was deleted"
        return live

    def check_index(self, live):
        """Document for document: what a search for everything finds is what the store has."""
        found = self.indexed()
        assert not live.keys() - found.keys(), f"index: lost {sorted(live.keys() - found.keys())[:5]}"
        assert not found.keys() - live.keys(), f"index: too many {sorted(found.keys() - live.keys())[:5]}"
        for event_id, stored in live.items():
            assert found[event_id] == stored, f"index: {event_id} is {found[event_id]}, the store has {stored}"
        for event_id in self.torture.rng.sample(sorted(live), min(20, len(live))):
            got = parse(self.get(self.system.searchd, f"/api/search/events/{event_id}"))
            assert got["version"] == live[event_id]["version"] and got["event"] == live[event_id], f"get: {got}"

    def check_letters(self):
        """Each poison message has a dead letter with its bytes, and nothing else has one."""
        for message in self.log.read(TOPICS):
            if (message.key() or b"").startswith(b"poison-"):
                self.poison[message.topic(), message.partition(), message.offset()] = (message.key(), message.value())
        for letter in self.log.read(["events.dlq"]):
            headers = {name: value.decode() for name, value in letter.headers()}
            origin = (headers["weir-topic"], int(headers["weir-partition"]), int(headers["weir-offset"]))
            assert headers["weir-error"], f"a dead letter without a reason: {headers}"
            assert self.poison.get(origin) == (letter.key(), letter.value()), \
                f"a dead letter that should not be: {headers} {letter.key()} {letter.value()}"
            self.letters[origin] = self.letters.get(origin, 0) + 1
        assert not self.poison.keys() - self.letters.keys(), \
            f"no dead letter of {sorted(self.poison.keys() - self.letters.keys())[:5]}"

    def verify(self):
        settings = [f"--set={key}={value}" for key, value in self.system.settings.items()]
        done = weir("verify", "--json", "--url", self.system.eventd.url, *settings, check=False)
        assert done.returncode == 0, f"weir verify: {done.returncode} {done.stdout} {done.stderr}"
        return json.loads(done.stdout)

    def settle(self, last=False):
        """Nobody writes now. weir verify goes through all that ever was: in a long run it is asked now and then."""
        began = time.monotonic()
        self.wait()
        self.torture.note("at rest")
        live = self.check_store()
        self.check_index(live)
        self.check_letters()
        self.torture.note("compared")
        if last or self.count % VERIFY_EVERY == 0 or len(self.model.entries) < VERIFY_ALWAYS:
            self.verify()
        self.count += 1
        self.seconds += time.monotonic() - began
