# SPDX-License-Identifier: MIT
"""`weir dlq`: dead letters are found, shown, replayed once their cause is gone, and dropped."""
import base64
import json
import os
import signal
import socket
import struct
import subprocess

import confluent_kafka
import confluent_kafka.admin
import pytest
import requests

from processes import BUILD, ROOT, wait_for, weir
from test_indexer import created, event, identity, start_pair, updated, wait_read
from test_weir import on_terminal, refused

WRONG = BUILD / "tests" / "plugin" / "weir_wrong.so"


def dlq(kafka, *arguments, status=0):
    """What a command answers as JSON."""
    done = weir("dlq", *arguments, "--brokers", kafka.brokers, check=False)
    assert done.returncode == status, (done.stdout, done.stderr)
    return json.loads(done.stdout)


def die(kafka, system, *messages):
    """Makes dead letters: (topic, key, value, headers)."""
    before = system.indexer.metric("weir_indexer_messages_total") or 0
    for topic, key, value, headers in messages:
        kafka.produce(topic, key, value, headers, partition=0)
    wait_read(system, before + len(messages))


def forget(kafka, ends):
    """The log lets go of what lies before. (DeleteRecords version 1: the Python client has no call for it.)"""
    for (topic, partition), end in ends.items():
        name = topic.encode()
        request = struct.pack(f">hhih4sih{len(name)}siiqi", 21, 1, 1, 4, b"test", 1, len(name), name, 1, partition, end, 30000)
        with socket.create_connection(("127.0.0.1", kafka.port), 30) as broker, broker.makefile("rb") as answers:
            broker.sendall(struct.pack(">i", len(request)) + request)
            answer = answers.read(struct.unpack(">i", answers.read(4))[0])
        assert struct.unpack(">qh", answer[-10:]) == (end, 0), answer


@pytest.fixture
def indexer(kafka, make_system):
    """An indexer alone: the engine that forgets everything will do."""
    system = make_system(kafka.brokers, plugin="null")
    system.indexer.start().wait_ready()
    return system


def limited(kafka, make_system, before=None):
    """Indexer and searchd over an engine that rejects what is "too much"; before: the same index without the limit."""
    system = make_system(kafka.brokers, plugin=WRONG, **{
        "backend.wrong.engine": BUILD / "plugins" / "sqlite" / "weir_sqlite.so",
        "backend.wrong.flaw": "has a limit" if before is None else "",
        "backend.wrong.path": (before.folder if before else kafka.folder) / f"limited-{identity()}"
        if before is None else before.settings["backend.wrong.path"]})
    return start_pair(system)


def test_list_finds_and_counts(kafka, indexer):
    die(kafka, indexer,
        ("events.created", "one", b"{broken", {}), ("events.created", "two", b"{broken", {}),
        ("events.updated", "{6F9619FF-8B86-D011-B42D-00C04FC964FF}", b'{"Title": 5}', {}), ("events.deleted", None, b"{}", {}))
    everything = dlq(kafka, "list", status=1)
    assert [each["key"] for each in everything["letters"][:2]] == ["one", "two"]
    assert {each["key"] for each in everything["letters"][2:]} == {"{6F9619FF-8B86-D011-B42D-00C04FC964FF}", None}
    assert everything["open"] == 4 and everything["replayed"] == everything["dropped"] == everything["foreign"] == 0
    assert everything["reasons"][0]["count"] == 2 and "not JSON" in everything["reasons"][0]["reason"]
    first = everything["letters"][0]
    assert first["message"] == "events.created/0/0" and first["state"] == "open" and first["address"].startswith("events.dlq/")

    def keys(*filters, status=1):
        return [each["key"] for each in dlq(kafka, "list", *filters, status=status)["letters"]]
    assert keys("--reason", "NOT json") == ["one", "two"]
    assert keys("--reason", "field title*") == ["{6F9619FF-8B86-D011-B42D-00C04FC964FF}"]
    assert keys("--topic", "events.deleted") == [None]
    assert keys("--key", "6f9619ff-8b86-d011-b42d-00c04fc964ff") == ["{6F9619FF-8B86-D011-B42D-00C04FC964FF}"]
    assert keys(first["address"]) == keys("events.created/0/0") == ["one"]
    assert keys("--limit", "1") == keys()[3:]
    assert keys("--since", "1h", "--until", "2999-01-01") == keys()
    assert keys("--until", "2020-01-01T00:00:00Z", status=0) == keys("--since", "0s", status=0) == []
    assert keys("--state", "replayed", status=0) == []

    kafka.produce("events.dlq", "x", b"no letter")
    shown, status = on_terminal("dlq", "list", "--brokers", kafka.brokers)
    assert status == 1 and shown.splitlines()[0].split() == ["DEAD", "LETTER", "TIME", "STATE", "MESSAGE", "KEY", "REASON"]
    assert "4 open, 0 replayed, 0 dropped" in shown and "1 records that are no dead letters" in shown
    assert len(shown.splitlines()) == 11 and all(len(line) <= 100 for line in shown.splitlines())


def test_show_shows_everything(kafka, indexer):
    headers = [("trace", b"1"), ("trace", None), ("bytes", b"\xff\x00"), ("trace", b"1"), ("empty", b"")]
    value = b'{"EventId": "other","Price":12.50, "Tags":[],"Deep":{"a":[1,{}]}}'
    die(kafka, indexer, ("events.created", b"\x01\xfe", b"\x00\xffbinary", headers), ("events.created", "mine", value, headers),
        ("events.created", None, None, {}))
    binary, text, null = dlq(kafka, "list", status=1)["letters"]
    shown = dlq(kafka, "show", binary["address"])
    assert base64.b64decode(shown["keyBase64"]) == b"\x01\xfe" and base64.b64decode(shown["valueBase64"]) == b"\x00\xffbinary"
    assert [each["name"] for each in shown["headers"]][:6] == ["trace", "trace", "bytes", "trace", "empty", "weir-error"]
    assert shown["headers"][:2] == [{"name": "trace", "value": "1"}, {"name": "trace", "value": None}]
    assert base64.b64decode(shown["headers"][2]["valueBase64"]) == b"\xff\x00" and shown["headers"][4]["value"] == ""
    assert dlq(kafka, "show", text["message"])["value"] == value.decode()
    assert dlq(kafka, "show", null["address"])["value"] is None
    raw = subprocess.run([BUILD / "cli" / "weir", "dlq", "show", "--raw", binary["address"], "--brokers", kafka.brokers],
                         capture_output=True, timeout=60, check=True)
    assert raw.stdout == b"\x00\xffbinary"
    screen, status = on_terminal("dlq", "show", text["address"], "--brokers", kafka.brokers)
    assert status == 0 and '  "Price": 12.50,\n  "Tags": [],\n  "Deep": {\n    "a": [\n      1,\n      {}\n    ]\n  }\n}' in screen
    assert "header    trace (null)\n" in screen and "the key mine and the id other" in screen
    screen, _ = on_terminal("dlq", "show", binary["address"], "--brokers", kafka.brokers)
    assert "00000000  00 ff 62 69 6e 61 72 79" in screen and "..binary" in screen and "key       ??" in screen
    assert "no dead letter events.dlq/0/99" in refused(1, "dlq", "show", "events.dlq/0/99", "--brokers", kafka.brokers)


@pytest.mark.parametrize("arguments, words", [
    (["dlq"], "usage: weir dlq"), (["dlq", "lsit"], "list, show, replay, drop"), (["dlq", "show"], "one address"),
    (["dlq", "drop"], "--all"), (["dlq", "replay", "--dry-run"], "--all"), (["dlq", "list", "--dry-run"], "for replay"),
    (["dlq", "list", "--raw"], "for show"), (["dlq", "list", "--state", "new"], "open, replayed, dropped"),
    (["dlq", "list", "--since", "soon"], "--since soon"), (["dlq", "list", "--limit", "-1"], "--limit"),
    (["dlq", "drop", "--all", "--state", "open"], "for list")])
def test_wrong_use(arguments, words):
    assert words in refused(2, *arguments)


def test_what_is_away():
    assert "127.0.0.1:1" in refused(3, "dlq", "list", "--brokers", "127.0.0.1:1")


def test_an_address_that_is_none(kafka):
    assert "is no address" in refused(2, "dlq", "show", "17", "--brokers", kafka.brokers)


def test_without_a_topic(shared_kafka):
    shared_kafka.delete_topics()
    assert "no topic events.dlq" in refused(3, "dlq", "list", "--brokers", shared_kafka.brokers)


def test_replay_after_the_engine_was_mended(kafka, make_system):
    """Newer versions came since; a message without a version of its own is ordered by its first timestamp."""
    system = limited(kafka, make_system)
    one, two = identity(), identity()
    kafka.produce("events.created", one, json.dumps({"Title": "Old", "Description": "too much", "City": "Oslo"}), {"trace": "1"},
                  timestamp=1700000000000, partition=2)
    created(kafka, two, 10, title="Versioned", description="too much")
    wait_read(system, 2)
    kafka.produce("events.updated", one, json.dumps({"EventId": one, "Title": "New"}), timestamp=1700000001000)
    updated(kafka, two, 20, title="Newer")
    wait_read(system, 4)
    system.wait_total(2)
    system.kill()
    system = limited(kafka, make_system, before=system)
    dry = dlq(kafka, "replay", "--all", "--dry-run")
    assert dry == {"wouldBeReplayed": 2, "refused": []} and len(kafka.read_all("events.created")) == 2
    assert dlq(kafka, "replay", "--all") == {"replayed": 2, "refused": []}
    wait_read(system, 2)
    wait_for(lambda: event(system, one).get("city") == "Oslo", "the replayed message to be found")
    assert event(system, one)["title"] == "New" and event(system, one)["description"] == "too much"
    wait_for(lambda: event(system, two).get("description") == "too much", "the other one, too")
    assert event(system, two)["title"] == "Newer" and event(system, two)["version"] == 20
    again = [each for each in kafka.read_all("events.created") if each.key() == one.encode()]
    assert [each.partition() for each in again] == [2, 2]
    headers = again[1].headers()
    assert headers[0] == ("trace", b"1") and again[1].value() == again[0].value() and again[1].timestamp()[1] > 1700000001000
    assert [name for name, _ in headers[1:]] == ["weir-replayed", "weir-original-timestamp"]
    # What is done is not done again.
    assert dlq(kafka, "replay", "--all") == {"replayed": 0, "refused": []}
    handled = dlq(kafka, "list", "--all")
    assert handled["open"] == 0 and handled["replayed"] == 2 and handled["letters"][0]["sentTo"].startswith("events.created/")
    assert len(kafka.read_all("events.created")) == 4
    refusal = dlq(kafka, "replay", handled["letters"][0]["address"], status=1)["refused"][0]
    assert "--again" in refusal["reason"]
    assert dlq(kafka, "replay", handled["letters"][0]["address"], "--again")["replayed"] == 1


def test_replay_after_the_schema_was_mended(kafka, make_system, tmp_path):
    """The log has let go of the message; only the dead letters have it."""
    schema = json.loads((ROOT / "schema" / "events.json").read_text())
    city = next(field for field in schema["fields"] if field["name"] == "city")
    schema["fields"][schema["fields"].index(city)] = {"name": "city", "type": "number"}
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps(schema))
    system = make_system(kafka.brokers, schema__file=wrong)
    start_pair(system)
    created(kafka, "one", 10, title="Concert", city="Oslo")
    wait_read(system, 1)
    forget(kafka, kafka.ends(["events.created"]))
    # Still wrong: it would be dead again, and is not sent.
    refusal = dlq(kafka, "replay", "--all", "--set", f"schema.file={wrong}", status=1)["refused"][0]
    assert "dead letter again: field city" in refusal["reason"] and dlq(kafka, "list", status=1)["open"] == 1
    system.kill()
    mended = start_pair(make_system(kafka.brokers))
    assert dlq(kafka, "replay", "--all")["replayed"] == 1
    mended.wait_total(1)
    assert event(mended, "one") == {"id": "one", "title": "Concert", "city": "Oslo", "version": 10}


def test_what_fails_again_says_where_it_came_from(kafka, indexer):
    die(kafka, indexer, ("events.created", "one", b"{broken", {"trace": "1"}), ("events.created", None, None, {}),
        ("events.created", "two", b"", {}))
    assert dlq(kafka, "replay", "--all", status=1)["replayed"] == 0
    assert dlq(kafka, "replay", "--all", "--force")["replayed"] == 3
    wait_read(indexer, 6)
    assert [each.value() for each in kafka.read_all("events.created")].count(None) == 2
    assert [each.value() for each in kafka.read_all("events.created")].count(b"") == 2
    first, *_ = dlq(kafka, "list", "--all", status=1)["letters"]
    (second,) = dlq(kafka, "list", "--key", "one", status=1)["letters"]
    assert dlq(kafka, "replay", second["address"], "--force")["replayed"] == 1
    wait_read(indexer, 7)
    (third,) = dlq(kafka, "list", "--key", "one", status=1)["letters"]
    chain = [each["value"] for each in dlq(kafka, "show", third["address"])["headers"] if each["name"] == "weir-replayed"]
    assert chain == [f"{each['address']} {each['message']}" for each in (first, second)]
    assert first["messageTime"] == second["messageTime"] == third["messageTime"]
    assert dlq(kafka, "list", "--all", status=1)["replayed"] == 4


def test_drop_marks_as_handled(kafka, indexer):
    die(kafka, indexer, ("events.created", "one", b"{broken", {}), ("events.created", "two", b"{broken", {}))
    first, second = dlq(kafka, "list", status=1)["letters"]
    assert dlq(kafka, "drop", first["message"]) == {"dropped": 1, "refused": []}
    assert [each["key"] for each in dlq(kafka, "list", status=1)["letters"]] == ["two"]
    assert dlq(kafka, "drop", "--all")["dropped"] == 1
    handled = dlq(kafka, "list", "--all")
    assert handled["dropped"] == 2 and "@" in handled["letters"][0]["handledBy"]
    # The same message met again, as by an index that is made anew, is the same letter.
    indexer.indexer.kill()
    indexer.indexer.start().wait_ready()
    wait_read(indexer, 2)
    again = dlq(kafka, "list", "--all")
    assert again["dropped"] == 2 and again["open"] == 0 and [each["copies"] for each in again["letters"]] == [2, 2]
    assert dlq(kafka, "replay", first["message"], "--again", "--force")["replayed"] == 1
    wait_read(indexer, 3)


def cut_letter(kafka, indexer, value):
    resource = confluent_kafka.admin.ConfigResource("topic", "events.dlq", {"max.message.bytes": "20000"})
    admin = kafka.admin()
    for future in admin.alter_configs([resource]).values():
        future.result(30)
    die(kafka, indexer, ("events.created", "long", value, {"trace": "1"}))


def test_a_letter_that_was_cut_is_read_at_its_origin(kafka, indexer):
    value = b"[" + b"x" * 50000
    cut_letter(kafka, indexer, value)
    (letter,) = dlq(kafka, "list", status=1)["letters"]
    assert letter["fullLength"] == len(value)
    assert dlq(kafka, "replay", "--all", "--force")["replayed"] == 1
    wait_read(indexer, 2)
    assert [each.value() for each in kafka.read_all("events.created")] == [value, value]
    # The second is cut, too; the log lets go of its message.
    forget(kafka, {("events.created", 0): 2})
    (refusal,) = dlq(kafka, "replay", "--all", "--force", status=1)["refused"]
    assert "it was cut, and its message events.created/0/1 is no longer in the log" in refusal["reason"]
    assert dlq(kafka, "list", status=1)["open"] == 1


def test_a_run_that_is_killed_is_finished_by_the_next(kafka, indexer):
    count = 2000
    producer = kafka.producer(**{"linger.ms": 20})
    for number in range(count):
        kafka.produce("events.created", str(number), b"{broken", {}, producer)
    assert producer.flush(60) == 0
    wait_read(indexer, count)
    indexer.indexer.kill()
    run = subprocess.run([BUILD / "cli" / "weir", "dlq", "replay", "--all", "--force", "--brokers", kafka.brokers],
                         stdout=subprocess.DEVNULL, check=False, env={**os.environ, "WEIR_TEST_KILL": "sent"})
    assert run.returncode == -signal.SIGKILL
    assert count < sum(kafka.ends(["events.created"]).values()) <= count + 500
    left = dlq(kafka, "list", "--limit", "0", status=1)
    assert left["open"] == count
    assert dlq(kafka, "replay", "--all", "--force")["replayed"] == left["open"]
    handled = dlq(kafka, "list", "--all")
    assert handled["open"] == 0 and handled["replayed"] == count
    sent = [each.key() for each in kafka.read_all("events.created") if "weir-replayed" in dict(each.headers() or [])]
    assert set(sent) == {str(number).encode() for number in range(count)}
    assert len(sent) <= count + 500  # a portion at most is sent twice


def position(system, topic, partition):
    for each in requests.get(f"{system.indexer.url}/api/ingest/positions", timeout=5).json()["positions"]:
        if (each["topic"], each["partition"]) == (topic, partition):
            return each["position"]
    return None


@pytest.mark.parametrize("how", ["deleted", "denied"])
def test_without_its_topic_the_position_stands_still(kafka, indexer, how):
    admin = kafka.admin()

    def set_limit(number):
        resource = confluent_kafka.admin.ConfigResource("topic", "events.dlq", {"max.message.bytes": str(number)})
        for future in admin.alter_configs([resource]).values():
            future.result(30)
    die(kafka, indexer, ("events.created", "one", b"{broken", {}))
    if how == "denied":
        set_limit(64)  # not even what is ours
    else:
        for future in admin.delete_topics(["events.dlq"]).values():
            future.result(30)
    kafka.produce("events.created", "two", b"{broken", {}, partition=0)
    kafka.produce("events.created", "three", json.dumps({"EventId": "three", "Title": "fine"}), {}, partition=0)

    def health():
        answer = requests.get(f"{indexer.indexer.url}/health/ready", timeout=5)
        return answer.status_code == 503 and "dead letters do not reach events.dlq" in answer.text
    wait_for(health, "the health to say so")
    assert position(indexer, "events.created", 0) == 1
    if how == "denied":
        set_limit(1000000)
    else:
        kafka.create_topics(["events.dlq"])
    wait_for(lambda: position(indexer, "events.created", 0) == 3, "the position to move on")
    indexer.indexer.wait_ready()
    # (One that goes out while the limit is raised may be cut.)
    offsets = {dict(each.headers())["weir-offset"] for each in kafka.read_all("events.dlq")}
    assert offsets == ({b"0", b"1"} if how == "denied" else {b"1"})
    assert indexer.indexer.log().count("level=error process=indexer event=dead_letter") == 1
