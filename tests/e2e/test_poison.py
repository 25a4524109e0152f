# SPDX-License-Identifier: MIT
"""Documents that the engine will not have: only they become dead letters, found with few commits, and an
engine that is away makes none."""
import json
import math

import pytest
import requests

from processes import BUILD, wait_for

MOODY = BUILD / "tests" / "plugin" / "weir_moody.so"
COUNT = 1024


@pytest.fixture(scope="module")
def log(shared_kafka):
    """1,024 messages in one partition; each says its number, by which a run makes poison of it."""
    shared_kafka.delete_topics()
    shared_kafka.create_topics()
    producer = shared_kafka.producer(**{"linger.ms": 50})
    for number in range(COUNT):
        body = json.dumps({"EventId": f"event-{number}", "Title": f"number {number:04}."})
        shared_kafka.produce("events.created", f"event-{number}", body, {"Version": "1"}, producer, partition=0)
    assert producer.flush(60) == 0
    return shared_kafka


def start(log, make_system, tmp_path, poisons=(), **settings):
    """The null engine keeps no positions: every run reads the log from its beginning."""
    system = make_system(log.brokers, plugin=MOODY, **settings)
    system.indexer.env = {"WEIR_MOODY_FOLDER": str(tmp_path),
                          "WEIR_MOODY_POISON": ",".join(f"number {each:04}." for each in poisons)}
    system.indexer.start()
    return system.indexer


def wait_read(indexer, count):
    wait_for(lambda: indexer.alive() and (indexer.metric("weir_indexer_messages_total") or 0) >= count,
             f"{count} messages to be committed")


def commits(tmp_path):
    """How many commits with documents the engine did and refused."""
    lines = (tmp_path / "commits").read_text().split("\n")
    return sum(line.startswith("good") for line in lines), sum(line.startswith("failed") for line in lines)


@pytest.mark.parametrize("size, poisons", [
    (1, [5]), (2, [7]), (7, [16]), (64, [64]), (64, [127]), (COUNT, [0]), (COUNT, [517]), (COUNT, [COUNT - 1]),
    (COUNT, [3, 4, 500, COUNT - 1])], ids=str)
def test_poison_is_found_with_few_commits(log, make_system, tmp_path, size, poisons):
    known = len(log.read_all("events.dlq"))
    indexer = start(log, make_system, tmp_path, poisons, indexer__batch_count=size, indexer__batch_time="30s",
                    indexer__batch_bytes="64MiB")
    full = COUNT // size * size
    wait_read(indexer, full)
    indexer.stop()
    good, failed = commits(tmp_path)
    halvings = math.ceil(math.log2(size))
    others = COUNT // size - 1 + (full < COUNT)
    # A document that is alone in its batch leaves nothing to commit but its position.
    assert good - others <= len(poisons) * (halvings + 1), (good, failed)
    assert failed <= len(poisons) * (halvings + 2), (good, failed)
    letters = log.read_all("events.dlq")
    found = sorted(dict(each.headers())["weir-offset"].decode() for each in letters)
    assert len(letters) - known == len(poisons)
    assert {str(each) for each in poisons} <= set(found)
    assert all(b"the index cannot commit it" in dict(each.headers())["weir-error"] for each in letters)


def test_an_engine_that_is_away_makes_no_dead_letters(log, make_system, tmp_path):
    known = len(log.read_all("events.dlq"))
    (tmp_path / "away").touch()
    indexer = start(log, make_system, tmp_path, indexer__batch_count=64)
    wait_for(lambda: indexer.alive() and (indexer.metric("weir_indexer_commit_failures_total") or 0) >= 4, "four tries")
    answer = requests.get(f"{indexer.url}/health/ready", timeout=5)
    assert answer.status_code == 503 and "the engine is away" in answer.text
    assert commits(tmp_path)[0] == 0
    (tmp_path / "away").unlink()
    wait_read(indexer, COUNT)
    indexer.wait_ready()
    assert indexer.log().count("event=commit") == 1, indexer.log()
    assert len(log.read_all("events.dlq")) == known


def test_of_several_messages_only_the_one_that_is_at_fault(log, make_system, tmp_path):
    """Three changes of one event in one batch, merged: the engine rejects what the second made of it."""
    topic = "events.updated"
    ends = log.ends([topic])[topic, 1]
    for version, body in enumerate(({"Title": "fine"}, {"City": "reject"}, {"Country": "NO"}), 1):
        log.produce(topic, "one", json.dumps({"EventId": "one", **body}), {"Version": str(version)}, partition=1)
    indexer = start(log, make_system, tmp_path)
    wait_read(indexer, COUNT + ends + 3)
    letters = [each for each in log.read_all("events.dlq") if dict(each.headers())["weir-topic"] == topic.encode()]
    assert [json.loads(each.value()) for each in letters] == [{"EventId": "one", "City": "reject"}]
    assert dict(letters[0].headers())["weir-offset"] == str(ends + 1).encode()
