# SPDX-License-Identifier: MIT
"""Fixtures: `kafka` (one real broker for the run, topics fresh for each test), `own_kafka` (a broker
of the test's own, to be killed), `system` (the three daemons over it), `make_system` (the same, to
be started by the test with settings of its own), `engine` (the settings for every engine in turn).

Run beside each other (pytest -n N --dist loadgroup) each worker has a broker of its own."""
import itertools
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import processes  # noqa: E402

OPENSEARCH_NODES = 2


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes long; not run again on the sanitizer build, which has the same code in shorter tests")
    config.addinivalue_line("markers", "xdist_group: tests that one worker runs, one after the other")


def over(item, engine):
    return engine in (item.callspec.params.values() if hasattr(item, "callspec") else ())


def needs_node(item):
    return bool({"shared_opensearch", "own_opensearch"} & set(item.fixturenames)) or over(item, "opensearch")


def shares_module(item):
    return any(each.scope == "module" for fixtures in item._fixtureinfo.name2fixturedefs.values() for each in fixtures)


def group_of(item, nodes, modules_with_node):
    """Who shares a module's fixture stays together, so that it is made once; an OpenSearch node is
    large, so that not every worker has one."""
    if shares_module(item):
        return "opensearch-0" if item.module in modules_with_node else item.module.__name__
    return f"opensearch-{next(nodes)}" if needs_node(item) and "own_opensearch" not in item.fixturenames else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """The longest come first: a worker that began one last would keep all others waiting."""
    nodes = itertools.cycle(range(OPENSEARCH_NODES))
    modules_with_node = {item.module for item in items if shares_module(item) and needs_node(item)}
    for item in items:
        # Under sanitizers: OpenSearch's plug-in over a server in memory; tantivy's Rust has none; Kafka's
        # outages by proxies (test_network.py), for a broker of one's own takes more time than the daemons.
        if needs_node(item) or over(item, "tantivy") or {"own_kafka", "own_opensearch"} & set(item.fixturenames):
            item.add_marker(pytest.mark.slow)
        group = group_of(item, nodes, modules_with_node)
        if group:
            item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: (item.get_closest_marker("xdist_group") is None, item.get_closest_marker("slow") is None))


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


@pytest.fixture(scope="session")
def shared_opensearch(tmp_path_factory):
    missing = processes.opensearch_missing()
    if missing:
        pytest.skip(missing)
    node = processes.OpenSearch(tmp_path_factory.mktemp("opensearch")).start()
    yield node
    node.stop()


@pytest.fixture
def opensearch(shared_opensearch):
    shared_opensearch.delete_indexes()
    return shared_opensearch


@pytest.fixture
def own_opensearch(tmp_path):
    missing = processes.opensearch_missing()
    if missing:
        pytest.skip(missing)
    node = processes.OpenSearch(tmp_path / "opensearch").start()
    yield node
    node.kill()


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


def engine_settings(name, request):
    """What makes a System run over an engine; skips the test where the engine cannot be had."""
    missing = processes.plugin_missing(name)
    if missing:
        pytest.skip(missing)
    if name != "opensearch":
        return {"plugin": name}
    node = request.getfixturevalue("opensearch")
    return {"plugin": name, "backend__opensearch__url": node.url, "backend__opensearch__replicas": 0}


@pytest.fixture(params=processes.ENGINES)
def engine(request):
    """Each engine in turn."""
    return engine_settings(request.param, request)


@pytest.fixture(params=sorted(processes.LOCATIONS))
def file_engine(request):
    """Each engine that keeps its index in files, which one writer at a time may have."""
    return engine_settings(request.param, request)
