# SPDX-License-Identifier: MIT
"""eventd over REST. Kafka is away here (nobody listens on the brokers' port): writes go on."""
import concurrent.futures
import datetime
import json
import re
import resource
import sqlite3
import subprocess
import uuid

import pytest
import requests

import processes
from processes import wait_for

GUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
PROBLEM = "application/problem+json"


class Client:
    """eventd alone, and the calls that these tests make."""

    def __init__(self, system):
        self.system, self.daemon = system, system.eventd
        self.base = f"{self.daemon.url}/api/v1/events"
        self.http = requests.Session()

    def start(self):
        self.daemon.start()
        wait_for(self.daemon.alive, "eventd to live")
        return self

    def post(self, body, **headers):
        if isinstance(body, (bytes, str)):
            return self.http.post(self.base, data=body.encode() if isinstance(body, str) else body, headers={
                "Content-Type": "application/json", **headers})
        return self.http.post(self.base, json=body, headers=headers)

    def create(self, **event):
        answer = self.post({"title": "A title", **event})
        assert answer.status_code == 201, answer.text
        return answer.json()

    def send(self, method, event_id, body=None, headers=None, **more):
        return self.http.request(method, f"{self.base}/{event_id}", json=body,
                                 headers={k.replace("_", "-"): v for k, v in more.items()} | (headers or {}))

    def get(self, event_id, **headers):
        return self.send("GET", event_id, **headers)

    def batch(self, lines, media_type="application/x-ndjson"):
        body = lines if isinstance(lines, bytes) else "\n".join(
            line if isinstance(line, str) else json.dumps(line) for line in lines).encode()
        return self.http.post(f"{self.base}/batch", data=body, headers={"Content-Type": media_type})

    def history(self, event_id, **parameters):
        return self.http.get(f"{self.base}/{event_id}/history", params=parameters)


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    system = processes.System(tmp_path_factory.mktemp("eventd"),
                              f"127.0.0.1:{processes.free_port()}")
    yield Client(system).start()
    assert system.eventd.stop() == 0


@pytest.fixture
def own(tmp_path):
    """Makes an eventd of the test's own over one store: own(setting=value)."""
    made = []

    def make(brokers=None, **settings):
        brokers = brokers or f"127.0.0.1:{processes.free_port()}"
        made.append(processes.System(tmp_path, brokers, **settings))
        return Client(made[-1])

    yield make
    for system in made:
        system.kill()


def refusal(answer, status, field=None):
    """The answer is a problem of that status (naming that field)."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == PROBLEM
    problem = answer.json()
    assert problem["status"] == status and problem["title"] and problem["detail"] and problem["type"]
    if field is not None:
        assert field in [error["field"] for error in problem["errors"]], problem
    return problem


def microseconds(text):
    moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (moment - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)) // datetime.timedelta(
        microseconds=1)


def test_create_answers_the_event_where_it_is_and_its_token(client):
    answer = client.post({"title": "Night of the Bandoneón", "category": "Tango", "price": 12,
                          "startDate": "2026-03-01T20:00:00+01:00", "createdBy": "ann"})
    assert answer.status_code == 201 and answer.headers["Content-Type"] == "application/json"
    event = answer.json()
    assert GUID.fullmatch(event["id"])
    assert answer.headers["Location"] == f"/api/v1/events/{event['id']}"
    assert answer.headers["ETag"] == f'"{event["version"]}"'
    assert answer.headers["Weir-Token"] == f"{event['id']}@{event['version']}"
    assert answer.headers["X-Request-Id"]
    assert list(event) == ["id", "title", "category", "price", "startDate", "createdAt",
                           "createdBy", "version"]
    assert event["title"] == "Night of the Bandoneón" and event["createdBy"] == "ann"
    assert event["startDate"] == "2026-03-01T19:00:00Z"
    assert microseconds(event["createdAt"]) == event["version"]
    got = client.get(event["id"])
    assert got.status_code == 200 and got.json() == event and got.headers["ETag"] == answer.headers["ETag"]


@pytest.mark.parametrize("price", ["12.50", "0", "0.00", "1e2", "79228162514264337593543950335",
                                   "0.0000000000000000000000000001", "-0", "12345678901234567890.10"])
def test_price_keeps_its_digits(client, price):
    answer = client.post(f'{{"title": "T", "price": {price}}}')
    assert answer.status_code == 201, answer.text
    text = client.get(answer.json()["id"]).text
    assert f'"price":{price},' in text and f'"price":{price},' in answer.text


@pytest.mark.parametrize("field, value", [
    ("title", ""), ("title", " \t\u00a0\u2003"), ("title", "\u200b"), ("title", "a\nb"), ("title", "a\u0000b"),
    ("title", "a\u0085b"), ("title", "x" * 501), ("title", 5), ("title", None), ("title", ["x"]),
    ("description", "x" * 100_001), ("description", {}), ("category", "x" * 201), ("location", "é" * 201),
    ("city", "x" * 201), ("country", 1), ("price", -0.01), ("price", "12"), ("price", True),
    ("price", 79228162514264337593543950336), ("startDate", "tomorrow"), ("startDate", "2026-02-30"),
    ("startDate", 5), ("endDate", "/Date(0)/"),
    ("id", "7"), ("id", 7), ("id", ""), ("createdAt", "2026-01-01T00:00:00Z"), ("version", 5),
    ("updatedAt", "2026-01-01T00:00:00Z"), ("updatedBy", "bob"), ("createdBy", "x" * 201),
    ("Title", "case counts"), ("colour", "red"), ("", "x"), ("x" * 5000, "x"),
], ids=lambda value: str(value)[:20])
def test_create_refuses_and_names_the_field(client, field, value):
    problem = refusal(client.post({"title": "T", field: value}), 400, field[:100])
    assert all(error["message"] for error in problem["errors"])


@pytest.mark.parametrize("field, value", [
    ("title", "x" * 500), ("title", "😀" * 500), ("description", "é" * 100_000),
    ("description", "line\nline\ttab\u0000"), ("category", "x" * 200), ("location", "é" * 200),
    ("createdBy", "x" * 200), ("city", ""),
], ids=lambda value: str(value)[:20])
def test_create_takes_what_is_just_allowed(client, field, value):
    event = client.create(**{field: value})
    assert event[field] == value and client.get(event["id"]).json()[field] == value


def test_create_names_every_wrong_field_and_stores_nothing(client):
    problem = refusal(client.post({"title": "", "price": -1, "nope": 1, "city": 7,
                                   "startDate": "2026-01-02", "endDate": "2026-01-01"}), 400)
    assert {error["field"] for error in problem["errors"]} == {"title", "price", "nope", "city", "endDate"}
    refusal(client.post({}), 400, "title")
    refusal(client.post({str(n): n for n in range(1000)}), 400)


@pytest.mark.parametrize("given, stored", [
    ("2026-01-01", "2026-01-01T00:00:00Z"), ("2026-01-01T10:00", "2026-01-01T10:00:00Z"),
    ("2026-01-01T10:00:00.1234567Z", "2026-01-01T10:00:00.123456Z"),
    ("2026-01-01T10:00:00-05:30", "2026-01-01T15:30:00Z"), ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
    ("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00Z"),
])
def test_dates_are_kept_in_utc(client, given, stored):
    assert client.create(startDate=given)["startDate"] == stored


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b"null", b"5", b'{"title": "a" "b"}', b"\xff\xfe",
                                  b'{"title": "\\ud800"}', b"[" * 1000, b'{"title": "T", "price": 01}',
                                  b'{"title": "T"} {}', b'{"a\\u0000b": 1}', b'{"title": "\xc3"}'],
                         ids=lambda body: repr(body)[:20])
def test_a_body_that_is_no_object_is_400(client, body):
    problem = refusal(client.post(body), 400)
    assert "\n" not in problem["detail"]
    if body == b'{"title": "a" "b"}':
        assert "line 1 column" in problem["detail"]


def test_wrong_method_type_and_size(client):
    answer = client.http.put(client.base, json={})
    refusal(answer, 405)
    assert set(answer.headers["Allow"].replace(",", "").split()) >= {"GET", "POST"}
    refusal(client.post("title=x", **{"Content-Type": "application/x-www-form-urlencoded"}), 415)
    refusal(client.batch([{"title": "x"}], "application/json"), 415)
    refusal(client.post({"title": "T", "description": "x" * (1 << 20)}), 413)
    refusal(client.http.get(f"{client.daemon.url}/api/v1/nothing"), 404)


def test_a_clients_own_id(client):
    own = str(uuid.uuid4())
    answer = client.post({"id": own.upper(), "title": "T"})
    assert answer.status_code == 201 and answer.json()["id"] == own
    refusal(client.post({"id": own, "title": "T"}), 409)
    assert client.get("{" + own.upper() + "}").status_code == 200
    assert client.send("DELETE", own).status_code == 204
    refusal(client.post({"id": own, "title": "T"}), 409)


def test_nulls_are_absent_in_a_create(client):
    event = client.create(id=None, price=None, city=None, createdAt=None, version=None, updatedBy=None)
    assert set(event) == {"id", "title", "createdAt", "version"}


def test_unknown_and_deleted(client):
    for event_id in (uuid.uuid4(), "7", "%00", "a%20b", "x" * 5000):
        for method, body in (("GET", None), ("PUT", {"title": "T"}), ("PATCH", {}), ("DELETE", None)):
            answer = client.send(method, event_id, body)
            refusal(answer, 400 if event_id == "%00" else 404)
    event = client.create()
    answer = client.send("DELETE", event["id"])
    assert answer.status_code == 204 and answer.content == b""
    token_id, version = answer.headers["Weir-Token"].split("@")
    assert token_id == event["id"] and int(version) > event["version"]
    for method, body in (("GET", None), ("PUT", {"title": "T"}), ("PATCH", {}), ("DELETE", None)):
        refusal(client.send(method, event["id"], body), 410)


def test_put_replaces(client):
    event = client.create(category="A", city="B", price=5, createdBy="ann")
    answer = client.send("PUT", event["id"], {"title": "New", "city": "B", "country": "C", "updatedBy": "bob"})
    after = answer.json()
    assert answer.status_code == 200 and answer.headers["ETag"] == f'"{after["version"]}"'
    assert answer.headers["Weir-Token"] == f"{event['id']}@{after['version']}"
    assert after["version"] > event["version"] and after["updatedBy"] == "bob"
    assert {k: after[k] for k in after if k not in ("version", "updatedAt", "updatedBy")} == {
        "id": event["id"], "title": "New", "city": "B", "country": "C",
        "createdAt": event["createdAt"], "createdBy": "ann"}
    assert client.get(event["id"]).json() == after
    refusal(client.send("PUT", event["id"], {"city": "B"}), 400, "title")
    changes = client.history(event["id"]).json()["changes"]
    assert changes[-1]["fields"] == {"title": "New", "category": None, "country": "C", "price": None}


def test_patch_merges(client):
    event = client.create(category="A", city="B", startDate="2026-01-02")
    answer = client.http.patch(f"{client.base}/{event['id']}", data='{"city": null, "price": 1.10}',
                               headers={"Content-Type": "application/merge-patch+json"})
    assert answer.status_code == 200, answer.text
    after = answer.json()
    assert "city" not in after and after["category"] == "A" and '"price":1.10,' in answer.text
    refusal(client.send("PATCH", event["id"], {"title": None}), 400, "title")
    refusal(client.send("PATCH", event["id"], {"endDate": "2026-01-01"}), 400, "endDate")
    refusal(client.send("PATCH", event["id"], {"nope": 1}), 400, "nope")
    refusal(client.send("PATCH", event["id"], [1]), 400)
    assert client.send("PATCH", event["id"], {"startDate": None, "endDate": "2026-01-01"}).status_code == 200


def test_what_changes_nothing_keeps_its_version(client):
    event = client.create(city="B", price=5)
    for answer in (client.send("PUT", event["id"], event), client.send("PATCH", event["id"], {}),
                   client.send("PATCH", event["id"], {"city": "B", "updatedBy": "bob"})):
        assert answer.status_code == 200 and answer.json() == event
    assert len(client.history(event["id"]).json()["changes"]) == 1


def test_what_the_server_assigns_may_be_sent_back_but_not_changed(client):
    event = client.create(createdBy="ann")
    event = client.send("PATCH", event["id"], {"city": "B"}).json()
    assert client.send("PUT", event["id"], {**event, "city": "C"}).status_code == 200
    event = client.get(event["id"]).json()
    for field, value in (("id", str(uuid.uuid4())), ("version", event["version"] - 1), ("createdBy", "eve"),
                         ("createdAt", "2020-01-01T00:00:00Z"), ("updatedAt", "2020-01-01T00:00:00Z")):
        refusal(client.send("PUT", event["id"], {**event, field: value}), 400, field)
        refusal(client.send("PATCH", event["id"], {field: value}), 400, field)
    assert client.get(event["id"]).json() == event


def test_preconditions(client):
    event = client.create()
    tag, other = f'"{event["version"]}"', '"1"'
    path = event["id"]
    assert client.get(path, If_None_Match=tag).status_code == 304
    assert client.get(path, If_None_Match=tag).headers["ETag"] == tag
    assert client.get(path, If_None_Match=f'"x", W/{tag}').status_code == 304
    assert client.get(path, If_None_Match="*").status_code == 304
    assert client.get(path, If_None_Match=other).status_code == 200
    for headers in ({"If-Match": other}, {"If-Match": f"W/{tag}"}, {"If-Match": "nonsense"},
                    {"If-None-Match": "*"}, {"If-None-Match": tag}):
        refusal(client.send("PATCH", path, {"city": "X"}, headers=headers), 412)
        refusal(client.send("PUT", path, {"title": "X"}, headers=headers), 412)
        refusal(client.send("DELETE", path, headers=headers), 412)
    refusal(client.send("PUT", path, {"title": ""}, If_Match=other), 400, "title")
    refusal(client.send("PUT", uuid.uuid4(), {"title": "X"}, If_Match="*"), 404)
    assert client.send("PATCH", path, {"city": "X"}, If_Match=f"{other}, {tag}").status_code == 200
    refusal(client.send("PATCH", path, {"city": "Y"}, If_Match=tag), 412)
    assert client.send("PATCH", path, {"city": "Y"}, If_Match="*").status_code == 200
    assert client.send("DELETE", path, If_Match=client.get(path).headers["ETag"]).status_code == 204


def test_of_many_conflicting_writers_one_wins(client):
    event = client.create()
    tag = f'"{event["version"]}"'

    def write(n):
        return requests.patch(f"{client.base}/{event['id']}", json={"city": str(n)},
                              headers={"If-Match": tag}).status_code

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(write, range(16)))
    assert sorted(statuses) == [200] + [412] * 15


def test_concurrent_updates_without_conditions_all_count(client):
    event = client.create()

    def write(n):
        return requests.patch(f"{client.base}/{event['id']}", json={"price": n}).json()["version"]

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        versions = list(pool.map(write, range(64)))
    assert len(set(versions)) == 64
    history = [change["version"] for change in client.history(event["id"]).json()["changes"]]
    assert history == sorted([event["version"], *versions])
    assert client.get(event["id"]).json()["version"] == max(versions)


def test_history_is_every_change(client):
    event = client.create(price=5, createdBy="ann")
    client.send("PATCH", event["id"], {"price": None, "city": "B", "updatedBy": "bob"})
    client.send("DELETE", event["id"])
    body = client.history(event["id"].upper()).json()
    assert body["id"] == event["id"]
    assert [change["type"] for change in body["changes"]] == ["created", "updated", "deleted"]
    created, updated, deleted = body["changes"]
    assert created["fields"] == {"title": "A title", "price": 5} and created["by"] == "ann"
    assert updated["fields"] == {"city": "B", "price": None} and updated["by"] == "bob"
    assert "fields" not in deleted and deleted["version"] > updated["version"] > created["version"]
    assert microseconds(created["at"]) == event["version"]
    refusal(client.history(uuid.uuid4()), 404)
    refusal(client.history("x"), 404)
    first = client.history(event["id"], limit=2).json()
    rest = client.history(event["id"], cursor=first["nextCursor"]).json()
    assert first["changes"] + rest["changes"] == body["changes"] and "nextCursor" not in rest


def test_idempotency_key(client):
    key = str(uuid.uuid4())
    first = client.post({"title": "Once"}, **{"Idempotency-Key": key})
    again = client.post({"title": "Once"}, **{"Idempotency-Key": key})
    assert first.status_code == again.status_code == 201 and again.content == first.content
    for name in ("Location", "ETag", "Weir-Token"):
        assert again.headers[name] == first.headers[name]
    refusal(client.post({"title": "Twice"}, **{"Idempotency-Key": key}), 422)
    client.send("PATCH", first.json()["id"], {"title": "Changed"})
    assert client.post({"title": "Once"}, **{"Idempotency-Key": key}).content == first.content
    refusal(client.post({"title": "T"}, **{"Idempotency-Key": "x" * 256}), 400)
    # A refusal is not kept: corrected, the same key works.
    key = str(uuid.uuid4())
    refusal(client.post({"title": ""}, **{"Idempotency-Key": key}), 400)
    assert client.post({"title": "Good"}, **{"Idempotency-Key": key}).status_code == 201


def test_one_key_by_many_at_once_makes_one_event(client):
    key, marker = str(uuid.uuid4()), str(uuid.uuid4())

    def write(_):
        return requests.post(client.base, json={"title": marker}, headers={"Idempotency-Key": key}).json()["id"]

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert len(set(pool.map(write, range(32)))) == 1


def test_batch_answers_a_line_for_each_line(client):
    own = str(uuid.uuid4())
    answer = client.batch([{"title": "first", "price": 1}, "", {"title": ""}, "{nonsense", "   \r",
                           {"title": "own", "id": own}, {"title": "again", "id": own}, "[]",
                           {"title": "x", "description": "y" * (1 << 20)}, {"title": "last"}])
    assert answer.status_code == 200 and answer.headers["Content-Type"] == "application/x-ndjson"
    results = [json.loads(line) for line in answer.text.splitlines()]
    assert [result["status"] for result in results] == [201, 400, 400, 201, 409, 400, 413, 201]
    assert results[1]["errors"][0]["field"] == "title" and results[3]["id"] == own
    for result in (results[0], results[3], results[7]):
        assert set(result) == {"status", "id", "version"}
        assert client.get(result["id"]).json()["version"] == result["version"]
    assert client.get(results[0]["id"]).json()["title"] == "first"


def test_batch_limits(client):
    assert client.batch(b"").text == ""
    results = client.batch([{"title": f"Number {n}"} for n in range(10_000)]).text.splitlines()
    assert len(results) == 10_000 and all('"status":201' in result for result in results)
    titles = [client.get(json.loads(results[n])["id"]).json()["title"] for n in (0, 4_999, 9_999)]
    assert titles == ["Number 0", "Number 4999", "Number 9999"]
    refusal(client.batch([{"title": "T"}] * 10_001), 413)


def test_list_pages_through_all_in_order_of_id(own):
    client = own().start()
    made = {json.loads(line)["id"] for line in
            client.batch([{"title": f"Number {n}"} for n in range(120)]).text.splitlines()}
    gone = sorted(made)[7]
    client.send("DELETE", gone)
    seen, parameters, pages = [], {"limit": 50}, 0
    while parameters:
        page = client.http.get(client.base, params=parameters).json()
        seen += [event["id"] for event in page["events"]]
        parameters = {"limit": 50, "cursor": page["nextCursor"]} if "nextCursor" in page else None
        pages += 1
    assert seen == sorted(made - {gone}) and pages == 3
    assert len(client.http.get(client.base).json()["events"]) == 50
    assert client.http.get(client.base, params={"limit": 1}).json()["events"][0] == client.get(seen[0]).json()


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "limit=", "limit=-1", "limit=1e2",
                                   "cursor=x", "cursor=", "cursor=%2F", "cursor=" + "A" * 48,
                                   "colour=red", "limit=99999999999999999999"])
def test_list_refuses_what_it_does_not_know(client, query):
    refusal(client.http.get(f"{client.base}?cursor={'A' * 9000}"), 400)
    refusal(client.http.get(f"{client.base}?{query}"), 400)


def test_writes_go_on_without_kafka_and_say_so(own):
    client = own().start()
    for n in range(10):
        client.create()
    assert client.daemon.ready()
    assert client.daemon.metric("weir_eventd_outbox_rows") == 10
    wait_for(lambda: client.daemon.metric("weir_eventd_outbox_oldest_seconds") > 0, "the outbox's age")
    assert client.daemon.metric("weir_eventd_relayed_total") == 0
    wait_for(lambda: "state=away" in client.daemon.log(), "a line about Kafka")
    assert client.daemon.stop() == 0
    assert client.daemon.log().count("state=away") == 1
    client.start()
    assert client.daemon.metric("weir_eventd_outbox_rows") == 10


def test_concurrent_creates_share_commits(client):
    before = (client.daemon.metric("weir_eventd_commit_requests_sum"),
              client.daemon.metric("weir_eventd_commit_requests_count"))

    def write(n):
        with requests.Session() as http:
            return [http.post(client.base, json={"title": f"{n}"}).status_code for _ in range(20)]

    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        statuses = sum(pool.map(write, range(32)), [])
    assert statuses == [201] * 640
    requests_done = client.daemon.metric("weir_eventd_commit_requests_sum") - before[0]
    commits = client.daemon.metric("weir_eventd_commit_requests_count") - before[1]
    assert requests_done == 640 and commits < 640


def test_a_full_disk_is_507_or_503_and_passes(own):
    client = own().start()
    kept = client.create()
    pid = client.daemon.child.pid
    size = (client.system.folder / "events.db-wal").stat().st_size
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size + 8192, resource.RLIM_INFINITY))
    statuses = set()
    for n in range(20):
        answer = client.post({"title": f"Number {n}", "description": "x" * 20_000})
        statuses.add(answer.status_code)
        if answer.status_code != 201:
            refusal(answer, answer.status_code)
    assert statuses - {201} and statuses - {201} <= {503, 507}
    assert not client.daemon.ready() and client.get(kept["id"]).status_code == 200
    lines = client.batch([{"title": "T", "description": "x" * 20_000}] * 3).text.splitlines()
    assert [json.loads(line)["status"] for line in lines] in ([503] * 3, [507] * 3)
    stored = len(client.http.get(client.base, params={"limit": 1000}).json()["events"])
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    wait_for(client.daemon.ready, "eventd to be ready again")
    client.create()
    assert len(client.http.get(client.base, params={"limit": 1000}).json()["events"]) == stored + 1
    assert client.daemon.log().count("event=store state=fails") == 1


def start_refused(client):
    client.daemon.start()
    status = client.daemon.wait()
    assert "reason=" in client.daemon.log()
    return status, client.daemon.log()


@pytest.mark.parametrize("prepare, expected", [
    (lambda path: path.write_bytes(b"this is no database at all, it is a text\n" * 100), "not an SQLite database"),
    (lambda path: path.mkdir(), "unable to open"),
    (lambda path: sqlite3.connect(path).executescript("CREATE TABLE t(x); PRAGMA application_id=7;"),
     "another program"),
    (lambda path: sqlite3.connect(path).executescript(
        "CREATE TABLE t(x); PRAGMA application_id=0x57656972; PRAGMA user_version=99;"), "format 99"),
])
def test_a_file_that_is_not_ours_is_refused_in_one_line(own, prepare, expected):
    client = own()
    path = client.system.folder / "events.db"
    prepare(path)
    before = path.read_bytes() if path.is_file() else None
    status, log = start_refused(client)
    assert status in (2, 3) and expected in log and str(path) in log
    assert len(log.splitlines()) == 1
    assert before is None or path.read_bytes() == before
    checked = subprocess.run([*client.daemon.arguments, "--check-config"], capture_output=True, text=True)
    assert checked.returncode == 2 and expected in checked.stderr


def test_a_second_eventd_on_the_same_store_is_refused(own):
    first = own().start()
    second = own()
    status, log = start_refused(second)
    assert status == 3 and "another eventd" in log
    first.create()


def test_the_store_is_kept_over_a_restart(own):
    client = own().start()
    event = client.create(price=5, city="B")
    key = {"Idempotency-Key": "k"}
    first = client.post({"title": "Once"}, **key)
    assert client.daemon.stop() == 0
    client.start()
    assert client.get(event["id"]).json() == event
    assert client.post({"title": "Once"}, **key).content == first.content


def test_openapi_describes_every_route(client):
    document = client.http.get(f"{client.daemon.url}/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert {(path, method) for path, item in document["paths"].items() for method in item
            if method != "parameters"} >= {
        ("/api/v1/events", "post"), ("/api/v1/events", "get"), ("/api/v1/events/batch", "post"),
        ("/api/v1/events/{id}", "get"), ("/api/v1/events/{id}", "put"), ("/api/v1/events/{id}", "patch"),
        ("/api/v1/events/{id}", "delete"), ("/api/v1/events/{id}/history", "get"),
        ("/api/v1/events/{id}/republish", "post"), ("/api/v1/changes", "get"), ("/api/v1/digests", "get"),
        ("/health/live", "get"), ("/health/ready", "get"), ("/metrics", "get")}
    text = json.dumps(document)
    for reference in re.findall(r'"\$ref": "#/([^"]+)"', text):
        at = document
        for part in reference.split("/"):
            at = at[part]
