# SPDX-License-Identifier: MIT
"""The tantivy backend where it differs from the others: positions in the payload of a commit, and what it makes
of files that are not as it left them. All that is the same for every backend is tested over each of them."""
import json
import shutil
import uuid

import pytest

import processes
from processes import wait_for

pytestmark = pytest.mark.skipif(processes.plugin_missing("tantivy") is not None,
                                reason=str(processes.plugin_missing("tantivy")))


@pytest.fixture
def system(kafka, make_system):
    return make_system(kafka.brokers, plugin="tantivy")


def fill(kafka, count, first=0):
    producer = kafka.producer()
    for number in range(first, first + count):
        event_id = str(uuid.UUID(int=number))
        kafka.produce("events.created", event_id, json.dumps({"EventId": event_id, "Title": f"Jazz {number}"}),
                      {"EventType": "EventCreatedEvent", "Version": str(number + 1)}, producer=producer)
    producer.flush()


def positions(system):
    """What the newest commit carries; there is none right after the folder was made."""
    meta = json.loads((system.folder / "index.tantivy" / "meta.json").read_text())
    return json.loads(meta["payload"])["positions"] if "payload" in meta else []


def offsets(system):
    """What the commit says was read of events.created."""
    return sum(at[4] for at in positions(system) if at[1] == "events.created")


def test_a_commit_holds_documents_and_positions(kafka, system):
    fill(kafka, 500)
    system.indexer.start()
    system.searchd.start()
    system.wait_total(500, q="jazz")
    assert offsets(system) == 500
    for first in range(500, 2000, 500):
        fill(kafka, 500, first)
        # killed while it may be committing: what the file says is what can be found
        wait_for(lambda at=first: offsets(system) > at, "a commit of the new ones")
        system.indexer.kill()
        there = offsets(system)
        system.wait_total(there, q="jazz")
        system.indexer.start()
    system.wait_total(2000, q="jazz")
    assert offsets(system) == 2000


def refusal(system):
    """The indexer does not start on what is there; its last word."""
    system.indexer.start()
    assert system.indexer.wait() != 0
    return system.indexer.log().strip().splitlines()[-1]


def test_what_is_not_its_index_is_left_alone(kafka, system):
    path = system.folder / "index.tantivy"
    path.mkdir()
    (path / "iamglass").write_text("an index of another engine")
    said = refusal(system)
    assert "weir rebuild" in said and str(path) in said, said
    assert [each.name for each in path.iterdir()] == ["iamglass"]
    shutil.rmtree(path)
    path.write_text("a file")
    said = refusal(system)
    assert "weir rebuild" in said and str(path) in said, said
    assert path.read_text() == "a file"


def test_a_damaged_index_is_told_and_left_alone(kafka, system):
    fill(kafka, 10)
    system.indexer.start()
    meta = system.folder / "index.tantivy" / "meta.json"
    wait_for(lambda: meta.exists() and offsets(system) == 10, "all to be committed")
    system.indexer.stop()
    whole = meta.read_text()
    meta.write_text(whole[:len(whole) // 2])
    said = refusal(system)
    assert "weir rebuild" in said and "index.tantivy" in said, said
    assert meta.read_text() == whole[:len(whole) // 2]


def test_a_list_of_files_that_a_power_loss_emptied(kafka, system):
    fill(kafka, 10)
    system.indexer.start()
    system.searchd.start()
    system.wait_total(10)
    system.indexer.kill()
    (system.folder / "index.tantivy" / ".managed.json").write_text("")
    fill(kafka, 10, 10)
    system.indexer.start()
    system.wait_total(20, q="jazz")
