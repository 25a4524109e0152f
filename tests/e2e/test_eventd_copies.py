# SPDX-License-Identifier: MIT
"""What eventd offers to those who copy its store or compare copies with it. Kafka is away here."""
import json

import pytest
import requests

import processes
from processes import wait_for


class Store:
    """eventd alone."""

    def __init__(self, system):
        self.daemon = system.eventd.start()
        wait_for(self.daemon.alive, "eventd to live")
        self.base = f"{self.daemon.url}/api/v1"

    def create(self, **event):
        answer = requests.post(f"{self.base}/events", json={"title": "A title", **event})
        assert answer.status_code == 201, answer.text
        return answer.json()

    def patch(self, event, **fields):
        answer = requests.patch(f"{self.base}/events/{event['id']}", json=fields)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def delete(self, event):
        assert requests.delete(f"{self.base}/events/{event['id']}").status_code == 204

    def get(self, path, **parameters):
        return requests.get(f"{self.base}/{path}", params=parameters)

    def changes(self, **parameters):
        answer = self.get("changes", **parameters)
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"] == "application/x-ndjson"
        return [json.loads(line) for line in answer.text.splitlines()], answer.headers


@pytest.fixture
def store(make_system):
    return Store(make_system(f"127.0.0.1:{processes.free_port()}"))


def test_changes_are_all_that_was_changed_in_its_order(store):
    first, second = store.create(price=12.50, createdBy="ann"), store.create(title="Other")
    changed = store.patch(first, city="Graz", price=None)
    store.delete(second)
    lines, headers = store.changes()
    assert [(line["sequence"], line["id"], line["operation"]) for line in lines] == [
        (1, first["id"], "created"), (2, second["id"], "created"),
        (3, first["id"], "updated"), (4, second["id"], "deleted")]
    assert lines[0] == {"sequence": 1, "id": first["id"], "version": first["version"], "operation": "created",
                        "at": first["createdAt"], "by": "ann", "fields": {"title": "A title", "price": 12.5}}
    assert lines[2]["version"] == changed["version"]
    assert lines[2]["fields"] == {"city": "Graz", "price": None}
    assert headers["Weir-Sequence"] == "4" and headers["Weir-Sent"] == "0"


def test_changes_as_the_messages_that_go_to_kafka(store):
    event = store.create(price=12.50)
    store.delete(event)
    lines, _ = store.changes(**{"as": "messages"})
    assert [(line["topic"], line["type"]) for line in lines] == [
        ("events.created", "EventCreatedEvent"), ("events.deleted", "EventDeletedEvent")]
    assert lines[0]["value"]["Price"] == 12.5 and lines[0]["value"]["City"] is None
    assert lines[0]["value"]["EventId"] == lines[1]["value"]["EventId"] == lines[1]["id"] == event["id"]


def test_changes_in_pages(store):
    events = [store.create(title=f"Event {i}") for i in range(7)]
    seen, after = [], 0
    while True:
        lines, headers = store.changes(after=after, limit=3, until=6)
        assert headers["Weir-Sequence"] == "7"
        if not lines:
            break
        assert len(lines) <= 3
        seen += [line["id"] for line in lines]
        after = lines[-1]["sequence"]
    assert seen == [event["id"] for event in events[:6]]


def test_a_page_of_large_changes_ends_early(store):
    for _ in range(12):
        store.create(description="x" * 99_000)
    for _ in range(11):
        requests.post(f"{store.base}/events/batch", headers={"Content-Type": "application/x-ndjson"}, data="\n".join(
            json.dumps({"title": "Large", "description": "y" * 99_000}) for _ in range(10)))
    lines, headers = store.changes(limit=10000)
    assert 80 < len(lines) < 122 == int(headers["Weir-Sequence"])
    rest, _ = store.changes(after=lines[-1]["sequence"], limit=10000)
    assert len(lines) + len(rest) == 122


@pytest.mark.parametrize("query", ["after=-1", "after=x", "limit=0", "limit=10001", "as=rows", "cursor=1",
                                   "until=9223372036854775808"])
def test_changes_refuses_what_it_does_not_know(store, query):
    answer = requests.get(f"{store.base}/changes?{query}")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == query.split("=")[0]


def digests(store, **parameters):
    answer = store.get("digests", **{"as" if k == "form" else k: v for k, v in parameters.items()})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_digest_tells_what_is_in_its_range_and_changes_with_it(store):
    empty = digests(store)
    assert empty["count"] == 0 and not empty["more"]
    events = sorted((store.create(title=f"Event {i}") for i in range(5)), key=lambda event: event["id"])
    whole = digests(store)
    assert (whole["count"], whole["to"], whole["more"]) == (5, events[4]["id"], False)
    assert whole["digest"] != empty["digest"]
    assert digests(store) == whole
    first = digests(store, limit=2)
    assert (first["count"], first["to"], first["more"]) == (2, events[1]["id"], True)
    rest = digests(store, after=first["to"])
    assert (rest["count"], rest["more"]) == (3, False)
    store.patch(events[3], city="Graz")
    assert digests(store)["digest"] != whole["digest"]
    assert digests(store, limit=2)["digest"] == first["digest"]
    assert digests(store, upto=events[2]["id"])["count"] == 3


def test_a_listing_names_versions_kinds_and_where_they_come_from(store):
    one, two = store.create(), store.create()
    changed = store.patch(one, city="Graz")
    store.delete(two)
    listed = {each["id"]: each for each in digests(store, form="documents")["documents"]}
    assert listed[one["id"]]["kind"] == "live" and listed[two["id"]]["kind"] == "hidden"
    assert listed[one["id"]]["version"] == changed["version"] and listed[one["id"]]["sequence"] == 3
    assert listed[one["id"]]["changedAt"] == changed["updatedAt"]
    assert "state" not in listed[one["id"]]
    found = digests(store, form="states", id=[one["id"], "nobody"])["documents"]
    assert [(each["id"], each["digest"]) for each in found] == [(one["id"], listed[one["id"]]["digest"])]
    state = bytes.fromhex(found[0]["state"])
    assert state[0] == 1 and b'"Graz"' in state


def test_old_deletes_are_left_out_when_asked_to(store):
    kept, gone = store.create(), store.create()
    store.delete(gone)
    version = next(each["version"] for each in digests(store, form="documents")["documents"]
                   if each["id"] == gone["id"])
    assert digests(store, before=version)["count"] == 2
    assert digests(store, before=version + 1)["count"] == 1
    assert [each["id"] for each in digests(store, form="documents", before=version + 1)["documents"]] == [kept["id"]]


@pytest.mark.parametrize("query", ["as=rows", "of=all", "limit=0", "limit=10001", "before=x", "cursor=1", "id=x",
                                   "as=states&id=x&after=y", "as=states&" + "&".join(["id=x"] * 201)])
def test_digests_refuses_what_it_does_not_know(store, query):
    assert requests.get(f"{store.base}/digests?{query}").status_code == 400


def republish(store, event_id, body):
    return requests.post(f"{store.base}/events/{event_id}/republish", json=body)


def test_republishing_sends_all_of_an_event_again(store):
    event = store.create(price=12.50, createdBy="ann")
    changed = store.patch(event, city="Graz", updatedBy="bob")
    answer = republish(store, event["id"], {"above": changed["version"] + 10 ** 15})
    assert answer.status_code == 200, answer.text
    version = answer.json()["version"]
    assert version > changed["version"] + 10 ** 15
    assert answer.headers["Weir-Token"] == f"{event['id']}@{version}"
    again = store.get(f"events/{event['id']}").json()
    assert again == {**changed, "version": version}
    lines, _ = store.changes(after=2, **{"as": "messages"})
    assert [line["type"] for line in lines] == ["EventCreatedEvent", "EventUpdatedEvent", "EventDeletedEvent"]
    assert [line["version"] for line in lines] == [version - 1, version, version - 2]
    assert lines[0]["value"]["CreatedBy"] == "ann" and lines[1]["value"]["UpdatedBy"] == "bob"
    assert store.patch(event, city="Linz")["version"] > version


def test_republishing_what_is_deleted_or_was_never_there_sends_a_delete(store):
    event = store.create()
    store.delete(event)
    assert republish(store, event["id"], {}).status_code == 200
    assert republish(store, "stranger / 7", {}).status_code == 404 == republish(store, "x", {}).status_code
    assert republish(store, "stranger %2F 7", {"above": -5}).status_code == 200
    lines, _ = store.changes(after=2)
    assert [(line["id"], line["operation"]) for line in lines] == [
        (event["id"], "deleted"), ("stranger / 7", "deleted")]
    assert store.get("events").json()["events"] == []


@pytest.mark.parametrize("body", [[], {"above": "1"}, {"above": 1.5}, {"above": 2 ** 63 - 1}, {"abve": 1}])
def test_republishing_refuses_a_body_that_it_does_not_know(store, body):
    event = store.create()
    assert republish(store, event["id"], body).status_code == 400
