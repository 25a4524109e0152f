# SPDX-License-Identifier: MIT
"""weir rebuild: another engine or another schema beside the live index, and then in its place."""
import ctypes
import json
import os
import re
import signal
import subprocess

import confluent_kafka
import pytest
import requests

import processes
from processes import BUILD, Process, wait_for, weir
from traffic import PLAIN, Traffic, catalog_path, event, index_of, read_catalog, sorted_schema, written_index

ENGINES = processes.LOCATIONS
POINTS = ["planned", "begun", "building", "caught-up", "checked", "stopped", "writer", "written", "live"]


def rebuild_arguments(system, *arguments, **settings):
    wanted = {**system.settings, **{k.replace("__", "."): v for k, v in settings.items()}}
    for engine, name in ENGINES.items():
        wanted.setdefault(f"backend.{engine}.path", system.folder / name)
    sets = [part for key, value in wanted.items() for part in ("--set", f"{key}={value}")]
    return ["rebuild", *arguments, "--indexer", system.indexer.url, "--eventd", system.eventd.url,
            "--searchd", system.searchd.url, *sets]


def rebuild(system, *arguments, kill=None, check=True, **settings):
    env = {**os.environ, **({"WEIR_TEST_KILL": kill} if kill else {})}
    return weir(*rebuild_arguments(system, *arguments, **settings), check=check and not kill, env=env)


def start_rebuild(system, *arguments, **settings):
    return Process("rebuild", [BUILD / "cli" / "weir", *rebuild_arguments(system, *arguments, **settings)],
                   system.folder).start()


def verify(system, plugin):
    """The store and the index are the same, to the last bit."""
    sets = [part for key, value in {**system.settings, "backend.plugin": plugin,
                                    **{f"backend.{e}.path": system.folder / n for e, n in ENGINES.items()}}.items()
            for part in ("--set", f"{key}={value}")]
    done = weir("verify", "--url", system.eventd.url, *sets, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def fill(system, count):
    """Created, some changed, some deleted."""
    made = []
    for number in range(count):
        answer = system.post(event(number))
        assert answer.status_code == 201, answer.text
        made.append(answer.json()["id"])
    for number, each in enumerate(made):
        if number % 3 == 1:
            assert requests.patch(f"{system.eventd.url}/api/v1/events/{each}",
                                  json={"city": "Graz", "price": 12.50}, timeout=10).status_code == 200
        if number % 3 == 2:
            assert requests.delete(f"{system.eventd.url}/api/v1/events/{each}", timeout=10).status_code == 204
    live = len([n for n in range(count) if n % 3 != 2])
    system.wait_total(live)
    return live


@pytest.mark.slow  # under sanitizers: test_a_log_that_was_cut
def test_the_whole_migration_and_back(system):
    live = fill(system, 60)
    with Traffic(system) as traffic:
        traffic.goes_on("traffic before")
        done = rebuild(system, backend__plugin="sqlite")
        assert "live: sqlite at " in done.stdout and "kept for weir rebuild --rollback: xapian" in done.stdout
        assert written_index(system) == str(system.folder / "index.sqlite")
        assert index_of(system.searchd) == f"sqlite at {system.folder}/index.sqlite"
        traffic.goes_on("traffic on the new index")
        done = rebuild(system, "--rollback", backend__plugin="sqlite")
        assert "live: xapian at " in done.stdout
        assert index_of(system.searchd) == f"xapian at {system.folder}/index"
        traffic.goes_on("traffic on the old index")
        rebuild(system, "--rollback", backend__plugin="sqlite")
        traffic.goes_on("traffic on the new index again")
    assert traffic.wrong == []
    system.wait_total(live + traffic.written)
    verify(system, "sqlite")
    # The next one removes the index that was kept.
    assert (system.folder / "index").exists()
    rebuild(system, backend__plugin="sqlite")
    assert not (system.folder / "index").exists()
    assert read_catalog(system)["live"]["location"] == "index.sqlite.1"
    assert read_catalog(system)["previous"]["location"] == "index.sqlite"
    system.wait_total(live + traffic.written)


@pytest.mark.slow
def test_to_every_engine_and_back(kafka, make_system, engine):
    """One line of the configuration: [backend] plugin."""
    wanted = engine["plugin"]
    system = make_system(kafka.brokers, **{**engine, "plugin": "sqlite" if wanted == "xapian" else "xapian"}).start()
    live = fill(system, 30)
    more = {"backend__opensearch__index": "weir-rebuilt"} if wanted == "opensearch" else {}
    with Traffic(system) as traffic:
        traffic.goes_on("traffic before")
        done = rebuild(system, backend__plugin=wanted, **more)
        assert f"live: {wanted} at " in done.stdout
        traffic.goes_on("traffic on the new index")
        done = rebuild(system, "--rollback", backend__plugin=wanted, **more)
        traffic.goes_on("traffic on the old index")
    assert traffic.wrong == []
    rebuild(system, "--rollback", backend__plugin=wanted, **more)
    system.wait_total(live + traffic.written)
    if wanted == "opensearch":
        sets = [p for k, v in {**system.settings, "backend.plugin": wanted, "backend.opensearch.index": "weir-rebuilt"}.items()
                for p in ("--set", f"{k}={v}")]
        assert weir("verify", "--url", system.eventd.url, *sets, check=False).returncode == 0
        rebuild(system, backend__plugin="xapian", **more)  # and off the cluster again
        assert weir("verify", "--url", system.eventd.url, *sets, check=False).returncode == 0
        system.wait_total(live + traffic.written)
    else:
        verify(system, wanted)


@pytest.mark.slow
def test_killed_anywhere_and_run_again(system):
    live = fill(system, 30)
    engine = "xapian"
    with Traffic(system) as traffic:
        for point in POINTS:
            engine = "sqlite" if engine == "xapian" else "xapian"
            killed = rebuild(system, backend__plugin=engine, kill=point)
            assert killed.returncode == -signal.SIGKILL, f"{point}: {killed.stdout}{killed.stderr}"
            traffic.goes_on(f"traffic after a kill at {point}")
            assert traffic.wrong == [], point
            if point == "live":  # it is done but for the cleaning up
                assert read_catalog(system)["live"]["plugin"] == engine
                continue
            done = rebuild(system, backend__plugin=engine)
            assert f"live: {engine} at " in done.stdout, point
            traffic.goes_on(f"traffic after the rebuild that was killed at {point}")
            assert traffic.wrong == [], point
    system.wait_total(live + traffic.written)
    verify(system, engine)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["indexer", "searchd"])
def test_a_daemon_is_killed_meanwhile(system, name):
    live = fill(system, 30)
    daemon = getattr(system, name)
    for point in ["caught-up", "checked", "writer"]:
        engine = "sqlite" if read_catalog(system)["live"]["plugin"] == "xapian" else "xapian"
        assert rebuild(system, backend__plugin=engine, kill=point).returncode == -signal.SIGKILL
        daemon.kill()
        running = start_rebuild(system, backend__plugin=engine)
        for number in range(20):
            assert system.post(event(number)).status_code == 201
        live += 20
        daemon.start()
        assert running.wait(120) == 0, running.log()
        assert read_catalog(system)["live"]["plugin"] == engine
        wait_for(lambda: index_of(system.searchd).startswith(engine), "searchd to be there")
        wait_for(lambda: written_index(system).endswith(read_catalog(system)["live"]["location"]), "the indexer to write to it")
        system.wait_total(live)


def delete_records(kafka):
    """All that was written so far is gone from the log. (The Python client of Debian 12 cannot.)"""
    library = ctypes.CDLL("librdkafka.so.1")
    for name in ("conf_new", "new", "topic_partition_list_new", "DeleteRecords_new", "queue_new", "queue_poll"):
        getattr(library, f"rd_kafka_{name}").restype = ctypes.c_void_p
    pointer, text = ctypes.c_void_p, ctypes.create_string_buffer(500)
    conf = pointer(library.rd_kafka_conf_new())
    assert library.rd_kafka_conf_set(conf, b"bootstrap.servers", kafka.brokers.encode(), text, 500) == 0, text.value
    client = pointer(library.rd_kafka_new(0, conf, text, 500))
    ends = pointer(library.rd_kafka_topic_partition_list_new(9))
    consumer = confluent_kafka.Consumer({"bootstrap.servers": kafka.brokers, "group.id": "cut"})
    for topic in processes.TOPICS:
        for partition in consumer.list_topics(topic, timeout=10).topics[topic].partitions:
            _, end = consumer.get_watermark_offsets(confluent_kafka.TopicPartition(topic, partition), timeout=10)
            library.rd_kafka_topic_partition_list_add(ends, topic.encode(), partition)
            assert library.rd_kafka_topic_partition_list_set_offset(
                ends, topic.encode(), partition, ctypes.c_int64(end)) == 0
    consumer.close()
    orders = (ctypes.c_void_p * 1)(library.rd_kafka_DeleteRecords_new(ends))
    queue = pointer(library.rd_kafka_queue_new(client))
    library.rd_kafka_DeleteRecords(client, orders, ctypes.c_size_t(1), None, queue)
    done = pointer(library.rd_kafka_queue_poll(queue, 30000))
    assert done.value and library.rd_kafka_event_error(done) == 0
    library.rd_kafka_event_destroy(done)
    library.rd_kafka_topic_partition_list_destroy(ends)
    library.rd_kafka_queue_destroy(queue)
    library.rd_kafka_destroy(client)


def test_a_log_that_was_cut(system, kafka):
    live = fill(system, 30)
    system.indexer.wait_ready()
    delete_records(kafka)
    for number in range(10):
        assert system.post(event(100 + number)).status_code == 201
    system.wait_total(live + 10)
    before = catalog_path(system).read_bytes()
    refused = rebuild(system, check=False, backend__plugin="sqlite")
    assert refused.returncode == 1, refused.stdout + refused.stderr
    assert re.search(r"30 events would be lost: .* \((missing|deleted, and that is not known there)\).*; "
                     r"the log of events\.created/\d begins at \d+; nothing was changed", refused.stderr), refused.stderr
    assert "weir rebuild --from-store" in refused.stderr
    assert read_catalog(system)["live"] == json.loads(before)["live"]
    assert index_of(system.searchd).startswith("xapian")
    # From the store, under traffic, killed in the middle once.
    with Traffic(system) as traffic:
        traffic.goes_on("traffic before")
        for point in ["store", "begun"]:
            killed = rebuild(system, "--from-store", backend__plugin="sqlite", kill=point)
            assert killed.returncode == -signal.SIGKILL, killed.stdout + killed.stderr
        done = rebuild(system, "--from-store", backend__plugin="sqlite")
        assert "live: sqlite at " in done.stdout
        traffic.goes_on("traffic on the new index")
    assert traffic.wrong == []
    system.wait_total(live + 10 + traffic.written)
    verify(system, "sqlite")


def test_events_of_others_are_not_lost_from_the_store(system, kafka):
    """What another producer wrote is in the log and in no store."""
    live = fill(system, 6)
    kafka.produce("events.created", "6f9619ff-8b86-d011-b42d-00cf4fc964ff",
                  b'{"EventId":"6f9619ff-8b86-d011-b42d-00cf4fc964ff","Title":"Concert of others"}',
                  [("EventType", b"EventCreatedEvent"), ("Version", b"5")])
    system.wait_total(live + 1)
    refused = rebuild(system, "--from-store", check=False, backend__plugin="sqlite")
    assert refused.returncode == 1, refused.stdout + refused.stderr
    assert "1 events would be lost: 6f9619ff-8b86-d011-b42d-00cf4fc964ff (missing)" in refused.stderr
    rebuild(system, backend__plugin="sqlite")
    system.wait_total(live + 1)


def test_another_schema(kafka, make_system, tmp_path):
    schema = tmp_path / "mine.json"
    schema.write_text(PLAIN.read_text())
    system = make_system(kafka.brokers, schema__file=schema).start()
    live = fill(system, 12)
    schema.write_text(sorted_schema(tmp_path).read_text())
    for daemon in (system.searchd, system.indexer):
        assert daemon.stop() == 0
        daemon.start()
        wait_for(lambda: "field createdBy: sort was added" in daemon.log() and "`weir rebuild`" in daemon.log(),
                 f"{daemon.name} to say what changed")
    system.wait_total(live)
    assert requests.get(f"{system.searchd.url}/api/search/events", params={"sort": "createdBy"},
                        timeout=10).status_code == 400
    done = rebuild(system)
    assert "by their versions: the schemas differ" in done.stderr
    assert f"live: xapian at {system.folder}/index.1" in done.stdout
    assert system.search(sort="createdBy")["total"] == live


def test_without_daemons(system):
    live = fill(system, 12)
    for daemon in (system.searchd, system.indexer):
        assert daemon.stop() == 0
    for number in range(5):
        assert system.post(event(number)).status_code == 201
    rebuild(system, backend__plugin="sqlite")
    assert read_catalog(system)["live"]["plugin"] == "sqlite"
    system.searchd.start()
    system.wait_total(live + 5)
    system.indexer.start()
    assert system.post(event(6)).status_code == 201
    system.wait_total(live + 6)
    assert "[backend] plugin is xapian, the index at" in system.indexer.log()


def test_the_first_index_from_the_store(system, kafka):
    """There is no index yet, and the log is not whole."""
    system.searchd.kill()
    system.indexer.kill()
    for number in range(8):
        assert system.post(event(number)).status_code == 201
    wait_for(lambda: system.eventd.metric("weir_eventd_outbox_rows") == 0, "the outbox to be empty")
    delete_records(kafka)
    subprocess.run(["rm", "-rf", system.folder / "index", catalog_path(system)], check=True)
    rebuild(system, "--from-store")
    assert read_catalog(system)["live"]["location"] == "index"
    system.searchd.start()
    system.wait_total(8)


def test_no(system):
    assert system.post(event(1)).status_code == 201
    system.wait_total(1)
    done = rebuild(system, "--rollback", check=False)
    assert done.returncode == 1 and "there is no index to go back to" in done.stderr
    assert weir("rebuild", "--set", "backend.plugin=null", check=False).returncode == 2
    assert weir("rebuild", "everything", check=False).returncode == 2
    away = rebuild(system, check=False, kafka__brokers=f"127.0.0.1:{processes.free_port()}")
    assert away.returncode == 3, away.stderr
    system.eventd.kill()
    away = rebuild(system, "--from-store", check=False)
    assert away.returncode == 3 and f"eventd at {system.eventd.url}" in away.stderr


def test_one_at_a_time_and_ctrl_c(system):
    live = fill(system, 6)
    system.eventd.kill()
    # It waits for the store's outbox to empty, which nobody empties.
    hanging = start_rebuild(system, backend__plugin="sqlite", indexer__batch_time="30s", indexer__batch_count=1000000)
    wait_for(lambda: "building sqlite" in hanging.log(), "the first to begin")
    second = rebuild(system, check=False, backend__plugin="sqlite")
    assert second.returncode == 3 and "another weir rebuild works on" in second.stderr
    hanging.child.send_signal(signal.SIGINT)
    assert hanging.wait(10) == 130
    assert "the live index is as it was" in hanging.log()
    assert read_catalog(system)["live"]["plugin"] == "xapian" and "writer" not in read_catalog(system)
    assert system.total() == live
    system.eventd.start()
    rebuild(system, backend__plugin="sqlite")
    system.wait_total(live)
