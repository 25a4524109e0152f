# SPDX-License-Identifier: MIT
"""Bad networks between each pair of processes: nothing is lost, nothing is there twice, and all goes on by itself."""
import concurrent.futures
import contextlib
import os
import uuid

import pytest
import requests

import processes
from processes import Daemon, wait_for, weir
from toxics import KafkaBehind, Proxy
from traffic import event

CLIENTS = ("eventd", "indexer", "searchd")
# Half-open connections are noticed by the client's own timeouts; the defaults (60 s) would make a long test.
HASTY = {"kafka.rdkafka.socket.timeout.ms": 2000, "kafka.rdkafka.reconnect.backoff.max.ms": 500}
AILMENTS = {
    "latency": lambda proxy: proxy.slow(0.1),
    "drip": lambda proxy: proxy.drip(64),
    "reset": lambda proxy: proxy.reset_each_after(500, 4000),
    "cut": lambda proxy: proxy.cut(),
    "hole": lambda proxy: proxy.black_hole(),
}


def size(daemon):
    folder = f"/proc/{daemon.child.pid}"
    return len(os.listdir(f"{folder}/fd")), len(os.listdir(f"{folder}/task"))


@pytest.fixture(scope="module")
def behind(tmp_path_factory):
    """A system, each of whose daemons reaches Kafka through a proxy of its own."""
    if processes.kafka_missing():
        pytest.skip(processes.kafka_missing())
    kafka = KafkaBehind(tmp_path_factory.mktemp("kafka"), CLIENTS).start()
    kafka.create_topics()
    system = processes.System(tmp_path_factory.mktemp("behind"), kafka.brokers)
    for name in CLIENTS:
        setattr(system, name, Daemon(name, system, {**system.settings, **HASTY, "kafka.brokers": kafka.brokers_of(name)}))
    system.written = 0
    system.start()
    for name in CLIENTS:
        getattr(system, name).wait_ready()
    write(system, 10)
    system.wait_total(system.written)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:  # each worker has its session, and the index its files
        list(pool.map(lambda _: system.search(), range(64)))
    yield system, kafka
    system.kill()
    kafka.stop()


def write(system, count):
    for _ in range(count):
        answer = system.post(event(system.written))
        assert answer.status_code == 201, "whatever the network between eventd and Kafka is like"
        system.written += 1


@pytest.mark.parametrize("ailment", AILMENTS)
def test_kafka(behind, ailment):
    system, kafka = behind
    before = {name: size(getattr(system, name)) for name in CLIENTS}
    for proxy in kafka.proxies.values():
        AILMENTS[ailment](proxy)
    write(system, 30)
    if ailment in ("cut", "hole"):
        wait_for(lambda: not system.indexer.ready(), "the indexer to say that Kafka does not answer")
        wait_for(lambda: system.search(limit=0)["freshness"]["lagMessages"] is None, "freshness to be unknown")
        assert system.eventd.ready() and system.searchd.ready(), "writes and searches go on"
        assert system.eventd.metric("weir_eventd_outbox_rows") >= 30
    elif ailment != "reset":  # slow is not broken
        system.wait_total(system.written)
    for proxy in kafka.proxies.values():
        proxy.heal()
    write(system, 10)
    system.wait_total(system.written)
    for name in CLIENTS:
        getattr(system, name).wait_ready()
    wait_for(lambda: system.search(limit=0)["freshness"]["lagMessages"] == 0, "freshness to be known again")
    wait_for(lambda: system.eventd.metric("weir_eventd_outbox_rows") == 0, "the outbox to be empty")
    assert sum(kafka.ends(["events.created"]).values()) == system.written, "the relay's resends are not in the log twice"
    assert sum(kafka.ends(["events.dlq"]).values()) == 0
    for name in CLIENTS:
        wait_for(lambda: all(now <= was + 6 for now, was in zip(size(getattr(system, name)), before[name])),
                 f"{name} to have no more files and threads than before")


@pytest.fixture
def front(behind):
    """Proxies before eventd and searchd."""
    system, kafka = behind
    for proxy in kafka.proxies.values():
        proxy.heal()
    proxies = {name: Proxy(getattr(system, name).port) for name in ("eventd", "searchd")}
    yield system, proxies
    for proxy in proxies.values():
        proxy.close()


def url(proxy):
    return f"http://127.0.0.1:{proxy.port}"


@pytest.mark.parametrize("ailment", AILMENTS)
def test_clients(front, ailment):
    """A client that does not hear the answer asks again, with its key or its id: there is one event."""
    system, proxies = front
    keys = [str(uuid.uuid4()) for _ in range(6)]
    for proxy in proxies.values():
        AILMENTS[ailment](proxy)
    answers, tries = {}, 0

    def post(key, number):
        with contextlib.suppress(requests.RequestException):
            answer = requests.post(f"{url(proxies['eventd'])}/api/v1/events", json=event(key), timeout=1 if ailment == "hole" else 20,
                                   headers={"Idempotency-Key": key})
            assert answer.status_code == 201, answer.text
            answers[key] = answer
    for number, key in enumerate(keys):
        post(key, number)
    for proxy in proxies.values():
        proxy.heal()
    assert system.eventd.ready() and system.searchd.ready(), "others see nothing of it"
    for number, key in enumerate(keys):
        while key not in answers and tries < 100:
            tries += 1
            post(key, number)
    system.written += len(keys)
    tokens = ",".join(answers[key].headers["Weir-Token"] for key in keys)
    for proxy in proxies.values():
        AILMENTS["latency" if ailment in ("cut", "hole", "reset") else ailment](proxy)
    found = requests.get(f"{url(proxies['searchd'])}/api/search/events", params={"waitFor": tokens, "waitMs": 10000, "limit": 0}, timeout=60)
    assert found.status_code == 200 and found.json()["total"] == system.written, found.text
    assert system.total() == system.written


def test_the_tool(front):
    """weir through bad networks: an answer, or one line and status 3."""
    system, proxies = front
    proxy = proxies["searchd"]
    write(system, 1)
    system.wait_total(system.written)
    for ailment in ("latency", "drip"):
        AILMENTS[ailment](proxy)
        assert weir("search", "concert", "--url", url(proxy), "--limit", 1).returncode == 0
        proxy.heal()
    proxy.reset_after = 10
    for ailment in ("reset", "cut"):
        ailment == "cut" and proxy.cut()
        done = weir("search", "concert", "--url", url(proxy), check=False)
        assert done.returncode == 3 and len(done.stderr.splitlines()) == 1, done


@pytest.mark.slow
@pytest.mark.parametrize("ailment", ["reset", "cut", "hole"])
def test_opensearch(kafka, opensearch, make_system, ailment):
    """Between the daemons and the engine's server."""
    missing = processes.plugin_missing("opensearch")
    if missing:
        pytest.skip(missing)
    system = make_system(kafka.brokers, plugin="opensearch", backend__opensearch__replicas=0, backend__opensearch__timeout=2000,
                         indexer__ready_lag="1s", searchd__deadline="20s")
    proxies = {name: Proxy(opensearch.port) for name in ("indexer", "searchd")}
    for name, proxy in proxies.items():
        setattr(system, name, Daemon(name, system, {**system.settings, "backend.opensearch.url": url(proxy)}))
    try:
        system.start()
        system.written = 0
        for name in ("indexer", "searchd"):
            getattr(system, name).wait_ready()
        write(system, 20)
        system.wait_total(20)
        for proxy in proxies.values():
            AILMENTS[ailment](proxy)
        write(system, 20)
        if ailment in ("cut", "hole"):
            wait_for(lambda: not system.indexer.ready(), "the indexer not to be ready")
            wait_for(lambda: not system.searchd.ready(), "searchd not to be ready")
        for proxy in proxies.values():
            proxy.heal()
        write(system, 5)
        system.wait_total(45)
        for name in ("indexer", "searchd"):
            getattr(system, name).wait_ready()
        assert sum(kafka.ends(["events.dlq"]).values()) == 0, "what the network refuses is no poison"
        assert len({hit["id"] for hit in system.search(limit=100)["hits"]}) == 45
    finally:
        system.kill()
        for proxy in proxies.values():
            proxy.close()
