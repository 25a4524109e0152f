# SPDX-License-Identifier: MIT
"""The tables of tests/messages over a real Kafka: each message becomes in searchd, or among the dead letters, what
its table says. tests/unit/test_messages.c reads the same tables."""
import json
import struct
import urllib.parse

import pytest
import requests

from processes import ROOT, wait_for

FOLDER = ROOT / "tests" / "messages"
TABLES = sorted(path.name for path in FOLDER.glob("*.txt"))
DIGITS = {"parse_int": str, "parse_float": str}  # as they were written


def take_bytes(case, what, how, text):
    before = case.get(what) or b""
    if how == "hex":
        case[what] = bytes.fromhex(text)
    elif how == "frame":
        case[what] = struct.pack(">bI", 0, int(text))
    else:
        case[what] = before + text.encode()


def read_table(path):
    """The cases of a table, and the schema that they are for."""
    schema, cases, case = None, [], None
    for line in path.read_text().splitlines():
        name, _, text = line.partition(":")
        text = text.removeprefix(" ")
        what, _, how = name.partition("-")
        if name.startswith("#") or not name:
            continue
        if name == "schema":
            schema = text
        elif name == "case":
            case = {"name": f"{path.stem}: {text}", "topic": "events.created", "time": 1700000000000, "headers": []}
            cases.append(case)
        elif name == "header":
            header, _, value = text.partition(":")
            case["headers"].append((header, value.removeprefix(" ").encode()))
        elif name == "null-header":
            case["headers"].append((text, None))
        elif what in ("key", "value"):
            take_bytes(case, what, how, text)
        else:
            case[name] = int(text) if name == "time" else text
    return schema, cases


def read_tables():
    by_schema = {}
    for name in TABLES:
        schema, cases = read_table(FOLDER / name)
        by_schema.setdefault(schema, []).extend(cases)
    return by_schema


def wanted_event(gives):
    """Id and event of "created ID@VERSION name=json …"; the event is None where it cannot be seen."""
    operation, _, rest = gives.partition(" ")
    place, _, fields = rest.partition(" ")
    event_id, _, version = place.rpartition("@")
    event = {"id": event_id, "version": version}
    while fields:
        name, _, fields = fields.partition("=")
        event[name], end = json.JSONDecoder(**DIGITS).raw_decode(fields)
        fields = fields[end:].removeprefix(" ")
    if operation == "deleted" or event.get("title") is None:
        return event_id, None
    return event_id, {name: value for name, value in event.items() if value is not None}


def produce(kafka, cases):
    """Sends all; returns the cases by where they are in the log."""
    places, producer = {}, kafka.producer()
    for case in cases:
        def delivered(error, message, case=case):
            assert error is None, error
            places[message.topic(), message.partition(), message.offset()] = case
        producer.produce(case["topic"], key=case.get("key"), value=case.get("value"), headers=case["headers"],
                         timestamp=case["time"], on_delivery=delivered)
    assert producer.flush(60) == 0 and len(places) == len(cases)
    return places


def check_events(system, cases):
    for case in cases:
        if case["gives"][0] in "!?":
            continue
        event_id, wanted = wanted_event(case["gives"])
        answer = requests.get(f"{system.searchd.url}/api/search/events/{urllib.parse.quote(event_id)}", timeout=10)
        found = json.loads(answer.text, **DIGITS)["event"] if answer.status_code == 200 else None
        assert answer.status_code in (200, 404) and found == wanted, (case["name"], answer.text)


def check_letters(kafka, places):
    wanted = {place: case for place, case in places.items() if case["gives"].startswith("!")}
    for letter in kafka.read_all("events.dlq"):
        headers = dict(letter.headers())
        case = wanted.pop((headers["weir-topic"].decode(), int(headers["weir-partition"]), int(headers["weir-offset"])))
        assert headers["weir-error"].decode() == case["gives"][1:], case["name"]
        assert letter.key() == case.get("key") and letter.value() == case.get("value"), case["name"]
        assert letter.headers()[:len(case["headers"])] == case["headers"], case["name"]
    assert not wanted, [case["name"] for case in wanted.values()]


@pytest.mark.slow
@pytest.mark.parametrize("schema, cases", read_tables().items(), ids=lambda each: each or "events")
def test_messages_become_what_their_tables_say(kafka, make_system, schema, cases):
    settings = {}
    if schema is not None:
        settings["schema__file"] = FOLDER / schema
        kafka.create_topics(sorted({case["topic"] for case in cases}))
    places = produce(kafka, cases)
    system = make_system(kafka.brokers, **settings)
    system.indexer.start()
    system.searchd.start()
    wait_for(lambda: system.indexer.alive() and
             (system.indexer.metric("weir_indexer_messages_total") or 0) >= len(cases), "every message to be read")
    wait_for(system.searchd.ready, "searchd to be ready")
    check_events(system, cases)
    check_letters(kafka, places)
