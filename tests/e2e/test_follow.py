# SPDX-License-Identifier: MIT
"""[eventd] follow, for a broker that forgets: the relay stays near the index, and sends again what
neither this broker nor the index has. The index is played by the test."""
import http.server
import json
import threading

import pytest

import processes
from processes import TOPICS, wait_for
from test_eventd import Client


class Index:
    """Answers GET /api/ingest/positions as the indexer does."""

    def __init__(self):
        self.positions, self.status = {}, 200
        index = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = json.dumps({"positions": [
                    {"cluster": cluster, "topic": topic, "partition": partition, "position": position,
                     "end": None, "lagMessages": None, "lagMs": None}
                    for (cluster, topic, partition), position in index.positions.items()]}).encode()
                self.send_response(index.status if self.path == "/api/ingest/positions" else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def read_all(self, kafka, cluster):
        """The index now holds what the log holds."""
        for topic in TOPICS:
            for partition in range(3):
                self.positions.setdefault((cluster, topic, partition), 0)
            for message in kafka.read_all(topic):
                at = (cluster, topic, message.partition())
                self.positions[at] = max(self.positions[at], message.offset() + 1)


@pytest.fixture
def index():
    made = Index()
    yield made
    made.server.shutdown()


@pytest.fixture
def follower(tmp_path, kafka, index):
    made = []

    def make(cluster, **settings):
        made.append(processes.System(tmp_path, kafka.brokers, kafka__cluster=cluster,
                                     eventd__follow=index.url, **settings))
        return Client(made[-1])

    yield make
    for system in made:
        system.kill()


def create(client, count, size=100):
    lines = client.batch([{"title": f"Number {n}", "description": "x" * size} for n in range(count)]).text
    return [json.loads(line)["id"] for line in lines.splitlines()]


def sent(client):
    return client.daemon.metric("weir_eventd_relayed_total")


def forget(kafka):
    """As a development broker does when it ends."""
    kafka.delete_topics()
    kafka.create_topics()


def keys(kafka, topic="events.created"):
    return sorted(message.key().decode() for message in kafka.read_all(topic))


@pytest.mark.slow
def test_the_relay_stays_near_the_index(kafka, index, follower):
    client = follower("first", eventd__follow_bytes=200_000).start()
    made = create(client, 1000, 1000)
    done, steps = 0, 0
    while done < 1000:
        wait_for(lambda: sent(client) > done, "more to be sent")
        wait_for(lambda: client.daemon.metric("weir_eventd_relay_inflight") == 0, "a pause")
        done = sent(client)
        in_log = sum(len(message.value()) for message in kafka.read_all("events.created"))
        in_index = sum(len(message.value()) for message in kafka.read_all("events.created")
                       if message.offset() < index.positions.get(("first", "events.created", message.partition()), 0))
        assert in_log - in_index <= 200_000
        index.read_all(kafka, "first")
        steps += 1
    assert steps >= 5 and keys(kafka) == sorted(made)


def test_one_message_larger_than_the_window_goes_alone(kafka, index, follower):
    client = follower("first", eventd__follow_bytes=65_536).start()
    create(client, 2, 90_000)
    wait_for(lambda: sent(client) == 1, "the first")
    index.read_all(kafka, "first")
    wait_for(lambda: sent(client) == 2, "the second")


def test_a_new_broker_gets_what_the_index_has_not(kafka, index, follower):
    client = follower("first").start()
    indexed = create(client, 50)
    client.send("PATCH", indexed[0], {"city": "A"})
    wait_for(lambda: sent(client) == 51, "all to be sent")
    index.read_all(kafka, "first")
    missing = create(client, 30)
    client.send("PATCH", indexed[1], {"city": "B"})
    client.send("DELETE", indexed[2])
    wait_for(lambda: sent(client) == 83, "the rest to be sent")
    assert client.daemon.stop() == 0
    forget(kafka)
    client = follower("second").start()
    wait_for(lambda: client.daemon.metric("weir_eventd_outbox_rows") == 0 and sent(client) == 32,
             "what the index has not to be sent again")
    assert keys(kafka) == sorted(missing)
    assert keys(kafka, "events.updated") == [indexed[1]] and keys(kafka, "events.deleted") == [indexed[2]]
    # What the second broker was given and the index read counts, and the first one's too.
    index.read_all(kafka, "second")
    assert client.daemon.stop() == 0
    forget(kafka)
    client = follower("third").start()
    last = client.create()["id"]
    wait_for(lambda: client.daemon.metric("weir_eventd_outbox_rows") == 0, "the outbox to be empty")
    assert keys(kafka) == [last] and keys(kafka, "events.updated") == []


def test_a_lost_index_gets_everything_again(kafka, index, follower):
    client = follower("first").start()
    made = create(client, 50)
    wait_for(lambda: sent(client) == 50, "all to be sent")
    index.read_all(kafka, "first")
    assert client.daemon.stop() == 0
    forget(kafka)
    index.positions.clear()
    client = follower("second").start()
    wait_for(lambda: sent(client) == 50, "all to be sent again")
    assert keys(kafka) == sorted(made)


def test_the_same_broker_is_not_sent_anything_again(kafka, index, follower):
    client = follower("first").start()
    create(client, 50)
    wait_for(lambda: sent(client) == 50, "all to be sent")
    assert client.daemon.stop() == 0
    client.start()
    index.read_all(kafka, "first")
    last = client.create()["id"]
    wait_for(lambda: client.daemon.metric("weir_eventd_outbox_rows") == 0, "the outbox to be empty")
    assert len(keys(kafka)) == 51 and last in keys(kafka)


def test_an_indexer_that_is_away_is_waited_for(kafka, index, follower):
    index.status = 503
    client = follower("first").start()
    create(client, 10)
    wait_for(lambda: "event=follow state=waits" in client.daemon.log(), "a line about the indexer")
    assert client.daemon.ready() and sent(client) == 0
    index.status = 200
    wait_for(lambda: sent(client) == 10, "all to be sent")
    assert client.daemon.log().count("event=follow") == 2
