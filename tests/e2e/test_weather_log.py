# SPDX-License-Identifier: MIT
"""Logs that change under the index: topics made anew under their name, messages removed before they
were read, partitions added. Every position is then of a log that is no more; the index finds out, says
so in a line, and holds what is in the new log in the end."""
import json
import re
import uuid

import confluent_kafka
import pytest
import requests

from processes import BUILD, wait_for

TOPIC = "events.created"


@pytest.fixture
def pair(kafka, make_system):
    """Indexer and searchd, without a write side."""
    system = make_system(kafka.brokers)
    system.indexer.start()
    system.searchd.start()
    system.indexer.wait_ready()
    wait_for(system.searchd.ready, "searchd to be ready")
    return system


def produce(kafka, count, city="Oslo", partition=0, topic=TOPIC, **more):
    """Creates count events in one partition, and waits for the broker."""
    producer = kafka.producer()
    for _ in range(count):
        event_id = str(uuid.uuid4())
        kafka.produce(topic, event_id, json.dumps({"EventId": event_id, "Title": "Weather report", "City": city}),
                      {"EventType": "EventCreatedEvent"}, producer, partition=partition, **more)
    assert producer.flush(30) == 0


def make_anew(kafka, topic=TOPIC, partitions=3):
    kafka.delete_topics([topic])
    kafka.create_topics([topic], partitions)


def lines(daemon, event):
    return [line for line in daemon.log().splitlines() if f" event={event} " in line]


def places(system):
    rows = requests.get(f"{system.indexer.url}/api/ingest/positions", timeout=5).json()["positions"]
    return {(row["topic"], row["partition"]): row for row in rows if row["end"] is not None}


def caught_up(system, partitions=9):
    rows = places(system).values()
    return len(rows) == partitions and all(row["lagMessages"] == 0 for row in rows)


def position(system, partition=0, topic=TOPIC):
    row = places(system).get((topic, partition))
    return row and row["position"]


def fresh(system):
    """As searchd sees it, from Kafka and the index alone."""
    return system.search(limit=0)["freshness"]["lagMessages"] == 0


# What each topic has when it was made anew; the position in the old one is 7: shorter, as long, longer.
ANEW = {"events.created": 4, "events.updated": 7, "events.deleted": 12}


def make_all_anew(kafka):
    """By the headers, everything creates events, in whatever topic."""
    for topic in ANEW:
        kafka.delete_topics([topic])
        kafka.create_topics([topic])
        produce(kafka, ANEW[topic], "Bergen", topic=topic)


def check_all_anew(kafka, pair):
    pair.wait_total(sum(ANEW.values()), city="Bergen")
    assert pair.total(city="Oslo") == 21
    pair.indexer.wait_ready()
    wait_for(lambda: caught_up(pair) and fresh(pair), "nothing to be missing")
    said = lines(pair.indexer, "log")
    assert len(said) == 3 and all("state=anew" in line and "goes_on_at=0" in line for line in said), said
    for topic, count in ANEW.items():
        assert pair.indexer.metric(f'weir_indexer_log_changes_total{{topic="{topic}",kind="anew"}}') == 1
        assert position(pair, topic=topic) == count
    return said


def test_topics_made_anew_while_the_indexer_is_down(kafka, pair):
    for topic in ANEW:
        produce(kafka, 7, "Oslo", topic=topic)
    pair.wait_total(21, city="Oslo")
    wait_for(lambda: fresh(pair), "searchd to know that nothing is missing")
    pair.indexer.kill()
    make_all_anew(kafka)
    wait_for(lambda: pair.search(limit=0)["freshness"]["lagMessages"] == sum(ANEW.values()),
             "searchd to see that the index holds nothing of the new logs")
    pair.indexer.start()
    for line in check_all_anew(kafka, pair):
        topic = re.search("topic=(\\S+)", line)[1]
        assert f"partition=0 position=7 begin=0 end={ANEW[topic]} goes_on_at=0" in line
    # The next start trusts what it finds.
    assert pair.indexer.stop() == 0
    pair.indexer.start().wait_ready()
    wait_for(lambda: caught_up(pair), "the indexer to look at all")
    assert len(lines(pair.indexer, "log")) == 3


def test_topics_made_anew_under_a_running_indexer(kafka, pair):
    for topic in ANEW:
        produce(kafka, 7, "Oslo", topic=topic)
    pair.wait_total(21, city="Oslo")
    make_all_anew(kafka)
    check_all_anew(kafka, pair)
    produce(kafka, 3, "Bergen")
    pair.wait_total(sum(ANEW.values()) + 3, city="Bergen")
    assert len(lines(pair.indexer, "log")) == 3


def test_topics_made_anew_under_a_group(kafka, make_system, tmp_path):
    """An engine that several indexers may share: the partitions come from the group, and stay with it."""
    system = make_system(kafka.brokers, plugin=BUILD / "tests" / "plugin" / "weir_shared.so",
                         backend__shared__path=tmp_path / "shared.index")
    system.indexer.start().wait_ready()
    system.searchd.start()
    for topic in ANEW:
        produce(kafka, 7, "Oslo", topic=topic)
    system.wait_total(21)
    make_all_anew(kafka)
    system.wait_total(21 + sum(ANEW.values()))
    system.indexer.wait_ready()
    wait_for(lambda: caught_up(system) and fresh(system), "nothing to be missing")
    said = lines(system.indexer, "log")
    assert len(said) == 3 and all("state=anew" in line for line in said), said


def test_topic_that_stays_away_is_waited_for(kafka, pair):
    produce(kafka, 7, "Oslo")
    pair.wait_total(7, city="Oslo")
    kafka.delete_topics([TOPIC])
    wait_for(lambda: TOPIC in json.dumps(requests.get(f"{pair.indexer.url}/health/ready", timeout=5).json()),
             "health to name the topic that is missing")
    before = len(pair.indexer.log().splitlines())
    produce(kafka, 2, topic="events.updated")  # the others go on
    pair.wait_total(9, city="Oslo")
    kafka.create_topics([TOPIC])
    produce(kafka, 1, "Bergen")
    pair.wait_total(1, city="Bergen")
    pair.indexer.wait_ready()
    assert len(pair.indexer.log().splitlines()) - before < 15


def test_eventd_goes_on_when_the_topic_is_made_anew(kafka, system):
    for number in range(5):
        assert system.post({"title": f"Before {number}"}).status_code == 201
    system.wait_total(5)
    make_anew(kafka)
    for number in range(5):
        assert system.post({"title": f"After {number}"}).status_code == 201
    system.wait_total(10)
    wait_for(lambda: system.eventd.metric("weir_eventd_outbox_rows") == 0, "the outbox to be empty")
    assert sum(kafka.ends([TOPIC]).values()) >= 5


def test_what_retention_took_is_said_exactly(kafka, pair):
    produce(kafka, 10, "Oslo")
    pair.wait_total(10)
    pair.indexer.stop()
    produce(kafka, 20, "Bergen")
    produce(kafka, 5, "Bergen", partition=1)
    kafka.delete_records(TOPIC, 0, 22)  # 10 to 21 unread
    pair.indexer.start().wait_ready()
    pair.wait_total(10 + 8 + 5)
    (line,) = lines(pair.indexer, "lost")
    assert f"topic={TOPIC} partition=0 from=10 to=21 messages=12 goes_on_at=22" in line and "level=error" in line
    assert pair.indexer.metric("weir_indexer_lost_messages_total") == 12
    assert "offsets 10 to 21" in json.dumps(requests.get(f"{pair.indexer.url}/health/ready", timeout=5).json()["notes"])
    wait_for(lambda: caught_up(pair) and fresh(pair), "nothing to be missing")
    # What was read before retention takes it is no loss.
    kafka.delete_records(TOPIC, 0, 30)
    kafka.delete_records(TOPIC, 1, 5)
    produce(kafka, 1, "Bergen")
    pair.wait_total(24)
    assert len(lines(pair.indexer, "lost")) == 1 and not lines(pair.indexer, "log")


def test_partition_added_while_running(kafka, pair):
    produce(kafka, 3)
    pair.wait_total(3)
    admin = kafka.admin()
    (future,) = admin.create_partitions([confluent_kafka.admin.NewPartitions(TOPIC, 5)]).values()
    future.result(30)
    wait_for(lambda: len(admin.list_topics(TOPIC, timeout=10).topics[TOPIC].partitions) == 5, "new partitions")
    for partition in (3, 4, 0):
        produce(kafka, 2, partition=partition)
    pair.wait_total(9)
    wait_for(lambda: caught_up(pair, 11) and fresh(pair), "nothing to be missing")
    assert position(pair, 4) == 2 and not lines(pair.indexer, "log")
