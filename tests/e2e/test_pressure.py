# SPDX-License-Identifier: MIT
"""Too little of something: a slow engine, a full disk, no file descriptors, no memory. The daemons wait, say so
once, go on by themselves when there is enough again, and lose nothing."""
import concurrent.futures
import contextlib
import os
import random
import resource
import subprocess
import time

import pytest
import requests

from processes import BUILD, wait_for
from test_indexer import created, start_pair, wait_read

pytestmark = pytest.mark.slow
MEBIBYTE = 1 << 20
MOODY = BUILD / "tests" / "plugin" / "weir_moody.so"


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 MiB in memory."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", place], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"a full disk cannot be had, mounting a tmpfs is not allowed: {made.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


class Ballast:
    """Fills a disk up to what is to be left."""

    def __init__(self, place):
        self.path = place / "ballast"

    def leave(self, room):
        system = os.statvfs(self.path.parent)
        with open(self.path, "ab") as file:
            with contextlib.suppress(OSError):
                file.write(bytes(max(0, system.f_bavail * system.f_frsize - room)))

    def drop(self):
        self.path.unlink()


class Watch:
    """What a process uses while it is short of something."""

    def __init__(self, daemon):
        self.daemon, self.began = daemon, time.monotonic()
        self.lines, self.used = len(daemon.log().splitlines()), self.seconds()

    def seconds(self):
        fields = open(f"/proc/{self.daemon.child.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def busy(self):
        """The share of one processor since then."""
        return (self.seconds() - self.used) / (time.monotonic() - self.began)

    def new_lines(self):
        return self.daemon.log().splitlines()[self.lines:]


WORDS = random.Random(5)


def text(size):
    """Words that no engine can make small."""
    return " ".join("%08x" % WORDS.getrandbits(32) for _ in range(size // 9))


def produce(kafka, numbers, size=1000):
    producer = kafka.producer(**{"linger.ms": 20})
    for number in numbers:
        created(kafka, f"event-{number}", number + 1, producer, title=f"number {number}", description=text(size))
    assert producer.flush(60) == 0


def health(daemon):
    answer = requests.get(f"{daemon.url}/health/ready", timeout=10)
    return answer.status_code, answer.text


def waits_because(daemon, *words):
    """It is not ready, and says why."""
    def says():
        status, body = health(daemon)
        return status == 503 and any(word in body.lower() for word in words)
    wait_for(says, f"{daemon.name} to say {words}")


def test_a_full_disk_stops_the_index_and_no_more(kafka, make_system, file_engine, small_disk):
    ballast = Ballast(small_disk)
    name = file_engine["plugin"]
    system = start_pair(make_system(kafka.brokers, **file_engine, indexer__batch_count=2,
                                    **{f"backend.{name}.path": small_disk / "index"}))
    produce(kafka, range(100))
    system.wait_total(100)
    ballast.leave(400_000)
    watch = Watch(system.indexer)
    produce(kafka, range(100, 400))
    waits_because(system.indexer, "space", "disk")
    failures = system.indexer.metric("weir_indexer_commit_failures_total")
    wait_for(lambda: system.indexer.metric("weir_indexer_commit_failures_total") >= failures + 5, "more tries than would condemn a document")
    assert watch.busy() < 0.9
    held = system.total()
    assert 100 <= held < 400 and system.indexer.running()
    ballast.drop()
    system.wait_total(400)
    system.indexer.wait_ready()
    assert kafka.read_all("events.dlq") == []
    errors = [line for line in watch.new_lines() if "level=error" in line]
    assert 1 <= len(errors) <= 3, errors
    found = system.search(q="number", limit=1, sort="createdAt")
    assert found["total"] == 400


def test_a_full_disk_stops_writes_and_not_reads(kafka, make_system, small_disk):
    """eventd's store and the catalog lie there; what was acknowledged is there afterwards, and in the index."""
    ballast = Ballast(small_disk)
    system = make_system(kafka.brokers, eventd__database=small_disk / "events.db", backend__catalog_dir=small_disk)
    ballast.leave(2 * MEBIBYTE)
    system.start()
    acknowledged, refusals = [], set()
    watch = Watch(system.eventd)

    def write():
        answer = system.post({"title": "kept", "description": text(60_000)})
        if answer.status_code == 201:
            acknowledged.append(answer.json()["id"])
        else:
            refusals.add(answer.status_code)
            assert answer.headers["Content-Type"] == "application/problem+json"
        return answer.status_code
    wait_for(lambda: write() != 201, "a write to be refused", interval=0)
    for _ in range(5):
        write()
    assert refusals <= {503, 507} and acknowledged
    waits_because(system.eventd, "disk", "full")
    assert requests.get(f"{system.eventd.url}/api/v1/events/{acknowledged[0]}", timeout=10).status_code == 200
    assert watch.busy() < 0.9 and len(watch.new_lines()) < 10, watch.new_lines()
    ballast.drop()
    wait_for(lambda: write() == 201, "writes to go on")
    system.eventd.wait_ready()
    system.wait_total(len(acknowledged))
    for event_id in acknowledged:
        assert requests.get(f"{system.searchd.url}/api/search/events/{event_id}", timeout=10).status_code == 200


def test_a_catalog_that_cannot_be_written_is_said(kafka, make_system, small_disk):
    system = make_system(kafka.brokers, backend__catalog_dir=small_disk)
    Ballast(small_disk).leave(0)
    start_pair(system)
    assert any("event=catalog" in line and "space" in line.lower() for line in system.indexer.log().splitlines())
    produce(kafka, range(10))
    system.wait_total(10)


def open_files(daemon):
    return len(os.listdir(f"/proc/{daemon.child.pid}/fd"))


def use_all_workers(system):
    """Each of searchd's has its session, and the index its files."""
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: system.search(), range(64)))


def fill(daemon, opened):
    """Connections that are kept, until no descriptor below the highest is free: a limit would leave those."""
    def is_full():
        numbers = [int(each) for each in os.listdir(f"/proc/{daemon.child.pid}/fd")]
        return len(numbers) > max(numbers)
    while not is_full():
        opened.append(requests.Session())
        assert opened[-1].get(f"{daemon.url}/health/live", timeout=10).status_code == 200


@contextlib.contextmanager
def few_files(daemon, more=0):
    """No file descriptor is left to a process, or that many."""
    pid = daemon.child.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    highest = max(int(each) for each in os.listdir(f"/proc/{pid}/fd"))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (highest + 1 + more, before[1]))
    yield
    resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


def test_without_file_descriptors_connections_wait_and_the_rest_goes_on(kafka, make_system):
    system = make_system(kafka.brokers).start()
    daemons = (system.eventd, system.indexer, system.searchd)
    for daemon in daemons:
        daemon.wait_ready()
    assert system.post({"title": "before"}).status_code == 201
    system.wait_total(1)
    use_all_workers(system)
    opened = [requests.Session() for _ in daemons]
    for session, daemon in zip(opened, daemons):
        assert session.get(f"{daemon.url}/health/live", timeout=10).status_code == 200
    files = [open_files(daemon) for daemon in daemons]
    for daemon in daemons:
        fill(daemon, opened)
    watches = [Watch(daemon) for daemon in daemons]
    with contextlib.ExitStack() as limits:
        for daemon in daemons:
            limits.enter_context(few_files(daemon))
        newcomers = []
        for daemon in daemons:
            with contextlib.suppress(requests.ConnectionError):
                newcomers.append(requests.get(f"{daemon.url}/health/live", timeout=5).status_code)
        assert newcomers == []  # refused at once, and not left waiting
        # Who was there already is served, and writes still reach the index or wait.
        for session, daemon in zip(opened, daemons):
            assert session.get(f"{daemon.url}/health/live", timeout=10).status_code == 200
        written = opened[0].post(f"{system.eventd.url}/api/v1/events", json={"title": "during"}, timeout=30).status_code
        assert written in (201, 503)
        for watch in watches:
            wait_for(lambda: time.monotonic() - watch.began > 2, "a while to pass")
            assert watch.busy() < 0.9, (watch.daemon.name, watch.busy())
            assert len(watch.new_lines()) < 20, watch.new_lines()
    for daemon in daemons:
        daemon.wait_ready()
    assert system.post({"title": "after"}).status_code == 201
    system.wait_total(2 + (written == 201))
    for session in opened:
        session.close()
    for daemon, before in zip(daemons, files):
        wait_for(lambda: open_files(daemon) <= before + 4, f"{daemon.name} to close what it had opened")
    assert kafka.read_all("events.dlq") == []


def test_an_index_without_file_descriptors_waits(kafka, make_system, file_engine):
    system = start_pair(make_system(kafka.brokers, indexer__batch_count=2, **file_engine))
    produce(kafka, range(10))
    system.wait_total(10)
    with requests.Session() as session, contextlib.ExitStack() as limits:
        session.get(f"{system.indexer.url}/health/live", timeout=5)  # it keeps its connection
        limits.enter_context(few_files(system.indexer))
        watch = Watch(system.indexer)
        produce(kafka, range(10, 60))
        wait_for(lambda: session.get(f"{system.indexer.url}/health/ready", timeout=5).status_code == 503 or
                 system.total() == 60, "the indexer to be in trouble, or to need no more files")
        wait_for(lambda: time.monotonic() - watch.began > 2, "a while to pass")
        assert watch.busy() < 0.9 and len(watch.new_lines()) < 20, watch.new_lines()
    system.wait_total(60)
    system.indexer.wait_ready()
    assert kafka.read_all("events.dlq") == []


def resident(daemon):
    for line in open(f"/proc/{daemon.child.pid}/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


def test_a_slow_engine_is_waited_for(kafka, make_system, tmp_path):
    """Each call takes a second: nothing piles up, the daemon answers, and it goes on."""
    system = make_system(kafka.brokers, plugin=MOODY, indexer__ready_lag="1s")
    system.indexer.env = {"WEIR_MOODY_FOLDER": str(tmp_path)}
    (tmp_path / "slow").touch()
    system.indexer.start().wait_ready()
    produce(kafka, range(30_000), size=1800)
    wait_for(lambda: system.indexer.metric("weir_indexer_commits_total"), "a first commit")
    waits_because(system.indexer, "lag", "behind")
    watch = Watch(system.indexer)
    assert resident(system.indexer) < 128 * MEBIBYTE
    assert watch.busy() < 0.9
    (tmp_path / "slow").unlink()
    wait_read(system, 30_000)
    system.indexer.wait_ready()
    assert resident(system.indexer) < 128 * MEBIBYTE
    assert kafka.read_all("events.dlq") == []


def limit_memory(daemon, more):
    """That much memory beyond what it has: address space, and what of it may be written to. malloc reserves address
    space for each thread, which then grows into it."""
    pid = daemon.child.pid
    fields = dict(line.split(":", 1) for line in open(f"/proc/{pid}/status") if line.startswith(("VmSize", "VmData")))
    before = {}
    for kind, name in ((resource.RLIMIT_AS, "VmSize"), (resource.RLIMIT_DATA, "VmData")):
        before[kind] = resource.prlimit(pid, kind)
        resource.prlimit(pid, kind, (int(fields[name].split()[0]) * 1024 + more, before[kind][1]))
    return lambda: [resource.prlimit(pid, kind, limit) for kind, limit in before.items()]


@pytest.mark.parametrize("plugin", ["xapian"])
def test_without_memory_nothing_is_lost(kafka, make_system, plugin):
    """It waits and goes on, or ends (librdkafka and engines may) and is started again, as by a supervisor."""
    system = start_pair(make_system(kafka.brokers, plugin=plugin))
    produce(kafka, range(10))
    system.wait_total(10)
    free = limit_memory(system.indexer, MEBIBYTE)
    produce(kafka, range(10, 18), size=400_000)

    def short():
        """More tries than would condemn a document, or no indexer any more."""
        with contextlib.suppress(requests.RequestException):
            return (system.indexer.metric("weir_indexer_commit_failures_total") or 0) > 7
        return not system.indexer.running()
    wait_for(short, "the memory to be too little")
    if system.indexer.running():
        assert "out of memory" in health(system.indexer)[1]
        free()
    else:
        system.indexer.start()
    system.wait_total(18)
    system.indexer.wait_ready()
    assert kafka.read_all("events.dlq") == []
