# SPDX-License-Identifier: MIT
"""The OpenSearch backend with its node away, slow, full, restarted, and in front of what it refuses:
nothing is lost, nothing becomes a dead letter that should not, and the log says what is the matter."""
import base64
import json
import threading
import uuid

import pytest
import requests

from clusters import Cluster, Proxy, make_certificates
from processes import OpenSearch, free_port, wait_for


def settings_of(url, **more):
    return {"plugin": "opensearch", "backend__opensearch__url": url, "backend__opensearch__replicas": 0,
            **{f"backend__opensearch__{key}": value for key, value in more.items()}}


@pytest.fixture
def make(kafka, make_system):
    """Indexer and searchd over an index of their own; nothing is started."""
    return lambda url, **more: make_system(kafka.brokers, **settings_of(url, **more))


@pytest.fixture
def cluster():
    made = Cluster()
    yield made
    made.stop()


def start(system):
    system.indexer.start().wait_ready()
    system.searchd.start()
    wait_for(system.searchd.ready, "searchd to be ready")
    return system


def send(kafka, first, count, producer=None):
    """Creates events with ids of their numbers."""
    own = producer or kafka.producer()
    for number in range(first, first + count):
        event_id = str(uuid.UUID(int=number))
        own.produce("events.created", key=event_id, headers={"Version": str(number + 1)}, value=json.dumps(
            {"EventId": event_id, "Title": f"Concert {number}", "Price": number, "City": "Paris"}))
    assert own.flush(60) == 0


def dead_letters(kafka):
    return kafka.read_all("events.dlq")


def lines(daemon, *words):
    return [line for line in daemon.log().splitlines() if all(word in line for word in words)]


def wait_line(daemon, *words):
    return wait_for(lambda: lines(daemon, *words), f"{daemon.name} to say {' '.join(words)}")[0]


def health(daemon):
    return requests.get(f"{daemon.url}/health/ready", timeout=5)


def read(system):
    return system.indexer.metric("weir_indexer_messages_total") or 0


@pytest.mark.slow
def test_a_node_that_comes_later(kafka, make, tmp_path):
    port = free_port()
    system = make(f"http://127.0.0.1:{port}")
    send(kafka, 0, 20)
    system.indexer.start()
    system.searchd.start()
    line = wait_line(system.indexer, "reason=", str(port))
    assert "is the node running" in line and "\n" not in line
    assert "is the node running" in wait_line(system.searchd, "reason=", str(port))
    node = OpenSearch(tmp_path / "node", port=port).start()
    try:
        system.wait_total(20)
        assert not dead_letters(kafka)
        assert len(lines(system.indexer, "is the node running")) == 1, "a lasting failure is one line"
    finally:
        system.kill()
        node.kill()


@pytest.mark.slow
def test_kills_of_the_node_during_a_load(kafka, own_opensearch, make):
    system = start(make(own_opensearch.url))
    sent = 0
    for _ in range(3):
        sender = threading.Thread(target=send, args=(kafka, sent, 3000))
        sender.start()
        sent += 3000
        wait_for(lambda: read(system) > sent - 2500, "some of it to be read")
        own_opensearch.kill()
        sender.join()
        send(kafka, sent, 200)  # all before them may have been in already
        sent += 200
        wait_line(system.indexer, "event=commit", "opensearch:")
        assert health(system.indexer).status_code == 503
        own_opensearch.start()
    system.wait_total(sent, 120)
    system.indexer.wait_ready()
    assert not dead_letters(kafka)
    assert system.search(q="concert", sort="-price", limit=1)["hits"][0]["event"]["price"] == sent - 1


def test_a_slow_node_is_waited_for(kafka, opensearch, make):
    proxy = Proxy(opensearch)
    try:
        system = start(make(proxy.url, timeout=1000))
        send(kafka, 0, 100)
        system.wait_total(100)
        proxy.delay = 2.0
        send(kafka, 100, 100)
        line = wait_line(system.indexer, "no answer in time")
        assert proxy.url in line and "timeout 1000 ms" in line
        asked = sum(proxy.requests.values())
        wait_for(lambda: sum(proxy.requests.values()) > asked + 3, "it to be tried again")
        proxy.delay = 0
        system.wait_total(200)
        system.indexer.wait_ready()
        assert not dead_letters(kafka)
    finally:
        proxy.stop()


def test_a_full_disk_is_waited_for(kafka, opensearch, make):
    proxy = Proxy(opensearch)
    try:
        system = start(make(proxy.url))
        index = system.settings["backend.opensearch.index"]
        send(kafka, 0, 50)
        system.wait_total(50)
        opensearch.call("PUT", f"/{index}/_settings", {"index.blocks.read_only_allow_delete": True})
        send(kafka, 50, 500)
        assert "free disk space" in wait_line(system.indexer, "flood-stage watermark")
        wait_for(lambda: health(system.indexer).status_code == 503, "health to say so")
        assert "watermark" in health(system.indexer).text
        assert system.total() == 50, "what is there can still be searched"
        bulk = f"POST /{index}.weir/_bulk"
        tries = proxy.requests[bulk]
        wait_for(lambda: proxy.requests[bulk] >= tries + 8, "more tries than it takes to suspect a document")
        assert len(lines(system.indexer, "flood-stage")) == 1
        opensearch.call("PUT", f"/{index}/_settings", {"index.blocks.read_only_allow_delete": None})
        system.wait_total(550)
        system.indexer.wait_ready()
        assert not dead_letters(kafka)
    finally:
        proxy.stop()


def test_a_rejected_document_goes_alone(kafka, cluster, make):
    bad = str(uuid.UUID(int=7))
    cluster.item = lambda event_id, source: (400, "mapper_parsing_exception", "failed to parse") if event_id == bad else None
    system = make(cluster.url)
    system.indexer.start().wait_ready()
    send(kafka, 0, 20)
    wait_for(lambda: read(system) == 20, "all to be read")
    assert len(cluster.events()) == 19
    letters = dead_letters(kafka)
    assert [letter.key().decode() for letter in letters] == [bad]
    assert b"mapper_parsing_exception: failed to parse" in dict(letters[0].headers())["weir-error"]


@pytest.mark.parametrize("status, kind", [(429, "rejected_execution_exception"), (503, "unavailable_shards_exception"),
                                          (429, "circuit_breaking_exception")])
def test_items_that_have_to_wait_are_sent_again_alone(kafka, cluster, make, status, kind):
    """An answer of 200 in which half of the items failed."""
    turned_away = set()

    def once(event_id, source):
        if int(uuid.UUID(event_id)) % 2 and event_id not in turned_away:
            turned_away.add(event_id)
            return status, kind, "no room"
        return None
    cluster.item = once
    system = make(cluster.url)
    system.indexer.start().wait_ready()
    send(kafka, 0, 100)
    wait_for(lambda: read(system) == 100, "all to be read")
    assert len(cluster.events()) == 100 and len(turned_away) == 50
    assert not dead_letters(kafka)
    assert not lines(system.indexer, "level=error"), "it was soon over"


@pytest.mark.slow  # mostly waiting, in code that the tests around it run
def test_items_that_have_to_wait_long_stop_the_indexer_and_nothing_else(kafka, cluster, make):
    """One shard is away: its documents wait, and do not become dead letters while others get in."""
    away = {str(uuid.UUID(int=number)) for number in (3, 30)}
    cluster.item = lambda event_id, source: (503, "unavailable_shards_exception", "primary shard is not active") \
        if event_id in away else None
    system = make(cluster.url)
    system.indexer.start().wait_ready()
    send(kafka, 0, 40)
    wait_line(system.indexer, "takes no more writes now", "unavailable_shards_exception")
    bulks = cluster.bulks
    # each try of the indexer is five of the plug-in; a document would be condemned by its second
    wait_for(lambda: cluster.bulks > bulks + 25, "it to be tried often")
    gaps = [after - before for before, after in zip(cluster.times, cluster.times[1:])]
    assert max(gaps[-10:]) > 0.05, "it backs off"
    assert not dead_letters(kafka)
    away.clear()
    wait_for(lambda: read(system) == 40, "all to be read")
    assert len(cluster.events()) == 40
    assert not dead_letters(kafka)


@pytest.mark.parametrize("status", [429, 503, 502])
def test_a_bulk_that_is_refused_whole_is_sent_again(kafka, cluster, make, status):
    body = {"error": {"type": "rejected_execution_exception", "reason": "queue full"}, "status": status}
    cluster.bulk = lambda number, items: (status, body) if number % 3 else None
    system = make(cluster.url)
    system.indexer.start().wait_ready()
    send(kafka, 0, 50)
    wait_for(lambda: read(system) == 50, "all to be read")
    assert len(cluster.events()) == 50
    assert not dead_letters(kafka)


def test_a_document_on_which_the_server_fails_goes_alone(kafka, cluster, make):
    bad = str(uuid.UUID(int=5))
    cluster.item = lambda event_id, source: (500, "null_pointer_exception", "oops") if event_id == bad else None
    system = make(cluster.url)
    system.indexer.start().wait_ready()
    send(kafka, 0, 20)
    wait_for(lambda: read(system) == 20, "all to be read")
    letters = dead_letters(kafka)
    assert [letter.key().decode() for letter in letters] == [bad]
    assert len(cluster.events()) == 19


def test_another_writer_between_fetch_and_bulk(kafka, cluster, make):
    """Every document's first write meets a newer one: it is fetched and merged again."""
    met = set()

    def meddle(event_id, source):
        if event_id not in met:
            met.add(event_id)
            cluster.write(event_id, source, True)  # somebody else was quicker
        return None
    cluster.item = meddle
    system = make(cluster.url)
    system.indexer.start().wait_ready()
    send(kafka, 0, 50)
    wait_for(lambda: read(system) == 50, "all to be read")
    assert len(cluster.events()) == 50
    assert not dead_letters(kafka)


def test_an_answer_that_is_nonsense(kafka, cluster, make):
    answers = iter([(200, {"items": []}), (200, {}), (200, {"items": [{}] * 50}), (200, {"items": "x"})])
    cluster.bulk = lambda number, items: next(answers, None)
    system = make(cluster.url)
    system.indexer.start().wait_ready()
    send(kafka, 0, 50)
    wait_for(lambda: read(system) == 50, "all to be read")
    assert len(cluster.events()) == 50
    assert not dead_letters(kafka)


@pytest.mark.parametrize("settings, wanted", [
    ({"user": "weir", "password": "s3cret-word"}, "Basic " + base64.b64encode(b"weir:s3cret-word").decode()),
    ({"api_key": "c2VjcmV0"}, "ApiKey c2VjcmV0"),
])
def test_tls_and_who_asks(kafka, opensearch, make, tmp_path, settings, wanted):
    ca, other, certificate = make_certificates(tmp_path)
    proxy = Proxy(opensearch, wanted, certificate)
    try:
        system = start(make(proxy.url, ca_path=ca, **settings))
        send(kafka, 0, 10)
        system.wait_total(10)
        system.kill()
        untrusting = make(proxy.url, ca_path=other, **settings)
        untrusting.searchd.start()
        assert "certificate is not trusted" in wait_line(untrusting.searchd, "reason=", "ca_path")
        secret = settings.get("password") or settings["api_key"]
        stranger = make(proxy.url, ca_path=ca)
        stranger.searchd.start()
        assert "lets us not in (status 401" in wait_line(stranger.searchd, "reason=")
        unreadable = make(proxy.url, ca_path=tmp_path / "none.pem")
        unreadable.searchd.start()
        assert "none.pem cannot be read" in wait_line(unreadable.searchd, "reason=")
        for each in (system, untrusting, stranger):
            for daemon in (each.indexer, each.searchd):
                assert secret not in daemon.log() and wanted.split()[1] not in daemon.log()
    finally:
        proxy.stop()


def test_the_second_url_is_tried(kafka, opensearch, make):
    system = start(make(f"http://127.0.0.1:{free_port()},{opensearch.url}"))
    send(kafka, 0, 10)
    system.wait_total(10)


def test_an_index_that_is_somebody_elses(kafka, opensearch, make):
    system = make(opensearch.url)
    index = system.settings["backend.opensearch.index"]
    opensearch.call("PUT", f"/{index}", {"mappings": {"properties": {"title": {"type": "text"}}}})
    system.indexer.start()
    assert system.indexer.wait() == 3
    line = lines(system.indexer, "reason=")[0]
    assert "is not an index of Weir" in line and "weir rebuild" in line
    assert "title" in opensearch.call("GET", f"/{index}/_mapping")[index]["mappings"]["properties"]


def test_an_index_that_is_deleted_under_its_writer(kafka, opensearch, make):
    """It is not made again by a write, without mapping; and the next start reads the log from its start."""
    system = start(make(opensearch.url))
    index = system.settings["backend.opensearch.index"]
    send(kafka, 0, 30)
    system.wait_total(30)
    opensearch.call("DELETE", f"/{index}")
    send(kafka, 30, 10)
    assert system.indexer.wait() == 3
    # in a commit, or before one
    assert lines(system.indexer, "was deleted or replaced") or lines(system.indexer, f"has no index {index}")
    assert opensearch.call("GET", f"/{index}", check=False)["status"] == 404
    system.indexer.start()
    system.wait_total(40)
    assert not dead_letters(kafka)


@pytest.mark.slow
def test_pages_beyond_the_window_of_the_engine(kafka, opensearch, make):
    system = start(make(opensearch.url))
    send(kafka, 0, 10500)
    system.wait_total(10500)
    for sort in ("price", "-price"):
        hits = system.search(sort=sort, offset=9900, limit=1000)["hits"]
        prices = [hit["event"]["price"] for hit in hits]
        assert prices == (list(range(9900, 10500)) if sort == "price" else list(range(599, -1, -1)))
    for query in ("", "concert"):
        answer = system.search(q=query, limit=1)
        assert answer["totalRelation"] in ("eq", "gte") and 10000 <= answer["total"] <= 10500
        assert answer["totalRelation"] == "gte" or answer["total"] == 10500
        exact = system.search(q=query, limit=0)
        assert (exact["total"], exact["totalRelation"]) == (10500, "eq")


def test_a_long_query_is_answered(kafka, opensearch, make):
    """256 words over six fields are more clauses than the cluster takes by default."""
    system = start(make(opensearch.url))
    send(kafka, 0, 10)
    system.wait_total(10)
    words = " ".join(["concert"] * 128 + ["paris"] * 127)
    assert system.search(q=words)["total"] == 10
    many = " OR ".join(["3"] + [f"w{n}" for n in range(255)])
    assert system.search(q=many)["total"] == 1
