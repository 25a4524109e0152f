# SPDX-License-Identifier: MIT
"""Fixtures: `kafka` (one real broker for the run, topics fresh for each test), `own_kafka` (a broker
of the test's own, to be killed), `system` (the three daemons over it), `make_system` (the same, to
be started by the test with settings of its own)."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import processes  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: not run again on the sanitizer build")


@pytest.fixture(scope="session")
def shared_kafka(tmp_path_factory):
    missing = processes.kafka_missing()
    if missing:
        pytest.skip(missing)
    broker = processes.Kafka(tmp_path_factory.mktemp("kafka")).start()
    yield broker
    broker.stop()


@pytest.fixture
def kafka(shared_kafka):
    shared_kafka.delete_topics()
    shared_kafka.create_topics()
    return shared_kafka


@pytest.fixture
def own_kafka(tmp_path):
    missing = processes.kafka_missing()
    if missing:
        pytest.skip(missing)
    broker = processes.Kafka(tmp_path / "kafka").start()
    broker.create_topics()
    yield broker
    broker.stop()


@pytest.fixture
def make_system(tmp_path):
    systems = []

    def make(brokers, **settings):
        systems.append(processes.System(tmp_path / f"system-{len(systems)}", brokers, **settings))
        return systems[-1]

    yield make
    for each in systems:
        each.kill()


@pytest.fixture
def system(kafka, make_system):
    return make_system(kafka.brokers).start()
