# SPDX-License-Identifier: MIT
"""`weir up` from outside: its development broker, its supervision, its end, and the README's tour."""
import fcntl
import gzip
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import uuid

import pytest
import requests

import processes
from processes import BUILD, ROOT, TOPICS, free_port, wait_for, weir

SAMPLE = ROOT / "data" / "events-sample.jsonl.gz"
DAEMONS = ("eventd", "indexer", "searchd")


class Up(processes.Process):
    """A `weir up` on free ports and a folder of its own."""

    def __init__(self, folder, *arguments, binary=BUILD / "cli" / "weir", ports=None, **settings):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.data = self.folder / "data"
        self.port = ports or {name: free_port() for name in DAEMONS}
        self.url = {name: f"http://127.0.0.1:{port}" for name, port in self.port.items()}
        for name in DAEMONS if ports is None else ():
            settings[f"{name}.port"] = self.port[name]
        sets = [part for key, value in settings.items() for part in ("--set", f"{key.replace('__', '.')}={value}")]
        super().__init__("up", [binary, "up", "--data", self.data, *sets, *arguments], self.folder)

    def ready(self):
        assert self.running(), f"weir up ended:\n{self.log()[-3000:]}"
        return (self.data / "brokers").exists()

    def start(self):
        super().start()
        wait_for(self.ready, "weir up to be ready")
        return self

    @property
    def brokers(self):
        return (self.data / "brokers").read_text().removesuffix("\n")

    def children(self):
        """The daemons' process ids by name."""
        listed = subprocess.run(["pgrep", "-P", str(self.child.pid), "-l"], capture_output=True, text=True).stdout
        return {name: int(pid) for pid, name in map(str.split, listed.splitlines())}

    def total(self, **parameters):
        answer = requests.get(f"{self.url['searchd']}/api/search/events", params={"limit": 0, **parameters}, timeout=10)
        return answer.json()["total"] if answer.status_code == 200 else None

    def wait_total(self, expected, deadline=processes.DEADLINE, **parameters):
        wait_for(lambda: self.total(**parameters) == expected, f"{expected} events {parameters}", deadline)

    def post(self, **event):
        answer = requests.post(f"{self.url['eventd']}/api/v1/events", json=event, timeout=10)
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    def daemon_log(self, name):
        return (self.data / f"{name}.log").read_text(errors="replace")


@pytest.fixture
def make_up(tmp_path):
    made = []

    def make(*arguments, folder="up", **more):
        made.append(Up(tmp_path / folder, *arguments, **more))
        return made[-1]

    yield make
    for each in made:
        each.kill()


@pytest.fixture
def up(make_up):
    return make_up().start()


def gone(pids):
    """True once none of the processes runs (a zombie does not)."""
    for pid in pids:
        try:
            if pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z":
                return False
        except FileNotFoundError:
            pass
    return True


def test_start_stop_and_start_again(make_up):
    up = make_up("--load", SAMPLE).start()
    wait_for(lambda: "2000 events loaded" in up.log(), "the load")
    assert up.total() == 2000  # the load ends when the index holds it
    assert re.fullmatch(r"127\.0\.0\.1:\d+\n", (up.data / "brokers").read_text())
    for text in (f"{up.url['searchd']}/\n", f"{up.url['eventd']}/api/v1/events\n", up.brokers, "Ctrl-C"):
        assert text in up.log()
    event = up.post(title="Kept over the night", category="Durability")
    up.wait_total(1, category="Durability")
    pids = up.children().values()
    assert len(pids) == 3
    assert up.stop() == 0 and "weir: stopped" in up.log() and gone(pids)
    assert not (up.data / "brokers").exists()
    for name in DAEMONS:
        assert "level=error" not in up.daemon_log(name)
        assert "event=stop signal=TERM" in up.daemon_log(name)

    up.start()
    up.wait_total(2001)
    assert "is not loaded" in up.log()
    assert up.total(category="Durability") == 1
    assert requests.get(f"{up.url['eventd']}/api/v1/events/{event}").status_code == 200
    up.post(title="Of the second life", category="Durability")
    up.wait_total(2, category="Durability")
    assert requests.delete(f"{up.url['eventd']}/api/v1/events/{event}").status_code == 204
    up.wait_total(1, category="Durability")
    assert up.stop() == 0


def test_what_the_index_misses_is_sent_again_on_start(make_up):
    up = make_up("--load", SAMPLE).start()
    wait_for(lambda: "2000 events loaded" in up.log(), "the load")
    assert up.stop() == 0
    subprocess.run(["rm", "-r", up.data / "index"], check=True)
    up.start()
    up.wait_total(2000)


def test_kcat_works_against_the_broker(up):
    def kcat(*arguments, **more):
        return subprocess.run(["kcat", "-b", up.brokers, *arguments], capture_output=True, text=True,
                              timeout=60, check=True, **more).stdout

    listed = kcat("-L")
    for topic in TOPICS + ["events.dlq"]:
        assert f'topic "{topic}" with 3 partitions' in listed
    event = str(uuid.uuid4())
    kcat("-P", "-t", "events.created", "-k", event, "-H", "EventType=EventCreatedEvent",
         input=json.dumps({"EventId": event, "Title": "From kcat", "Category": "Outside"}))
    kcat("-P", "-t", "events.created", "-k", "broken", input="{no json")
    up.wait_total(1, category="Outside")
    read = kcat("-C", "-t", "events.created", "-o", "beginning", "-e", "-f", "%k %s\n")
    assert f"{event} {{" in read and "broken {no json" in read
    wait_for(lambda: "broken" in kcat("-C", "-t", "events.dlq", "-o", "beginning", "-e", "-f", "%k\n"), "the dead letter")
    assert weir("topics", "create", "--brokers", up.brokers).stdout.count("exists, 3 partitions") == 4


@pytest.mark.parametrize("name", DAEMONS)
def test_a_daemon_that_is_killed_is_started_again(up, name):
    up.post(title="Before", category="Kill")
    before = up.children()
    os.kill(before[name], signal.SIGKILL)
    wait_for(lambda: up.children().get(name, before[name]) != before[name], f"{name} to be started again")
    assert f"{name} was ended by signal 9 (Killed); it is started again in 1 s" in up.log()
    wait_for(lambda: processes_answer(up.url[name]), f"{name} to be ready")
    up.post(title="After", category="Kill")
    up.wait_total(2, category="Kill")
    assert up.stop() == 0


def processes_answer(url):
    try:
        return requests.get(f"{url}/health/ready", timeout=5).status_code == 200
    except requests.ConnectionError:
        return False


def test_nothing_survives_a_kill_of_weir_up(up):
    pids = list(up.children().values())
    assert len(pids) == 3
    up.kill()
    wait_for(lambda: gone(pids), "the daemons to be gone")
    (up.data / "brokers").write_text("stale:1\n")
    processes.Process.start(up)
    wait_for(lambda: up.ready() and up.brokers != "stale:1", "weir up to be ready again")


def test_one_folder_is_for_one_weir_up(up):
    other = {f"{name}.port": 0 for name in DAEMONS}
    sets = [part for key, value in other.items() for part in ("--set", f"{key}={value}")]
    done = weir("up", "--data", up.data, *sets, check=False)
    assert done.returncode == 3 and len(done.stderr.splitlines()) == 1
    assert f"another weir up (process {up.child.pid}) works on {up.data}" in done.stderr
    assert up.ready() and up.brokers


def test_two_weir_ups_in_two_folders(make_up):
    """Port 0 finds free ones."""
    ups = []
    for n in range(2):
        ups.append(make_up(*[f"--set={name}.port=0" for name in DAEMONS], folder=f"up{n}",
                           ports={name: 0 for name in DAEMONS}).start())
    urls = [set(re.findall(r"http://127\.0\.0\.1:\d+", up.log())) for up in ups]
    assert all(len(found) == 3 for found in urls) and not urls[0] & urls[1]


@pytest.mark.parametrize("name", DAEMONS)
def test_a_port_that_is_taken_is_named(make_up, name):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        up = make_up("--set", f"{name}.port={port}")
        processes.Process.start(up)
        assert up.wait() == 3
    assert str(port) in up.log() and f"{name}.port=N" in up.log()
    assert len(up.log().splitlines()) == 1


def test_a_configuration_that_a_daemon_refuses_stops_everything(make_up):
    up = make_up(backend__xapian__nosuch="1")
    processes.Process.start(up)
    assert up.wait() == 2
    assert "nosuch" in up.log()


def test_a_plugin_that_is_not_there_is_named(make_up):
    up = make_up("--plugin", "nosuch")
    processes.Process.start(up)
    assert up.wait() == 2
    assert "weir_nosuch.so" in up.log() and len(up.log().splitlines()) == 1


@pytest.mark.parametrize("plugin", sorted(processes.LOCATIONS))
def test_every_engine_with_files_keeps_them_in_the_folder(make_up, plugin):
    missing = processes.plugin_missing(plugin)
    if missing:
        pytest.skip(missing)
    up = make_up("--plugin", plugin).start()
    up.post(title="Wherever it lies", category=plugin)
    up.wait_total(1, category=plugin)
    assert (up.data / processes.LOCATIONS[plugin]).exists()
    assert up.stop() == 0
    up.start()
    up.wait_total(1, category=plugin)


def test_an_engine_on_a_server(make_up, opensearch):
    up = make_up("--plugin", "opensearch", backend__opensearch__url=opensearch.url, backend__opensearch__replicas=0).start()
    up.post(title="Far away", category="server")
    up.wait_total(1, category="server")
    assert up.stop() == 0
    up.start()
    up.post(title="Farther away", category="server")
    up.wait_total(2, category="server")
    assert list(up.data.glob("*.catalog.json"))


def test_a_daemon_that_cannot_start_is_told(make_up):
    up = make_up()
    (up.data / "events.db").mkdir(parents=True)
    processes.Process.start(up)
    wait_for(lambda: "eventd said last: " in up.log(), "the reason")
    assert "events.db" in up.log()
    assert up.stop() == 0


def test_a_real_broker(kafka, make_up):
    up = make_up("--brokers", kafka.brokers).start()
    assert up.brokers == kafka.brokers and "in memory" not in up.log()
    up.post(title="On a real one", category="Real")
    up.wait_total(1, category="Real")
    assert len(kafka.read_all("events.created")) == 1
    assert "event=follow" not in up.daemon_log("eventd")
    assert up.stop() == 0
    up.start()
    up.wait_total(1, category="Real")


def test_a_broker_that_is_away_is_waited_for_with_a_reason(make_up):
    up = make_up("--brokers", "127.0.0.1:1")
    processes.Process.start(up)
    wait_for(lambda: "waiting for indexer: " in up.log(), "the reason")
    assert up.running() and up.stop() == 0


def test_ctrl_c_on_a_terminal_drains_and_a_second_one_kills(make_up):
    """The terminal sends INT to the whole foreground group: the daemons must not be in it."""
    up = make_up()
    up.start()
    pids = up.children()
    groups = {os.getpgid(pid) for pid in pids.values()}
    assert os.getpgid(up.child.pid) not in groups
    os.kill(pids["eventd"], signal.SIGSTOP)  # it cannot drain
    up.child.send_signal(signal.SIGINT)
    wait_for(lambda: "stopping" in up.log(), "the first one to be told")
    wait_for(lambda: "searchd" not in up.children(), "searchd to end")
    assert "indexer" in up.children()  # goes on until the write side has ended
    wait_for(lambda: up.child.send_signal(signal.SIGINT) or not up.running(), "the kill")
    assert up.wait() == 130
    assert gone(pids.values())


def test_one_signal_that_comes_twice_drains(up):
    """As with `timeout 60 weir up`, which signals its child and then the group."""
    up.child.send_signal(signal.SIGTERM)
    wait_for(lambda: "stopping" in up.log(), "the first one to be told")
    up.child.send_signal(signal.SIGTERM)
    assert up.wait() == 0


def test_verbose_logs_to_stderr(make_up):
    up = make_up("--verbose").start()
    for name in DAEMONS:
        assert f"process={name} event=start" in up.log()
        assert not (up.data / f"{name}.log").exists()


def test_a_bad_file_to_load_leaves_the_rest_running(make_up, tmp_path):
    path = tmp_path / "events"
    path.write_text('{"title": "good"}\n{"title": ""}\n')
    up = make_up("--load", path).start()
    wait_for(lambda: "the load ended with status 1" in up.log(), "the load to end")
    assert "line 2: title: is blank" in up.log()
    up.wait_total(1)
    assert up.stop() == 0


@pytest.mark.slow
def test_a_load_of_44705_events_ends_complete(make_up, tmp_path):
    """More than the development broker can hold at once; nothing may be lost on the way."""
    with gzip.open(SAMPLE, "rt") as lines:
        sample = [json.loads(line) for line in lines]
    path = tmp_path / "events.jsonl.gz"
    with gzip.open(path, "wt", compresslevel=1) as out:
        for n in range(44705):
            event = sample[n % len(sample)]
            out.write(json.dumps({**event, "id": f"{event['id']}/{n}"}) + "\n")
    up = make_up("--load", path).start()
    wait_for(lambda: "44705 events loaded" in up.log(), "the load", deadline=300)
    assert up.total() == 44705
    pids = up.children()
    os.kill(pids["indexer"], signal.SIGKILL)
    assert up.stop() == 0
    up.start()
    up.wait_total(44705)


def tour():
    """The blocks of the README that are marked as the tour."""
    return re.findall(r"^```sh tour\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)


def taken_ports():
    taken = []
    for port in (8080, 8081, 8082):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                taken.append(port)
    return taken


def test_the_tour_of_the_readme_as_it_stands(tmp_path):
    """On the README's own ports, so only one at a time on a machine."""
    lock = open("/tmp/weir-tour.lock", "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    if taken_ports():
        pytest.skip(f"the README's ports are taken by another program: {taken_ports()}")
    (tmp_path / "build").symlink_to(BUILD)
    up = processes.Process("up", ["build/cli/weir", "up", "--load", SAMPLE], tmp_path, cwd=tmp_path)
    up.start()
    try:
        wait_for(lambda: "2000 events loaded" in up.log() or not up.running(), "weir up to be ready")

        def block(text):
            done = subprocess.run(["bash", "-c", text], cwd=tmp_path, capture_output=True, text=True, timeout=120)
            assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
            return done.stdout

        blocks = tour()
        assert len(blocks) == 8
        topics, post, search, load, lag, searches, rebuild, back = blocks
        assert block(topics).count("exists") == 4
        assert json.loads(block(post))["title"] == "Night of the Bandoneon"
        wait_for(lambda: json.loads(block(search))["total"] == 1, "the event to be found")
        assert json.loads(block(load))["status"] == 201

        def all_found():
            lines = json_lines(block(searches))
            return lines if lines and lines[0]["total"] == 12 else None
        found = wait_for(all_found, "the concerts to be found")
        assert found[0]["hits"][0]["event"]["price"] == 10.5
        assert {hit["event"]["title"].split()[0] for hit in found[1]["hits"]} == {"Concert"}
        assert found[1]["total"] >= 1000
        wait_for(lambda: all(row.split()[4] == "0" for row in block(lag).splitlines()[2:]), "the lag to be 0")
        shown = block(lag)
        assert shown.startswith("group eventsearch-group\n") and len(shown.splitlines()) == 11
        rebuilt, answer = block(rebuild).rsplit("\n", 2)[:2]
        assert "live: sqlite at " in rebuilt and json.loads(answer)["total"] == 12
        back_again = block(back)
        assert "live: xapian at " in back_again and "3001" in back_again
    finally:
        status = up.stop()
        lock.close()
    assert status == 0


def json_lines(text):
    """Both answers, once all of the thousand are found."""
    answers = [json.loads(line) for line in text.splitlines()]
    return answers if answers[1]["total"] >= 1000 else None


def test_another_engine_beside_it(make_up):
    """The README's migration: nothing is stopped, and what the broker forgot is in the store."""
    up = make_up().start()
    for number in range(5):
        up.post(title=f"Concert {number}")
    up.wait_total(5)
    done = weir("rebuild", "--data", up.data, "--plugin", "sqlite", "--from-store")
    assert f"live: sqlite at {up.data}/index.sqlite" in done.stdout
    up.post(title="Concert on the new one")
    up.wait_total(6)
    assert up.stop() == 0
    # The next life goes on with it, whatever --plugin says, and its broker has forgotten everything.
    up.start()
    assert "`weir rebuild`" in up.log() and "is one of sqlite" in up.log()
    up.post(title="Concert of the second life")
    up.wait_total(7)
    refused = weir("rebuild", "--data", up.data, "--plugin", "xapian", check=False)
    assert refused.returncode == 1 and "6 events would be lost" in refused.stderr
    assert "weir rebuild --from-store" in refused.stderr
    up.wait_total(7)
    weir("rebuild", "--data", up.data, "--plugin", "xapian", "--from-store")
    up.wait_total(7)
    done = weir("rebuild", "--data", up.data, "--rollback")
    assert f"live: sqlite at {up.data}/index.sqlite" in done.stdout
    up.post(title="Concert at last")
    up.wait_total(8)
    assert up.stop() == 0
