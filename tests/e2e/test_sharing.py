# SPDX-License-Identifier: MIT
"""Several indexers of one group over one index, and several searchd's: partitions move between them
while a load goes on, and in the end the index is what was produced."""
import json
import random
import signal
import sqlite3
import threading
import uuid

import pytest
import requests

from processes import BUILD, TOPICS, wait_for

COMMITS = 'weir_indexer_step_seconds_count{step="commit"}'
PARTITIONS = 3 * len(TOPICS)


def shared_settings(folder):
    """The engine of tests/plugin/shared.c: a file, a transaction for each call."""
    return {"plugin": BUILD / "tests" / "plugin" / "weir_shared.so", "backend__shared__path": folder / "shared.index"}


def opensearch_settings(node):
    return {"plugin": "opensearch", "backend__opensearch__url": node.url, "backend__opensearch__replicas": 0,
            "backend__opensearch__index": f"weir-{uuid.uuid4()}"}


@pytest.fixture(params=["shared", pytest.param("opensearch", marks=pytest.mark.slow)])
def engine(request, tmp_path):
    """The settings of one index that all members share."""
    if request.param == "shared":
        return shared_settings(tmp_path)
    return opensearch_settings(request.getfixturevalue("opensearch"))


@pytest.fixture
def make_member(kafka, engine, make_system):
    """An indexer and a searchd over the one index; nothing is started."""
    return lambda **settings: make_system(kafka.brokers, **engine, **settings)


@pytest.fixture
def load(kafka):
    made = Load(kafka)
    yield made
    made.end()


class Load:
    """Creates, changes and deletes events until it is told to end; `expected` is what an index of
    all of it holds."""

    def __init__(self, kafka, seed=5):
        self.kafka, self.rng, self.expected = kafka, random.Random(seed), {}
        self.alive, self.version, self.count = [], 0, 0
        self.producer = kafka.producer(**{"linger.ms": 5})
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def send(self, topic, name, event_id, partition=-1, **fields):
        self.version += 1
        self.count += 1
        self.kafka.produce(topic, event_id, json.dumps({"EventId": event_id, **fields}),
                           {"EventType": f"Event{name}Event", "Version": str(self.version)}, self.producer, partition=partition)
        return self.version

    def step(self):
        choice = self.rng.random() if self.alive else 0
        if choice < 0.5:
            event_id, number = str(uuid.UUID(int=self.rng.getrandbits(128))), len(self.expected)
            version = self.send("events.created", "Created", event_id, Title=f"Concert {number}", City="Paris")
            self.expected[event_id] = {"id": event_id, "title": f"Concert {number}", "city": "Paris", "version": version}
            self.alive.append(event_id)
            return
        at = self.rng.randrange(len(self.alive))
        event_id = self.alive[at]
        if choice < 0.9:
            city = self.rng.choice(["Lyon", "Lille", "Nice"])
            version = self.send("events.updated", "Updated", event_id, City=city)
            self.expected[event_id].update(city=city, version=version)
        else:
            self.alive[at] = self.alive[-1]
            self.alive.pop()
            self.send("events.deleted", "Deleted", event_id)
            del self.expected[event_id]

    def some(self, count):
        for _ in range(count):
            self.step()
        assert self.producer.flush(60) == 0

    def run(self):
        while not self.ending.wait(0.05):  # its pace
            self.some(20)

    def start(self):
        self.thread.start()
        return self

    def wait_more(self, count=200):
        before = self.count
        wait_for(lambda: self.count > before + count, "more of the load")

    def end(self):
        self.ending.set()
        if self.thread.is_alive():
            self.thread.join()


def positions(member):
    return requests.get(f"{member.indexer.url}/api/ingest/positions", timeout=5).json()["positions"]


def share(member):
    """How many partitions are its own."""
    return member.indexer.alive() and sum(each["assigned"] for each in positions(member))


def wait_shares(members, shares):
    """Every partition belongs to one of them, and each has as many as it should."""
    wait_for(lambda: sorted(map(share, members)) == sorted(shares), f"partitions to be spread as {shares}")


def health(member):
    return requests.get(f"{member.indexer.url}/health/ready", timeout=5).json()


def read_index(member):
    """Every event that a search finds."""
    found, total = {}, None
    while total is None or len(found) < total:
        answer = member.search(limit=1000, offset=len(found))
        assert answer["hits"] or not answer["total"], "the index lost events in the middle"
        total = answer["total"]
        found.update((hit["id"], hit["event"]) for hit in answer["hits"])
    return found


def all_read(kafka, member):
    """As this member sees the index, it holds everything."""
    seen = {(each["topic"], each["partition"]): each["position"] or 0 for each in positions(member)}
    return seen == kafka.ends()


def check(kafka, load, members, readers):
    """The index is what was produced, whoever is asked."""
    for member in members:
        wait_for(lambda: all_read(kafka, member), "the index to hold everything")
    for reader in readers:
        wait_for(reader.searchd.ready, "searchd to be ready")
        wait_for(lambda: reader.total() == len(load.expected), f"{len(load.expected)} events")
        assert read_index(reader) == load.expected
        wait_for(lambda: reader.search(limit=1)["freshness"]["lagMessages"] == 0, "searchd to see that nothing is missing")
    assert kafka.read_all("events.dlq") == []


@pytest.mark.slow  # under sanitizers: the shorter ones below
def test_join_leave_crash_and_zombie_during_a_load(kafka, make_member, load):
    members = first, second, third = [make_member() for _ in range(3)]
    for member in members:
        member.indexer.start()
    load.some(500)
    load.start()
    wait_shares(members, [3, 3, 3])
    for member in members:
        member.indexer.wait_ready()
    load.wait_more()

    fourth = make_member()
    fourth.indexer.start()
    wait_for(lambda: [health(member)["status"] for member in (*members, fourth) if fourth.indexer.alive()
                      if "no partitions" in json.dumps(health(member))] == ["ready"], "one to have no partitions and say so")
    wait_shares([*members, fourth], [3, 3, 3, 0])
    load.wait_more()

    assert first.indexer.stop() == 0
    wait_shares([second, third, fourth], [3, 3, 3])
    load.wait_more()

    second.indexer.kill()
    wait_shares([third, fourth], [6, 3])
    load.wait_more()
    second.indexer.start()
    wait_shares([second, third, fourth], [3, 3, 3])

    third.indexer.child.send_signal(signal.SIGSTOP)
    wait_shares([second, fourth], [6, 3])
    load.wait_more()
    third.indexer.child.send_signal(signal.SIGCONT)
    wait_for(lambda: "state=lost" in third.indexer.log(), "the one that was stopped to see it")
    wait_shares([second, third, fourth], [3, 3, 3])
    load.wait_more()
    load.end()

    for reader in (first, fourth):
        reader.searchd.start()
    check(kafka, load, [second, third, fourth], [first, fourth])


def test_one_event_in_every_partition(kafka, make_member, load):
    """An event's messages usually meet in one indexer. Here they are anywhere, and few events are written
    by three at the same time."""
    members = [make_member(indexer__batch_count=20) for _ in range(3)]
    for member in members:
        member.indexer.start()
    wait_shares(members, [3, 3, 3])
    load.some(20)
    for number in range(3000):
        event_id = load.rng.choice(list(load.expected))
        version = load.send("events.updated", "Updated", event_id, partition=number % 3, City=f"City {number}")
        load.expected[event_id].update(city=f"City {number}", version=version)
    load.some(0)
    members[0].searchd.start()
    check(kafka, load, members, [members[0]])


@pytest.mark.parametrize("engine", ["shared"], indirect=True)
def test_a_conflict_is_merged_again(kafka, make_member, load, tmp_path):
    """One indexer waits between fetch and apply while the other changes the event."""
    hold = tmp_path / "hold"
    slow, quick = make_member(backend__shared__hold=hold), make_member()
    for member in (slow, quick):
        member.indexer.start()
    wait_shares([slow, quick], [6, 3])
    mine = {each["partition"] for each in positions(slow) if each["assigned"]}
    theirs = {each["partition"] for each in positions(quick) if each["assigned"]}
    event_id = str(uuid.uuid4())
    load.send("events.created", "Created", event_id, partition=min(theirs), Title="Duel", City="Paris")
    load.some(0)
    wait_for(lambda: all_read(kafka, quick), "the event to be there")
    hold.write_text("apply")
    load.send("events.updated", "Updated", event_id, partition=min(mine), City="Lyon")
    load.some(0)
    wait_for(lambda: slow.indexer.metric('weir_indexer_step_seconds_count{step="fetch"}') == 1, "the slow one to have fetched")
    version = load.send("events.updated", "Updated", event_id, partition=min(theirs), Country="France")
    load.some(0)
    wait_for(lambda: quick.indexer.metric("weir_indexer_messages_total") == 2, "the quick one to have written")
    hold.unlink()
    load.expected[event_id] = {"id": event_id, "title": "Duel", "city": "Lyon", "country": "France", "version": version}
    quick.searchd.start()
    check(kafka, load, [slow, quick], [quick])
    assert slow.indexer.metric("weir_indexer_conflicts_total") == 1


@pytest.mark.parametrize("engine", ["shared"], indirect=True)
def test_what_a_zombie_writes_late_does_no_harm(kafka, make_member, load, tmp_path):
    """It hangs in the engine's commit until the other has its partitions and has read on, and then
    writes the positions that it had."""
    hold = tmp_path / "hold"
    patience = {"kafka__rdkafka.max.poll.interval.ms": 7000, "kafka__rdkafka.session.timeout.ms": 6000}
    zombie = make_member(backend__shared__hold=hold, **patience)
    other = make_member(**patience)
    zombie.indexer.start().wait_ready()
    load.some(300)
    wait_for(lambda: all_read(kafka, zombie), "the first to be read")
    hold.write_text("commit")
    load.some(300)
    other.indexer.start()
    wait_shares([other], [9])
    load.some(300)
    wait_for(lambda: all_read(kafka, other), "the other to have read on")
    hold.unlink()
    wait_shares([zombie, other], [6, 3])
    other.searchd.start()
    check(kafka, load, [zombie, other], [other])


@pytest.mark.parametrize("engine", ["shared"], indirect=True)
def test_an_engine_that_refuses_holds_nobody_up(kafka, make_member, load, tmp_path):
    """Its indexer keeps polling, so it stays in the group however long that lasts; when the group moves
    partitions, it drops what it could not commit."""
    hold, patience = tmp_path / "hold", {"kafka__rdkafka.max.poll.interval.ms": 6000, "kafka__rdkafka.session.timeout.ms": 6000}
    refused, other = make_member(backend__shared__hold=hold, **patience), make_member(**patience)
    for member in (refused, other):
        member.indexer.start()
    wait_shares([refused, other], [6, 3])
    hold.write_text("refuse")
    load.some(50)
    wait_for(lambda: "index" in json.dumps(health(refused)), "the health to tell")
    # Tries are after 0.1, 0.3, 0.7, 1.5, 3.1, 6.3, 12.7 s: longer than both limits.
    before = refused.indexer.metric(COMMITS)
    wait_for(lambda: refused.indexer.metric(COMMITS) >= before + 7, "seven more tries")
    assert "MAXPOLL" not in refused.indexer.log() and "state=lost" not in refused.indexer.log()
    assert sorted(map(share, (refused, other))) == [3, 6]

    third = make_member(**patience)
    third.indexer.start()
    wait_shares([refused, other, third], [3, 3, 3])
    assert "event=revoke dropped=" in refused.indexer.log()
    hold.unlink()
    refused.indexer.wait_ready()
    other.searchd.start()
    check(kafka, load, [refused, other, third], [other])


@pytest.mark.parametrize("engine", ["shared"], indirect=True)
def test_positions_that_were_overwritten_are_written_again(kafka, make_member, load, engine):
    """As by a zombie that dies after it wrote."""
    member = make_member()
    member.indexer.start().wait_ready()
    load.some(300)
    wait_for(lambda: all_read(kafka, member), "all to be read")
    file = sqlite3.connect(engine["backend__shared__path"], timeout=20)
    with file:
        file.execute("UPDATE positions SET next = 1 WHERE topic = 'events.created'")
    file.close()
    wait_for(lambda: member.indexer.log().count("state=written_again") == 3, "the positions to be written again")
    member.searchd.start()
    check(kafka, load, [member], [member])


def test_term_leaves_nothing_collected_behind(kafka, make_member, load):
    """What was collected is committed before the partitions go to the other."""
    leaver, other = make_member(indexer__batch_time="30s"), make_member()
    leaver.indexer.start().wait_ready()
    load.some(50)
    wait_for(lambda: leaver.indexer.metric("weir_indexer_collected_messages") == 50, "the batch to be collected")
    other.indexer.start()
    wait_shares([leaver, other], [6, 3])
    assert leaver.indexer.metric("weir_indexer_messages_total") == 50
    assert leaver.indexer.stop() == 0
    wait_shares([other], [9])
    other.searchd.start()
    check(kafka, load, [other], [other])
    assert not other.indexer.metric("weir_indexer_messages_total"), "nothing had to be read again"


def test_a_crash_is_taken_over_within_seconds(kafka, make_member, load):
    crashing, other = make_member(), make_member()
    for member in (crashing, other):
        member.indexer.start()
    wait_shares([crashing, other], [6, 3])
    load.some(100)
    wait_for(lambda: all_read(kafka, other), "the first to be read")
    crashing.indexer.kill()
    load.some(100)
    wait_for(lambda: all_read(kafka, other), "the other to take over", deadline=20)
    other.searchd.start()
    check(kafka, load, [other], [other])


def test_new_partitions_go_to_somebody(kafka, make_member):
    import confluent_kafka.admin
    members = [make_member() for _ in range(2)]
    for member in members:
        member.indexer.start()
    wait_shares(members, [6, 3])
    admin = kafka.admin()
    for future in admin.create_partitions([confluent_kafka.admin.NewPartitions("events.created", 6)]).values():
        future.result(30)
    wait_for(lambda: sum(map(share, members)) == 12, "the new partitions to be given to somebody")
    for partition in range(6):
        kafka.produce("events.created", None, json.dumps({"EventId": str(uuid.uuid4()), "Title": "Spread"}), partition=partition)
    members[0].searchd.start()
    members[0].wait_total(6)


def test_topics_that_come_later(shared_kafka, engine, make_system):
    shared_kafka.delete_topics()
    member = make_system(shared_kafka.brokers, **engine)
    member.indexer.start()
    wait_for(lambda: member.indexer.alive() and "group" in json.dumps(health(member)), "the health to tell")
    shared_kafka.create_topics()
    member.indexer.wait_ready()
    assert share(member) == PARTITIONS
