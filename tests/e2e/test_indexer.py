# SPDX-License-Identifier: MIT
"""The indexer over a real Kafka: what goes in by which road, what happens to what cannot be read, and
what a crash leaves behind."""
import json
import uuid

import confluent_kafka
import confluent_kafka.admin
import pytest
import requests

from processes import BUILD, wait_for

GROUP = "eventsearch-group"


@pytest.fixture
def pair(kafka, make_system):
    """Indexer and searchd, without a write side."""
    return start_pair(make_system(kafka.brokers))


def start_pair(system):
    system.indexer.start()
    system.searchd.start()
    system.indexer.wait_ready()
    wait_for(system.searchd.ready, "searchd to be ready")
    return system


def identity():
    return str(uuid.uuid4())


def created(kafka, event_id, version, producer=None, **fields):
    body = {"EventId": event_id, **{name[0].upper() + name[1:]: value for name, value in fields.items()}}
    kafka.produce("events.created", event_id, json.dumps(body),
                  {"EventType": "EventCreatedEvent", "Version": str(version)}, producer)


def updated(kafka, event_id, version, **fields):
    body = {"EventId": event_id, **{name[0].upper() + name[1:]: value for name, value in fields.items()}}
    kafka.produce("events.updated", event_id, json.dumps(body),
                  {"EventType": "EventUpdatedEvent", "Version": str(version)})


def deleted(kafka, event_id, version):
    kafka.produce("events.deleted", event_id, json.dumps({"EventId": event_id}),
                  {"EventType": "EventDeletedEvent", "Version": str(version)})


def caught_up(system):
    """Everything in the log was read and committed."""
    positions = requests.get(f"{system.indexer.url}/api/ingest/positions", timeout=5).json()["positions"]
    return len(positions) == 9 and all(each["lagMessages"] == 0 for each in positions)


def wait_read(system, messages):
    """The indexer committed that many messages in its life (whatever became of them)."""
    wait_for(lambda: (system.indexer.metric("weir_indexer_messages_total") or 0) >= messages,
             f"{messages} messages to be committed")


def get(system, event_id):
    return requests.get(f"{system.searchd.url}/api/search/events/{event_id}", timeout=10)


def event(system, event_id):
    answer = get(system, event_id)
    assert answer.status_code == 200, answer.text
    return answer.json()["event"]


def test_every_case_style_with_and_without_headers(kafka, pair):
    ids = [identity() for _ in range(4)]
    kafka.produce("events.created", ids[0], json.dumps({"EventId": ids[0], "Title": "Pascal opera", "StartDate": "2026-01-01T10:00:00"}))
    kafka.produce("events.created", ids[1], json.dumps({"eventId": ids[1], "title": "Camel opera", "startDate": "2026-01-01"}))
    kafka.produce("events.created", ids[2], json.dumps({"event_id": ids[2], "title": "Snake opera", "start_date": "2026-01-01T10:00:00+02:00"}))
    kafka.produce("events.updated", ids[3], json.dumps({"EventId": "{" + ids[3].upper() + "}", "Title": "Header opera"}),
                  {"eventtype": "EventCreatedEvent"})
    pair.wait_total(4, q="opera")
    assert event(pair, ids[0])["startDate"] == "2026-01-01T10:00:00Z"
    assert event(pair, ids[2])["startDate"] == "2026-01-01T08:00:00Z"
    assert event(pair, ids[3])["title"] == "Header opera"


def test_digits_stay_as_they_were_written(kafka, pair):
    event_id = identity()
    kafka.produce("events.created", event_id, '{"EventId": "%s", "Title": "Dear", "Price": 79228162514264337593543950335.10, "Seats": 12.50}' % event_id)
    pair.wait_total(1)
    text = get(pair, event_id).text
    assert "79228162514264337593543950335.10" in text and "12.50" in text


def test_order_does_not_matter(kafka, pair):
    late, gone, cleared = identity(), identity(), identity()
    updated(kafka, late, 20, city="Lisbon")
    deleted(kafka, gone, 30)
    updated(kafka, cleared, 20, city=None)
    wait_read(pair, 3)
    assert pair.total() == 0
    created(kafka, late, 10, title="Fado night", city="Porto")
    created(kafka, gone, 10, title="Never seen")
    updated(kafka, gone, 20, title="Still never seen")
    created(kafka, cleared, 10, title="Somewhere", city="Porto")
    wait_read(pair, 7)
    pair.wait_total(2)
    assert event(pair, late) == {"id": late, "title": "Fado night", "city": "Lisbon", "version": 20}
    assert event(pair, cleared) == {"id": cleared, "title": "Somewhere", "version": 20}
    assert get(pair, gone).status_code == 404
    created(kafka, gone, 40, title="Back again")
    pair.wait_total(3)


def test_replay_changes_nothing(kafka, pair):
    event_id = identity()
    for _ in range(3):
        created(kafka, event_id, 10, title="Once")
        updated(kafka, event_id, 11, title="Twice")
    wait_read(pair, 6)
    pair.wait_total(1)
    assert event(pair, event_id) == {"id": event_id, "title": "Twice", "version": 11}


def test_tombstone_deletes_by_key(kafka, pair):
    event_id = identity()
    created(kafka, event_id, 10, title="Short life")
    pair.wait_total(1)
    kafka.produce("events.created", event_id, None)
    pair.wait_total(0)


BAD = {
    "not JSON": (b"{broken", {}, "not JSON at line 1 column 2"),
    "JSON null": (b"null", {}, "not an object"),
    "empty": (b"", {}, "empty"),
    "wrong type": (b'{"EventId": "a", "Title": 7}', {}, "title"),
    "wrong date": (b'{"EventId": "a", "Title": "x", "StartDate": "soon"}', {}, "startDate"),
    "bad version": (b'{"EventId": "a", "Title": "x"}', {"Version": "new"}, "Version"),
    "not UTF-8": (b'{"EventId": "a", "Title": "\xff"}', {}, "not JSON"),
    "Avro": (b"\x00\x00\x00\x00\x07\x02a", {}, "Schema Registry framing (schema 7)"),
}


def test_what_cannot_be_read_goes_to_the_dead_letters(kafka, pair):
    for name, (value, headers, _) in BAD.items():
        kafka.produce("events.created", "a", value, {**headers, "trace": name})
    kafka.produce("events.created", "one", b'{"EventId": "two", "Title": "x"}', {"trace": "ids differ"})
    good = identity()
    created(kafka, good, 1, title="Good neighbour")
    pair.wait_total(1)
    wait_read(pair, len(BAD) + 2)
    letters = {dict(letter.headers())["trace"].decode(): letter for letter in kafka.read_all("events.dlq")}
    assert set(letters) == set(BAD) | {"ids differ"}
    for name, (value, _, reason) in BAD.items():
        headers = dict(letters[name].headers())
        assert letters[name].value() == value and letters[name].key() == b"a"
        assert reason in headers["weir-error"].decode(), headers
        assert headers["weir-topic"] == b"events.created"
        assert headers["weir-partition"].isdigit() and headers["weir-offset"].isdigit()
        assert int(headers["weir-timestamp"]) > 1600000000000
    assert pair.indexer.metric("weir_indexer_dead_letters_total") == len(BAD) + 1


def test_unknown_types_are_counted_and_passed_over(kafka, pair):
    for _ in range(3):
        kafka.produce("events.created", "a", b"{}", {"EventType": "VenueCreatedEvent"})
    wait_read(pair, 3)
    assert pair.indexer.log().count("VenueCreatedEvent") == 1
    assert pair.indexer.metric('weir_indexer_messages_total{topic="events.created",outcome="passed_over"}') == 3
    assert kafka.read_all("events.dlq") == []


def test_dead_letter_too_large_is_cut(kafka, pair):
    resource = confluent_kafka.admin.ConfigResource("topic", "events.dlq", {"max.message.bytes": "20000"})
    admin = kafka.admin()
    for future in admin.alter_configs([resource]).values():
        future.result(30)
    kafka.produce("events.created", "a", b"x" * 50000)
    wait_read(pair, 1)
    (letter,) = kafka.read_all("events.dlq")
    assert dict(letter.headers())["weir-truncated"] == b"50000"
    assert 0 < len(letter.value()) < 20000 and set(letter.value()) == {ord("x")}


def test_dead_letter_whose_headers_are_too_large_goes_without_them(kafka, pair):
    resource = confluent_kafka.admin.ConfigResource("topic", "events.dlq", {"max.message.bytes": "20000"})
    admin = kafka.admin()
    for future in admin.alter_configs([resource]).values():
        future.result(30)
    kafka.produce("events.created", "a", b"{broken", {"trace": "x" * 50000})
    wait_read(pair, 1)
    (letter,) = kafka.read_all("events.dlq")
    headers = dict(letter.headers())
    assert headers["weir-truncated"] == b"7" and headers["weir-offset"] == b"0" and "trace" not in headers


def test_waits_for_the_dead_letter_topic(kafka, make_system):
    admin = kafka.admin()
    for future in admin.delete_topics(["events.dlq"]).values():
        future.result(30)
    system = start_pair(make_system(kafka.brokers))
    kafka.produce("events.created", "a", b"{broken")
    wait_for(lambda: "dead_letters" in requests.get(f"{system.indexer.url}/health/ready", timeout=5).text,
             "the health to name the dead letters")
    kafka.create_topics(["events.dlq"])
    wait_read(system, 1)
    assert len(kafka.read_all("events.dlq")) == 1
    system.indexer.wait_ready()


def test_topics_that_do_not_exist_yet(shared_kafka, make_system):
    shared_kafka.delete_topics()
    system = make_system(shared_kafka.brokers)
    system.indexer.start()
    system.searchd.start()
    wait_for(lambda: system.indexer.alive() and
             "events.created, events.updated, events.deleted" in
             requests.get(f"{system.indexer.url}/health/ready", timeout=5).text, "the topics to be missed")
    shared_kafka.create_topics()
    system.indexer.wait_ready()
    created(shared_kafka, identity(), 1, title="Late but there")
    system.wait_total(1)


def test_second_indexer_is_refused(kafka, make_system, file_engine):
    first = start_pair(make_system(kafka.brokers, **file_engine))
    key = f"backend.{first.plugin}.path"
    other = make_system(kafka.brokers, **file_engine, **{key: first.settings[key]})
    other.indexer.start()
    assert other.indexer.wait() == 3
    (line,) = [line for line in other.indexer.log().splitlines() if "level=error" in line]
    assert "lock" in line and str(first.settings[key]) in line


def test_group_offsets_tell_the_lag(kafka, pair):
    for number in range(20):
        created(kafka, identity(), number, title="Counted")
    pair.wait_total(20)

    def committed():
        reader = confluent_kafka.Consumer({"bootstrap.servers": kafka.brokers, "group.id": GROUP})
        partitions = reader.committed([confluent_kafka.TopicPartition("events.created", p) for p in range(3)], timeout=10)
        reader.close()
        return sum(max(0, each.offset) for each in partitions)
    wait_for(lambda: committed() == 20, "the group's offsets")


def test_starts_from_the_index_not_from_the_group(kafka, make_system, engine):
    pair = start_pair(make_system(kafka.brokers, **engine))
    for number in range(10):
        created(kafka, identity(), number, title="Kept")
    pair.wait_total(10)
    assert pair.indexer.stop() == 0
    reader = confluent_kafka.Consumer({"bootstrap.servers": kafka.brokers, "group.id": GROUP, "enable.auto.commit": False})
    reader.commit(offsets=[confluent_kafka.TopicPartition("events.created", p, 0) for p in range(3)], asynchronous=False)
    reader.close()
    pair.indexer.start().wait_ready()
    wait_for(lambda: caught_up(pair), "the indexer to catch up")
    assert not pair.indexer.metric("weir_indexer_messages_total"), "the log was read again"


def test_term_commits_what_was_collected(kafka, make_system, engine):
    system = start_pair(make_system(kafka.brokers, **engine, indexer__batch_time="30s"))
    created(kafka, identity(), 1, title="In the batch")
    wait_for(lambda: system.indexer.metric("weir_indexer_collected_messages"), "the message to be collected")
    assert system.total() == 0
    assert system.indexer.stop(deadline=15) == 0, "a stop does not wait for the batch's time"
    system.wait_total(1)


def test_new_partitions_are_read(kafka, pair):
    admin = kafka.admin()
    for future in admin.create_partitions([confluent_kafka.admin.NewPartitions("events.created", 6)]).values():
        future.result(30)
    for partition in range(6):
        wait_for(lambda: len(admin.list_topics("events.created", timeout=5).topics["events.created"].partitions) == 6, "partitions")
        kafka.produce("events.created", None, json.dumps({"EventId": identity(), "Title": "Spread"}), partition=partition)
    pair.wait_total(6)


def test_expired_tombstones_go(kafka, make_system, engine):
    system = start_pair(make_system(kafka.brokers, **engine, indexer__tombstone_retention="200ms"))
    event_id = identity()
    created(kafka, event_id, 1, title="Gone soon")
    deleted(kafka, event_id, 2)
    wait_read(system, 2)
    wait_for(lambda: "event=expire tombstones=1" in system.indexer.log(), "the tombstone to expire")


@pytest.mark.slow
def test_broker_restart(own_kafka, make_system):
    system = start_pair(make_system(own_kafka.brokers))
    created(own_kafka, identity(), 1, title="Before")
    system.wait_total(1)
    own_kafka.kill()
    wait_for(lambda: not system.indexer.ready(), "the health to notice")
    own_kafka.start()
    created(own_kafka, identity(), 2, title="After")
    system.wait_total(2)
    system.indexer.wait_ready()
    assert system.indexer.log().count("event=kafka state=away") <= 2, "once per failure"


@pytest.mark.slow
def test_kills_during_a_load_leave_exactly_the_events(kafka, make_system, engine):
    system = start_pair(make_system(kafka.brokers, **engine, indexer__batch_count=200))
    count, ids = 6000, [identity() for _ in range(6000)]
    producer = kafka.producer(**{"linger.ms": 5, "queue.buffering.max.messages": 100000})
    for number, event_id in enumerate(ids):
        created(kafka, event_id, number + 1, producer, title=f"Concert {number}", city="Paris")
    assert producer.flush(60) == 0
    for share in (0.1, 0.3, 0.5, 0.8):
        wait_for(lambda: (system.total() or 0) >= count * share, f"{share:.0%} of the events")
        system.indexer.kill()
        system.indexer.start()
    system.wait_total(count)
    wait_for(lambda: system.indexer.alive() and caught_up(system), "the indexer to catch up")
    found = set()
    for offset in range(0, count, 1000):
        found |= {hit["id"] for hit in system.search(limit=1000, offset=offset, fields="title", sort="createdAt")["hits"]}
    assert found == set(ids)


def test_a_document_that_the_engine_will_not_have_goes_alone(kafka, make_system):
    """Rejected, in conflict, and found by halving the batch that cannot be committed."""
    system = make_system(kafka.brokers, plugin=BUILD / "tests" / "plugin" / "weir_moody.so")
    system.indexer.start().wait_ready()
    moods = {5: "reject", 9: "conflict", 17: "poison"}
    producer = kafka.producer(**{"linger.ms": 20})
    for number in range(40):
        created(kafka, f"event-{number}", number + 1, producer, title=moods.get(number, "calm"))
    assert producer.flush(30) == 0
    wait_read(system, 40)
    reasons = {letter.key().decode(): dict(letter.headers())["weir-error"].decode() for letter in kafka.read_all("events.dlq")}
    assert set(reasons) == {"event-5", "event-17"}
    assert "it says so itself" in reasons["event-5"] and "poison" in reasons["event-17"]
    assert system.indexer.metric('weir_indexer_messages_total{topic="events.created",outcome="applied"}') == 38
    system.indexer.wait_ready()


def health_of(system):
    return requests.get(f"{system.indexer.url}/health/ready", timeout=5).text


def test_partitions_that_came_while_fetching_was_paused_are_read(kafka, make_system):
    admin = kafka.admin()
    for future in admin.delete_topics(["events.dlq"]).values():
        future.result(30)
    system = make_system(kafka.brokers)
    system.indexer.start().wait_ready()
    kafka.produce("events.created", "a", b"{broken")
    wait_for(lambda: "dead_letters" in health_of(system), "the indexer to wait for the dead letters")
    for future in admin.create_partitions([confluent_kafka.admin.NewPartitions("events.created", 6)]).values():
        future.result(30)
    wait_for(lambda: len(requests.get(f"{system.indexer.url}/api/ingest/positions", timeout=5).json()["positions"]) == 12, "the partitions to be seen")
    kafka.create_topics(["events.dlq"])
    wait_read(system, 1)
    for partition in range(6):
        kafka.produce("events.created", None, json.dumps({"EventId": identity(), "Title": "Spread"}), partition=partition)
    wait_read(system, 7)


@pytest.mark.slow
def test_term_while_the_broker_is_away_takes_seconds(own_kafka, make_system):
    system = make_system(own_kafka.brokers, **{"indexer__batch_time": "30s"})
    system.indexer.start().wait_ready()
    created(own_kafka, identity(), 1, title="Collected")
    wait_for(lambda: system.indexer.metric("weir_indexer_collected_messages"), "the message to be collected")
    own_kafka.kill()
    assert system.indexer.stop(deadline=15) == 0


def test_an_old_last_message_does_not_make_a_new_one_late(kafka, make_system):
    system = make_system(kafka.brokers, **{"indexer__batch_count": "2", "indexer__batch_time": "30s"})
    system.indexer.start().wait_ready()
    body = json.dumps({"EventId": "a", "Title": "Old"})
    for _ in range(2):
        kafka.produce("events.created", "a", body, timestamp=1600000000000, partition=0)
    wait_read(system, 2)
    system.indexer.wait_ready()
    kafka.produce("events.created", "a", body, partition=0)

    def behind():
        positions = requests.get(f"{system.indexer.url}/api/ingest/positions", timeout=5).json()["positions"]
        return [each for each in positions if each["lagMessages"]]
    (late,) = wait_for(behind, "the watch to see the message")
    assert late["lagMs"] < 60000
