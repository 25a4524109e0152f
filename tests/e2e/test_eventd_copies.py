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
