# SPDX-License-Identifier: MIT
"""Three brokers: a leader killed under load, and an unclean election that takes back what was read. And
another cluster at the same address."""
import contextlib
import re
import shutil

import confluent_kafka
import confluent_kafka.admin
import pytest

from processes import Kafka, free_port, kafka_missing, wait_for
from test_weather_log import fresh, lines, places, position, produce

SMALL = "events.deleted"  # one partition, on the brokers 1 and 2


class Cluster:
    """Three brokers, each a controller too."""

    def __init__(self, folder):
        voters = {node: free_port() for node in (1, 2, 3)}
        cluster = Kafka.new_cluster()
        self.nodes = {node: Kafka(folder / f"kafka-{node}", "320m", node, voters, cluster, log__cleaner__dedupe__buffer__size=4000000,
                                  broker__session__timeout__ms=9000, unclean__leader__election__enable="true",
                                  controlled__shutdown__enable="false") for node in voters}
        for broker in self.nodes.values():
            broker.launch()
        self.brokers = ",".join(broker.brokers for broker in self.nodes.values())
        self.wait_up()

    def wait_up(self):
        def up():
            running = [broker for broker in self.nodes.values() if broker.running()]
            return all(len(broker.answers() or {}) == len(running) for broker in running)
        wait_for(up, "the brokers to know each other")

    def any(self):
        return next(broker for broker in self.nodes.values() if broker.running())

    def create(self, topic, replicas=([1, 2, 3], [2, 3, 1], [3, 1, 2])):
        admin = self.any().admin()
        new = confluent_kafka.admin.NewTopic(topic, len(replicas), replica_assignment=list(replicas))
        failure = admin.create_topics([new])[topic].exception(60)  # of a try whose answer was late: it exists
        assert not failure or "already exists" in str(failure), failure
        wait_for(lambda: self.leader(topic) in replicas[0], f"{topic} to have a leader")

    def leader(self, topic):
        with contextlib.suppress(confluent_kafka.KafkaException):  # nobody answers just now
            partitions = self.any().admin().list_topics(topic, timeout=10).topics[topic].partitions
            return partitions[0].leader if partitions else None
        return None

    def producer(self, **settings):
        return confluent_kafka.Producer({"bootstrap.servers": self.brokers, **settings})

    produce = Kafka.produce

    def stop(self):
        for broker in self.nodes.values():
            broker.kill()


@pytest.fixture
def cluster(tmp_path):
    missing = kafka_missing()
    if missing:
        pytest.skip(missing)
    made = Cluster(tmp_path / "cluster")
    made.create("events.created")
    made.create("events.updated")
    made.create("events.dlq")
    made.create("events.deleted", [[1, 2]])
    yield made
    made.stop()


def lag(system):
    return sum(row["lagMessages"] or 0 for row in places(system).values())


@pytest.mark.slow
def test_a_leader_killed_under_load_and_then_an_unclean_election(cluster, make_system):
    """All that eventd acknowledged arrives, although the leader of some of it dies meanwhile. Then what only
    the other leader has is read, and that one is lost, and a broker elected that never had it."""
    system = make_system(cluster.brokers).start()
    for daemon in (system.indexer, system.searchd):
        wait_for(daemon.ready, f"{daemon.name} to be ready")
    produce(cluster, 4, "Oslo", topic=SMALL)  # by the header they are creates
    system.wait_total(4, city="Oslo")
    leader = cluster.leader(SMALL)
    other = 3 - leader
    for number in range(300):
        assert system.post({"title": f"Under load {number}", "city": "Lima"}).status_code == 201
        if number == 100:
            cluster.nodes[other].kill()
    system.wait_total(300, city="Lima")
    wait_for(lambda: system.eventd.metric("weir_eventd_outbox_rows") == 0, "the outbox to be empty")
    produce(cluster, 6, "Atlantis", topic=SMALL)
    system.wait_total(6, city="Atlantis")
    wait_for(lambda: fresh(system) and system.indexer.ready(), "nothing to be missing")
    assert not system.indexer.metric("weir_indexer_dead_letters_total") and not lines(system.indexer, "lost")
    cluster.nodes[leader].kill()
    cluster.nodes[other].launch()
    wait_for(lambda: cluster.leader(SMALL) == other, "the unclean election")
    produce(cluster, 3, "Bergen", topic=SMALL)
    system.wait_total(3, city="Bergen")
    wait_for(lambda: fresh(system) and lag(system) == 0 and system.indexer.ready(), "nothing to be missing")
    assert position(system, topic=SMALL) == 7 and system.total() == 313
    said = [line for line in lines(system.indexer, "log") if f"topic={SMALL}" in line]
    assert len(said) == 1 and re.search("state=(truncated|anew) .* position=10 begin=0 end=[4567] ", said[0]), said
    # Whatever else the failures brought about, nothing is missing.
    assert len(lines(system.indexer, "lost")) == 0


def test_another_cluster_at_the_same_address(own_kafka, make_system):
    system = make_system(own_kafka.brokers).start()
    for number in range(5):
        assert system.post({"title": f"Before {number}", "city": "Oslo"}).status_code == 201
    system.wait_total(5)
    own_kafka.kill()
    shutil.rmtree(own_kafka.folder / "data")
    cluster = Kafka.new_cluster()
    own_kafka.format(cluster)
    own_kafka.start()
    own_kafka.create_topics()
    produce(own_kafka, 8, "Bergen")
    system.wait_total(8, city="Bergen")
    assert system.post({"title": "After", "city": "Lima"}).status_code == 201
    system.wait_total(1, city="Lima")
    assert system.total(city="Oslo") == 5
    wait_for(lambda: fresh(system) and system.indexer.ready(), "nothing to be missing")
    for daemon in (system.indexer, system.eventd):
        wait_for(lambda: f"cluster={cluster} was=" in daemon.log(), f"{daemon.name} to say that it is another cluster")
    assert not lines(system.indexer, "lost")
