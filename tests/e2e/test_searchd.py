# SPDX-License-Identifier: MIT
"""searchd over a real index: every parameter, every wrong one, and what happens while the index moves."""
import json
import random
import shutil
import threading
import uuid

import pytest
import requests

from processes import ROOT, wait_for

EVENTS = [
    ("Jazz under the stars", "An open air evening of improvised music", "Music", "Berlin", "Germany", "12.50", "2026-06-01"),
    ("Jazz brunch", "Breakfast with a trio", "Music", "Hamburg", "Germany", "30", "2026-06-02"),
    ("Ruby conference", "Talks about programming languages, open to all", "Tech", "Berlin", "Germany", "99.90", "2026-07-01"),
    ("Café littéraire", "Readings in the evening", "Books", "Paris", "France", None, "2026-08-15"),
    ("Runners' meeting", "Running together along the river", "Sport", "Cape Town", "South Africa", "0", None),
]


@pytest.fixture(scope="module")
def filled(shared_kafka, tmp_path_factory):
    """A system whose index holds EVENTS; ids are in the order of EVENTS."""
    from processes import System
    shared_kafka.delete_topics()
    shared_kafka.create_topics()
    system = System(tmp_path_factory.mktemp("filled"), shared_kafka.brokers)
    system.indexer.start()
    system.searchd.start()
    for number, (title, text, category, city, country, price, start) in enumerate(EVENTS):
        event_id = f"{number:08d}-0000-4000-8000-000000000000"
        body = {"EventId": event_id, "Title": title, "Description": text, "Category": category, "City": city,
                "Country": country, "StartDate": start, "Price": "PRICE"}
        shared_kafka.produce("events.created", event_id, json.dumps(body).replace('"PRICE"', price or "null"),
                             {"EventType": "EventCreatedEvent", "Version": str(number + 1)})
    system.wait_total(len(EVENTS))
    yield system
    system.kill()


def found(system, **parameters):
    """The numbers of the events found, in order."""
    return [int(hit["id"][:8]) for hit in system.search(**parameters)["hits"]]


def numbers(system, **parameters):
    return sorted(found(system, **parameters))


@pytest.mark.parametrize("parameters, expected", [
    ({}, [0, 1, 2, 3, 4]),
    ({"q": "jazz"}, [0, 1]),
    ({"q": "JAZZ brunch"}, [1]),
    ({"q": "jazz OR ruby"}, [0, 1, 2]),
    ({"q": "jazz -brunch"}, [0]),
    ({"q": "NOT jazz"}, [2, 3, 4]),
    ({"q": '"open air"'}, [0]),
    ({"q": '"air open"'}, []),
    ({"q": "cafe litteraire"}, [3]),
    ({"q": "run"}, [4]),
    ({"q": "language"}, [2]),
    ({"q": "conf*"}, [2]),
    ({"q": "city:berlin"}, [0, 2]),
    ({"q": 'city:"cape town"'}, [4]),
    ({"q": "title:open"}, []),
    ({"q": "(jazz OR ruby) city:berlin"}, [0, 2]),
    ({"q": "price:[10 TO 50]"}, [0, 1]),
    ({"q": "price:>30"}, [2]),
    ({"q": "startDate:[2026-06-02 TO *]"}, [1, 2, 3]),
    ({"category": "Music"}, [0, 1]),
    ({"category": "music"}, []),
    ({"category": ["Music", "Tech"]}, [0, 1, 2]),
    ({"category": "Music", "city": "Berlin"}, [0]),
    ({"city": "Cape Town"}, [4]),
    ({"price": "10..50"}, [0, 1]),
    ({"price": "..12.5"}, [0, 4]),
    ({"price": "99.9"}, [2]),
    ({"startDate": "2026-06-01..2026-06-02"}, [0, 1]),
    ({"startDate": "2026-07-01"}, [2]),
])
def test_what_is_found(filled, parameters, expected):
    assert numbers(filled, **parameters) == expected
    body = requests.post(f"{filled.searchd.url}/api/search/events", json=parameters, timeout=10).json()
    assert sorted(int(hit["id"][:8]) for hit in body["hits"]) == expected, "POST finds the same"


def test_sort_puts_missing_values_last_either_way(filled):
    assert found(filled, sort="price") == [4, 0, 1, 2, 3]
    assert found(filled, sort="-price") == [2, 1, 0, 4, 3]
    assert found(filled, sort="startDate") == [0, 1, 2, 3, 4]
    assert found(filled, sort="-startDate") == [3, 2, 1, 0, 4]
    assert found(filled, sort="country,-price") == [3, 2, 1, 0, 4]
    assert found(filled, sort="city") == [0, 2, 4, 1, 3]


def test_title_weighs_more_than_description(filled):
    assert found(filled, q="open OR ruby")[0] == 2


def test_pages_do_not_overlap(filled):
    pages = [found(filled, limit=2, offset=offset, sort="title") for offset in (0, 2, 4, 6)]
    assert sorted(sum(pages, [])) == [0, 1, 2, 3, 4] and pages[3] == []
    answer = filled.search(limit=0)
    assert answer["total"] == 5 and answer["hits"] == []


def test_the_answer_has_what_the_api_names(filled):
    wait_for(lambda: filled.search()["freshness"]["lagMessages"] == 0, "freshness to be known")
    answer = filled.search(q="brunch")
    assert set(answer) == {"total", "totalRelation", "tookMs", "hits", "facets", "suggestion", "nextCursor", "freshness"}
    assert answer["totalRelation"] == "eq" and answer["tookMs"] >= 0
    assert answer["freshness"]["lagMs"] == 0 and answer["freshness"]["asOf"].endswith("Z")
    (hit,) = answer["hits"]
    assert set(hit) == {"id", "score", "event"} and hit["score"] > 0
    assert hit["event"] == {"id": hit["id"], "title": "Jazz brunch", "description": "Breakfast with a trio", "category": "Music",
                            "city": "Hamburg", "country": "Germany", "price": 30, "startDate": "2026-06-02T00:00:00Z", "version": 2}


def test_fields(filled):
    (hit,) = filled.search(q="brunch", fields="title,price")["hits"]
    assert set(hit["event"]) == {"id", "title", "price"}
    assert filled.search(q="brunch", fields="")["hits"] == filled.search(q="brunch")["hits"]
    assert set(filled.search(q="brunch", fields="id")["hits"][0]["event"]) == {"id"}


def test_price_keeps_its_digits(filled):
    text = requests.get(f"{filled.searchd.url}/api/search/events", params={"q": "stars OR ruby"}, timeout=10).text
    assert '"price":12.50' in text and '"price":99.90' in text


def test_get_by_id(filled):
    url = f"{filled.searchd.url}/api/search/events"
    event_id = "00000002-0000-4000-8000-000000000000"
    answer = requests.get(f"{url}/{event_id}", timeout=10)
    assert answer.status_code == 200 and answer.json()["version"] == 3
    assert answer.json()["event"]["title"] == "Ruby conference"
    assert requests.get(f"{url}/{{{event_id}}}", timeout=10).status_code == 200
    assert requests.get(f"{url}/{uuid.uuid4()}", timeout=10).status_code == 404
    assert requests.get(f"{url}/{'x' * 3000}", timeout=10).status_code == 404


@pytest.mark.parametrize("parameters, status, names", [
    ({"q": "(jazz"}, 400, "column"),
    ({"q": '"jazz'}, 400, "column"),
    ({"q": "nofield:x"}, 400, "nofield"),
    ({"q": "a*"}, 400, "column"),
    ({"q": "jazz~"}, 400, "column"),
    ({"q": "x" * 5000}, 400, "4096"),
    ({"q": ["a", "b"]}, 400, "twice"),
    ({"limit": ["1", "2"]}, 400, "twice"),
    ({"offset": ["1", "2"]}, 400, "twice"),
    ({"limit": "1e2"}, 400, "limit"),
    ({"limit": ""}, 400, "limit"),
    ({"limit": "1001"}, 400, "1000"),
    ({"limit": "-1"}, 400, "limit"),
    ({"limit": "ten"}, 400, "limit"),
    ({"offset": "10001"}, 400, "10000"),
    ({"sort": "nothing"}, 400, "sort"),
    ({"sort": "description"}, 400, "sort"),
    ({"fields": "titel"}, 400, "titel"),
    ({"price": "cheap"}, 400, "price"),
    ({"price": "50..10"}, 400, "price"),
    ({"startDate": "tomorrow"}, 400, "startDate"),
    ({"catgory": "Music"}, 400, "category"),
    ({"title": "x"}, 400, "q=title:"),
    ({"price": ""}, 400, "price"),
    ({"category": "Music", "endDate": "x"}, 400, "endDate"),
    ({"facets": "title"}, 400, "cannot be counted"),
    ({"facets": "price"}, 400, "fields are category, city, country"),
    ({"facets": "citty"}, 400, "did you mean city?"),
    ({"facets": "city,"}, 400, "cannot be counted"),
    ({"facets": "city,country,city"}, 400, "twice"),
    ({"facets": ["city", "city"]}, 400, "twice"),
    ({"highlight": "true"}, 400, "highlight"),
    *(({"waitFor": token}, 400, "waitFor") for token in (
        "x", "x@", "@1", "x@1.5", "x@one", "x@9223372036854775808", "x@1,", ",x@1", "x@1,,y@2", "x@+1", "x@ 1", "\x01@1", "x@-",
        ",".join(["x@1"] * 101), "é" * 101 + "@1")),
    *(({"waitMs": ms}, 400, "10000") for ms in ("", "-1", "10001", "1.5", "1s")),
    ({"waitMs": ["1", "2"]}, 400, "twice"),
    ({"cursor": "x"}, 400, "cursor"),
    ({"snippet": "100"}, 400, "snippet"),
    *(({"facetLimit": limit}, 400, "1000") for limit in ("", "-1", "1001", "ten")),
    ({"facetLimit": ["5", "5"]}, 400, "twice"),
])
def test_wrong_parameters_are_named(filled, parameters, status, names):
    answer = requests.get(f"{filled.searchd.url}/api/search/events", params=parameters, timeout=10)
    assert answer.status_code == status and answer.headers["Content-Type"] == "application/problem+json"
    assert names in answer.json()["detail"], answer.text
    assert "\n" not in answer.json()["detail"]
    (error,) = answer.json()["errors"]
    assert error["field"] in parameters, "the parameter that it is about"
    body = requests.post(f"{filled.searchd.url}/api/search/events", json=parameters, timeout=10)
    assert (body.status_code, body.json()) == (400, answer.json()), "POST says the same"


def test_wrong_bodies(filled):
    url = f"{filled.searchd.url}/api/search/events"
    headers = {"Content-Type": "application/json"}
    for body in (b"", b"{", b"[]", b'{"q": {"a": 1}}', b'{"limit": [1, [2]]}', b"\xff"):
        assert requests.post(url, data=body, headers=headers, timeout=10).status_code == 400, body
    assert requests.post(url, data=b"{}", headers={"Content-Type": "text/plain"}, timeout=10).status_code == 415
    assert requests.post(url, data=b" " * (1 << 20) + b"{}", headers=headers, timeout=10).status_code == 413
    answer = requests.post(url, json={}, params={"q": "jazz"}, timeout=10)
    assert answer.status_code == 400 and "body" in answer.json()["detail"]
    assert requests.post(url, json={"q": None, "limit": 2, "category": ["Music", "Tech"]}, timeout=10).json()["total"] == 3


def test_what_every_route_does(filled):
    url = f"{filled.searchd.url}/api/search/events"
    answer = requests.delete(url, timeout=10)
    assert answer.status_code == 405 and answer.headers["Allow"] == "GET, HEAD, POST"
    answer = requests.head(url, params={"q": "jazz"}, timeout=10)
    assert answer.status_code == 200 and answer.content == b"" and int(answer.headers["Content-Length"]) > 100
    assert requests.head(filled.searchd.url, timeout=10).status_code == 200
    assert requests.get(f"{url}/", timeout=10).status_code == 404
    assert requests.get(url, params={"q": "x" * 20000}, timeout=10).status_code == 414
    answer = requests.get(f"{url}?q=%00", timeout=10)
    assert answer.status_code == 400 and answer.headers["Content-Type"] == "application/problem+json"
    assert requests.get(f"{url}?q=%ff", timeout=10).status_code == 400
    assert requests.get(f"{url}?=1", timeout=10).status_code == 400
    assert requests.get(url, headers={"X-Request-Id": "mine-1"}, timeout=10).headers["X-Request-Id"] == "mine-1"


def test_nothing_typed_is_a_500(filled):
    rng = random.Random(4711)
    pieces = ["jazz", "AND", "OR", "NOT", "(", ")", '"', "-", "+", "*", "~", "^", ":", "[", "]", "{", "TO", "price", "title", "\\", "é", "\U0001f3b7", "10", "..", " ", "%", "\x01"]
    for _ in range(300):
        q = "".join(rng.choice(pieces) + rng.choice(["", " "]) for _ in range(rng.randrange(1, 15)))
        answer = requests.get(f"{filled.searchd.url}/api/search/events", params={"q": q, "limit": 1}, timeout=10)
        assert answer.status_code in (200, 400), (q, answer.text)


def test_page_health_metrics_openapi(filled):
    page = requests.get(filled.searchd.url, timeout=10)
    assert page.status_code == 200 and "<title>" in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "http://" not in page.text.replace("http://www.w3.org/2000/svg", "") and "https://" not in page.text, "works without network"
    health = requests.get(f"{filled.searchd.url}/health/ready", timeout=10).json()
    assert health == {"status": "ready", "index": health["index"]} and health["index"]
    openapi = requests.get(f"{filled.searchd.url}/openapi.json", timeout=10).json()
    assert openapi["openapi"].startswith("3.1")
    for parameter in openapi["paths"]["/api/search/events"]["get"]["parameters"]:
        filled.search(**{parameter["name"]: parameter["schema"].get("default", "")})
    for metric in ("search_seconds_count", "refreshes_total", "generations_total"):
        assert filled.searchd.metric(f"weir_searchd_{metric}") > 0
    assert filled.searchd.metric("weir_searchd_reruns_total") is not None
    wait_for(lambda: filled.searchd.metric("weir_searchd_lag_messages") == 0, "the lag to be known")


def test_index_that_comes_later(kafka, make_system):
    system = make_system(kafka.brokers)
    system.searchd.start()
    wait_for(system.searchd.alive, "searchd to live")
    answer = requests.get(f"{system.searchd.url}/api/search/events", timeout=10)
    assert answer.status_code == 503 and answer.headers["Retry-After"] and "index" in answer.json()["detail"]
    assert "index" in requests.get(f"{system.searchd.url}/health/ready", timeout=10).text
    system.indexer.start()
    system.searchd.wait_ready()
    assert system.total() == 0


def test_null_engine_is_refused(kafka, make_system):
    system = make_system(kafka.brokers, plugin="null")
    assert system.searchd.start().wait() == 2 and "cannot search" in system.searchd.log()


def produce(kafka, count):
    producer = kafka.producer(**{"linger.ms": 1})
    for number in range(count):
        event_id = str(uuid.uuid4())
        kafka.produce("events.created", event_id, json.dumps({"EventId": event_id, "Title": f"Concert number {number}"}), None, producer)
        producer.poll(0)
    producer.flush(30)


def test_index_that_goes_away_and_comes_back(kafka, make_system):
    system = make_system(kafka.brokers, **{"searchd__deadline": "5s"})
    system.indexer.start()
    system.searchd.start()
    produce(kafka, 3)
    system.wait_total(3)
    system.indexer.stop()
    index = system.folder / "index"
    index.rename(system.folder / "away")
    answer = requests.get(f"{system.searchd.url}/api/search/events", timeout=10)
    assert answer.status_code == 503 and answer.headers["Retry-After"] and "there is no index" in answer.json()["detail"]
    assert str(system.folder) not in answer.text, "where our files are is no business of clients"
    assert answer.elapsed.total_seconds() < 5, "it is not the deadline that ends it"
    wait_for(lambda: not system.searchd.ready(), "searchd not to be ready")
    system.indexer.start()  # makes a new one, from the log
    system.wait_total(3)
    system.searchd.wait_ready()


def test_index_of_another_schema_is_served_by_its_own(filled, make_system, tmp_path):
    """What the catalog says of it; without one, nobody knows its schema, and searchd ends."""
    schema = json.loads((ROOT / "schema" / "events.json").read_text())
    schema["fields"] = [field for field in schema["fields"] if field["name"] != "country"]
    (tmp_path / "other.json").write_text(json.dumps(schema))
    system = make_system(filled.settings["kafka.brokers"], **{
        "backend__xapian__path": filled.settings["backend.xapian.path"], "schema__file": tmp_path / "other.json"})
    system.searchd.start().wait_ready()
    assert "field country: is gone" in system.searchd.log() and "weir rebuild" in system.searchd.log()
    assert system.total(country="Germany") == filled.total(country="Germany")
    system.searchd.stop()
    shutil.copytree(filled.settings["backend.xapian.path"], tmp_path / "index")
    system = make_system(filled.settings["kafka.brokers"], **{
        "backend__xapian__path": tmp_path / "index", "schema__file": tmp_path / "other.json"})
    assert system.searchd.start().wait() == 3
    last = system.searchd.log().splitlines()[-1]
    assert "level=error" in last and "schema" in last and "weir rebuild" in last


def test_damaged_index_is_said_and_nothing_ends(filled, make_system, tmp_path):
    shutil.copytree(filled.settings["backend.xapian.path"], tmp_path / "index")
    system = make_system(filled.settings["kafka.brokers"], **{"backend__xapian__path": tmp_path / "index"})
    system.searchd.start().wait_ready()
    tables = list((tmp_path / "index").rglob("*.glass"))
    assert tables
    for table in tables:
        table.write_bytes(b"\xff" * table.stat().st_size)
    answer = requests.get(f"{system.searchd.url}/api/search/events", params={"q": "jazz"}, timeout=10)
    assert answer.status_code == 503 and answer.headers["Content-Type"] == "application/problem+json"
    assert str(tmp_path) not in answer.text


def test_lag_is_told_while_the_indexer_is_dead(own_kafka, make_system):
    system = make_system(own_kafka.brokers)
    system.indexer.start()
    system.searchd.start()
    produce(own_kafka, 5)
    system.wait_total(5)
    freshness = lambda: system.search(limit=0)["freshness"]  # noqa: E731
    wait_for(lambda: freshness()["lagMessages"] == 0, "no lag")
    system.indexer.kill()
    produce(own_kafka, 7)
    wait_for(lambda: freshness()["lagMessages"] == 7, "a lag of 7")
    assert freshness()["lagMs"] > 0 and system.total() == 5
    system.indexer.start()
    wait_for(lambda: freshness()["lagMessages"] == 0, "no lag again")
    own_kafka.kill()
    wait_for(lambda: freshness()["lagMessages"] is None, "the lag to be unknown without Kafka")
    assert freshness()["lagMs"] is None and system.total() == 12 and system.searchd.ready()
    wait_for(lambda: "event=kafka state=away" in system.searchd.log(), "the outage in the log")


def test_deadline(filled, make_system):
    system = make_system(filled.settings["kafka.brokers"], **{
        "backend__xapian__path": filled.settings["backend.xapian.path"], "searchd__deadline": "1ms"})
    system.searchd.start().wait_ready()
    heavy = " OR ".join(f"{first}{second}*" for first in "abcdefghijkl" for second in "abcdefghijklmnopqrst")

    def late():
        answer = requests.get(f"{system.searchd.url}/api/search/events", params={"q": heavy}, timeout=10)
        assert answer.status_code in (200, 503), answer.text
        return answer.status_code == 503 and "deadline" in answer.json()["detail"] and answer.headers["Retry-After"]
    wait_for(late, "a search past its deadline")


@pytest.mark.slow
def test_answers_have_a_largest_size(kafka, make_system):
    system = make_system(kafka.brokers)
    system.indexer.start()
    system.searchd.start()
    producer = kafka.producer()
    for number in range(420):
        event_id = f"{number:08d}-0000-4000-8000-000000000000"
        kafka.produce("events.created", event_id, json.dumps({"EventId": event_id, "Title": "Long", "Description": "long " * 19000}), None, producer)
        producer.poll(0)
    producer.flush(30)
    system.wait_total(420)
    answer = requests.get(f"{system.searchd.url}/api/search/events", params={"limit": 1000}, timeout=30)
    assert answer.status_code == 400 and "32 MiB" in answer.json()["detail"]
    assert len(system.search(limit=1000, fields="title")["hits"]) == 420


@pytest.mark.slow
def test_searches_survive_commits_under_them(kafka, make_system):
    """None fails, and none shows less than an answer that came before it was asked."""
    system = make_system(kafka.brokers, **{"indexer__batch_time": "5ms", "searchd__workers": 4})
    system.indexer.start()
    system.searchd.start()
    system.wait_total(0)
    count, ended, bad, seen = 4000, threading.Event(), [], [0]

    def search():
        session = requests.Session()
        while not ended.is_set():
            least = seen[0]
            answer = session.get(f"{system.searchd.url}/api/search/events", params={"q": "concert OR number", "sort": "title", "limit": 50}, timeout=10)
            if answer.status_code != 200 or answer.json()["total"] < least:
                bad.append((least, answer.text))
                continue
            with lock:
                seen[0] = max(seen[0], answer.json()["total"])
    lock = threading.Lock()
    searchers = [threading.Thread(target=search) for _ in range(4)]
    for searcher in searchers:
        searcher.start()
    produce(kafka, count)
    system.wait_total(count)
    ended.set()
    for searcher in searchers:
        searcher.join()
    assert not bad, bad[0]


def test_full_queue_is_503(filled, make_system):
    system = make_system(filled.settings["kafka.brokers"], **{
        "backend__xapian__path": filled.settings["backend.xapian.path"], "searchd__queue": 1, "searchd__workers": 1})
    system.searchd.start().wait_ready()
    statuses, lock = [], threading.Lock()

    def ask():
        answer = requests.get(f"{system.searchd.url}/api/search/events", params={"q": "jazz OR ruby OR open"}, timeout=30)
        with lock:
            statuses.append((answer.status_code, answer.headers.get("Retry-After")))

    def round_of_asking():
        askers = [threading.Thread(target=ask) for _ in range(40)]
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join()
        return any(status == 503 for status, _ in statuses)
    wait_for(round_of_asking, "a full queue")
    assert {status for status, _ in statuses} == {200, 503}
    assert all(after for status, after in statuses if status == 503)
