# SPDX-License-Identifier: MIT
"""Logs with gaps and odd messages: transactions, compaction, the largest messages, each codec, and
timestamps that no clock ever showed."""
import json
import struct
import time
import uuid

import confluent_kafka
import confluent_kafka.admin
import pytest
import requests

from processes import wait_for
from test_weather_log import caught_up, fresh, lines, pair, position, produce  # noqa: F401

TOPIC = "events.created"


def create(kafka, name, partitions=1, **settings):
    kafka.delete_topics([name])
    admin = kafka.admin()
    topic = confluent_kafka.admin.NewTopic(name, partitions, 1, config={k.replace("__", "."): str(v) for k, v in settings.items()})
    admin.create_topics([topic])[name].result(30)
    wait_for(lambda: name in admin.list_topics(timeout=10).topics, "the topic to be known")


def send(producer, city, title="Weather report", event_id=None, version=None, **more):
    event_id = event_id or str(uuid.uuid4())
    headers = {"EventType": "EventCreatedEvent", **({"Version": str(version)} if version else {})}
    producer.produce(TOPIC, key=event_id, value=json.dumps({"EventId": event_id, "Title": title, "City": city}),
                     headers=headers, partition=0, **more)


def test_aborted_messages_are_never_seen_and_an_open_transaction_is_no_lag(kafka, pair):  # noqa: F811
    producer = kafka.producer(**{"transactional.id": "weather"})
    producer.init_transactions(30)
    for city, end in (("Oslo", producer.commit_transaction), ("Atlantis", producer.abort_transaction)):
        producer.begin_transaction()
        for _ in range(3):
            send(producer, city)
        assert producer.flush(30) == 0  # abort_transaction takes back what was not sent
        end(30)
    pair.wait_total(3, city="Oslo")
    # Two markers behind the last message that counts: all is read all the same.
    wait_for(lambda: position(pair) == 8 and caught_up(pair) and fresh(pair), "the position to go past markers")
    producer.begin_transaction()
    send(producer, "Bergen")
    assert producer.flush(30) == 0
    produce(kafka, 2, "Bergen")  # behind the open one: nobody may read them yet
    produce(kafka, 1, "Lima", partition=1)
    pair.wait_total(1, city="Lima")
    assert pair.total(city="Bergen") == 0 and position(pair) == 8
    wait_for(lambda: caught_up(pair) and fresh(pair), "an open transaction not to count")
    assert pair.indexer.ready()
    producer.commit_transaction(30)
    pair.wait_total(3, city="Bergen")
    wait_for(lambda: position(pair) == 12 and caught_up(pair) and fresh(pair), "nothing to be missing")
    assert pair.total(city="Atlantis") == 0 and not lines(pair.indexer, "log") and not lines(pair.indexer, "lost")


def test_a_compacted_topic_has_gaps_and_loses_nothing(kafka, pair, make_system):  # noqa: F811
    create(kafka, TOPIC, cleanup__policy="compact", min__cleanable__dirty__ratio=0.001, segment__ms=50,
           delete__retention__ms=0, max__compaction__lag__ms=100)
    ids = [str(uuid.uuid4()) for _ in range(4)]
    producer = kafka.producer()
    for number in range(20):
        send(producer, "Oslo", f"Title {number}", ids[number % 4], number)
    producer.produce(TOPIC, key=ids[3], value=None, partition=0)
    assert producer.flush(30) == 0
    pair.wait_total(3)
    wait_for(lambda: position(pair) == 21, "all to be read")
    pair.indexer.stop()  # its marks are of messages that compaction will take

    def compacted():
        send(producer, "Oslo", f"Title {time.time()}", ids[0])
        assert producer.flush(30) == 0
        return kafka.read_all(TOPIC)[0].offset() >= 17
    wait_for(compacted, "compaction", interval=0.2)  # segments roll with the next message after segment.ms
    pair.indexer.start().wait_ready()
    wait_for(lambda: caught_up(pair, 7) and fresh(pair), "nothing to be missing")
    assert pair.total() == 3 and not lines(pair.indexer, "log") and not lines(pair.indexer, "lost")
    other = make_system(kafka.brokers, kafka__group="other")  # a new index, from what is left of the log
    other.indexer.start().wait_ready()
    other.searchd.start()
    wait_for(lambda: other.total() == 3 and caught_up(other, 7), "the compacted log to be read")
    for event_id in ids:
        answers = [requests.get(f"{each.searchd.url}/api/search/events/{event_id}", timeout=10) for each in (pair, other)]
        assert answers[0].json().get("event") == answers[1].json().get("event")
        assert answers[0].status_code == answers[1].status_code == (404 if event_id == ids[3] else 200)
    assert not lines(other.indexer, "lost") and not lines(other.indexer, "log")


def test_the_largest_messages_pass_a_smaller_fetch_size(kafka, make_system):
    create(kafka, TOPIC, max__message__bytes=9000000)
    system = make_system(kafka.brokers, kafka__rdkafka__fetch__message__max__bytes=1000,
                         kafka__rdkafka__queued__max__messages__kbytes=1, indexer__batch_bytes="4KiB")
    system.indexer.start()
    system.searchd.start()
    producer = kafka.producer(**{"message.max.bytes": 9000000})
    for size in (10, 900000, 8000000, 10, 1000000):
        send(producer, "Oslo", "x " * (size // 2))
    assert producer.flush(60) == 0
    system.wait_total(5, city="Oslo")
    wait_for(lambda: caught_up(system, 7), "nothing to be missing")
    system.indexer.wait_ready()


CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}


def codecs_in_log(kafka):
    """Of every batch in the broker's files: baseOffset, batchLength, leaderEpoch, magic, crc, attributes."""
    found = set()
    for path in (kafka.folder / "data").glob(f"{TOPIC}-*/*.log"):
        data, at = path.read_bytes(), 0
        while at + 23 <= len(data):
            length, _, magic, _, attributes = struct.unpack_from(">iibih", data, at + 8)
            if magic != 2 or length <= 0:
                break
            found.add(attributes & 7)
            at += 12 + length
    return found


def test_every_codec_both_ways(kafka, pair, make_system):  # noqa: F811
    for codec in CODECS:
        producer = kafka.producer(**{"compression.codec": codec, "linger.ms": 50})
        for _ in range(20):
            send(producer, codec.title(), "Compressible " * 20)
        assert producer.flush(30) == 0
        pair.wait_total(20, city=codec.title())
    assert codecs_in_log(kafka) == set(CODECS.values())
    kafka.delete_topics([TOPIC])
    kafka.create_topics([TOPIC])
    for codec in CODECS:
        system = make_system(kafka.brokers, kafka__rdkafka__compression__codec=codec)
        wait_for(system.eventd.start().alive, "eventd")
        assert system.post({"title": "Compressible " * 20, "city": f"Relay {codec}"}).status_code == 201
    for codec in CODECS:
        pair.wait_total(1, city=f"Relay {codec}")
    assert codecs_in_log(kafka) == set(CODECS.values())


def test_odd_timestamps(kafka, pair):  # noqa: F811
    create(kafka, TOPIC, message__timestamp__after__max__ms=2**62, message__timestamp__before__max__ms=2**62)
    producer = kafka.producer()
    odd = [1, -1, 253402300799999, 2**55]  # 1970, none, year 9999, beyond any calendar
    for timestamp in odd:
        send(producer, "Oslo", f"At {timestamp}", timestamp=timestamp)
    assert producer.flush(30) == 0
    pair.wait_total(3)
    (letter,) = kafka.read_all("events.dlq")  # its order cannot be known: it has no time of any kind
    assert dict(letter.headers())["weir-timestamp"] == b"-1" and b"no version" in dict(letter.headers())["weir-error"]
    wait_for(lambda: caught_up(pair, 7) and fresh(pair), "nothing to be missing")
    pair.indexer.wait_ready()
    # Its mark is of the last of them: a restart knows the log again.
    assert pair.indexer.stop() == 0
    produce(kafka, 1, "Bergen")
    pair.indexer.start().wait_ready()
    pair.wait_total(1, city="Bergen")
    assert not lines(pair.indexer, "log")
