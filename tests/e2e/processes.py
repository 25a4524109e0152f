# SPDX-License-Identifier: MIT
"""Real processes for tests and benches: a Kafka broker, the three daemons, the weir tool.

Every process dies with the test run (PR_SET_PDEATHSIG), listens on free ports of 127.0.0.1 and
keeps its files in a folder that the caller gives. Nothing here sleeps for a fixed time: `wait_for`
polls a condition until a deadline."""
import base64
import contextlib
import ctypes
import functools
import itertools
import os
import pathlib
import random
import shutil
import signal
import socket
import struct
import subprocess
import time
import uuid

import confluent_kafka
import confluent_kafka.admin
import requests

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("WEIR_BUILD", ROOT / "build"))
KAFKA_JARS = ROOT / "build-kafka" / "lib"
OPENSEARCH = ROOT / "build-opensearch"
TOPICS = ["events.created", "events.updated", "events.deleted"]
DEADLINE = 120.0  # of a machine with other work too
ANSWER_SECONDS = 30  # the same, of one request
START = 300.0        # of a JVM and what is in it
BRIEF = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]  # a JVM that starts soon, with few threads, and never becomes fast

_libc = ctypes.CDLL(None, use_errno=True)


def _die_with_parent():
    _libc.prctl(1, signal.SIGKILL)


def wait_for(condition, what, deadline=DEADLINE, interval=0.02):
    """Polls condition until it is truthy and returns its value; says what was waited for."""
    began = time.monotonic()
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > began + deadline:
            raise AssertionError(f"waited {deadline:.0f} s for {what}")
        # poll: seldom after a while, for each look takes from those that are waited for
        time.sleep(max(interval, min(0.1, (time.monotonic() - began) / 50)))


class Ports:
    """Ports that no other run of tests on this machine takes: a block of them is ours for as long as
    we hold the name of its socket. Each is given again only after all others were, so that a server
    which is down for a while finds its own free. All lie below the range from which the system takes
    the ports of connections."""
    FIRST, BLOCK, BLOCKS = 15000, 250, 68

    def __init__(self):
        start = random.randrange(self.BLOCKS)
        for block in (*range(start, self.BLOCKS), *range(start)):
            self.name = socket.socket(socket.AF_UNIX)
            with contextlib.suppress(OSError):
                self.name.bind(f"\0weir-ports-{block}")
                begin = self.FIRST + block * self.BLOCK
                self.numbers = itertools.cycle(range(begin, begin + self.BLOCK))
                return
            self.name.close()
        raise AssertionError("every block of ports is taken by another run of tests")

    def take(self):
        for port in itertools.islice(self.numbers, self.BLOCK):
            with contextlib.closing(socket.socket()) as listener, contextlib.suppress(OSError):
                listener.bind(("127.0.0.1", port))
                return port
        raise AssertionError("no port of our block is free")


@functools.cache
def _ports():
    return Ports()


def free_port():
    return _ports().take()


class Process:
    """A child process whose output goes to a file."""

    def __init__(self, name, arguments, folder, env=None, cwd=None):
        self.name, self.arguments, self.env = name, [str(a) for a in arguments], env
        self.cwd = cwd
        self.log_path = pathlib.Path(folder) / f"{name}.log"
        self.child = None

    def start(self):
        assert not self.running(), f"{self.name} runs already"
        with open(self.log_path, "ab") as log:
            self.child = subprocess.Popen(
                self.arguments, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                env={**os.environ, **(self.env or {})}, cwd=self.cwd, preexec_fn=_die_with_parent)
        return self

    def running(self):
        return self.child is not None and self.child.poll() is None

    def is_stopped(self):
        """Whether it stands at its stop point."""
        with contextlib.suppress(FileNotFoundError):
            return pathlib.Path(f"/proc/{self.child.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"
        return False

    def kill(self):
        """SIGKILL, as a crash."""
        if self.running():
            self.child.kill()
            self.child.wait()

    def stop(self, deadline=DEADLINE):
        """SIGTERM; returns the exit status; a process that does not end fails the test."""
        if self.child is None:
            return None
        if self.running():
            self.child.terminate()
        try:
            return self.child.wait(deadline)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            raise AssertionError(f"{self.name} did not end after TERM:\n{self.log()[-3000:]}")

    def wait(self, deadline=DEADLINE):
        return self.child.wait(deadline)

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""


def text(string):
    """As Kafka's protocol writes it."""
    return struct.pack(f">h{len(string)}s", len(string), string.encode())


class Kafka(Process):
    """One Apache Kafka broker (KRaft) on a free port; its data survive kill and start. What is changed in
    `properties` counts from the next start. brief: it starts sooner and never becomes fast. listeners: names
    of more of them, each with its protocol (SASL_SSL); their ports are in `ports`. node, voters (node: port)
    and cluster: one of several."""

    def __init__(self, folder, heap="256m", node=1, voters=None, cluster=None, listeners=None, brief=True,
                 **properties):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.node, voters = node, voters or {node: free_port()}
        protocols = {"CONTROLLER": "PLAINTEXT", "PLAINTEXT": "PLAINTEXT", **(listeners or {})}
        self.ports = {name: free_port() for name in protocols} | {"CONTROLLER": voters[node]}
        self.port = self.ports["PLAINTEXT"]
        self.brokers = f"127.0.0.1:{self.port}"
        copies = min(3, len(voters))
        self.properties = {
            "process.roles": "broker,controller", "node.id": node,
            "controller.quorum.voters": ",".join(f"{each}@127.0.0.1:{port}" for each, port in voters.items()),
            "listeners": self.addresses(), "advertised.listeners": self.addresses("CONTROLLER"),
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": ",".join(f"{name}:{protocol}" for name, protocol in protocols.items()),
            "log.dirs": self.folder / "data", "offsets.topic.replication.factor": copies,
            "offsets.topic.num.partitions": 1, "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": 1, "num.partitions": 3, "group.initial.rebalance.delay.ms": 0,
            # a killed broker is taken back when its old session has timed out
            "broker.session.timeout.ms": 3000, "broker.heartbeat.interval.ms": 300, "log.cleaner.backoff.ms": 200, "auto.create.topics.enable": "false",
            **{name.replace("__", "."): value for name, value in properties.items()}}
        self.java = ["java", f"-Xms{heap}", f"-Xmx{heap}", *(BRIEF if brief else []),
                     "-cp", f"{KAFKA_JARS}/*"]
        self.format(cluster or self.new_cluster())
        super().__init__("kafka", self.java + ["kafka.Kafka", self.write_properties()], self.folder)

    @staticmethod
    def new_cluster():
        return "A" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:22]  # "-" would be an option

    def addresses(self, without=None, **ports):
        return ",".join(f"{name}://127.0.0.1:{port}" for name, port in {**self.ports, **ports}.items() if name != without)

    def write_properties(self):
        path = self.folder / "server.properties"
        path.write_text("".join(f"{name}={value}\n" for name, value in self.properties.items()))
        return path

    def format(self, cluster):
        """Only for a folder without data."""
        subprocess.run(self.java + ["kafka.tools.StorageTool", "format", "-t", cluster, "-c", self.write_properties()],
                       check=True, capture_output=True)

    def launch(self):
        """Without waiting: one of several does not answer before the others are there."""
        self.write_properties()
        return super().start()

    def start(self):
        self.launch()
        wait_for(self.answers, "Kafka to answer", START)
        return self

    def answers(self):
        assert self.running(), f"Kafka ended (silently, when port {self.port} is taken):\n{self.log()[-3000:]}"
        with contextlib.closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", self.port)):
                return False
        try:
            return self.admin().list_topics(timeout=2).brokers
        except confluent_kafka.KafkaException:
            return False

    def admin(self):
        return confluent_kafka.admin.AdminClient({"bootstrap.servers": self.brokers})

    def create_topics(self, topics=None, partitions=3):
        topics = topics or TOPICS + ["events.dlq"]
        admin = self.admin()  # futures die with it
        made = admin.create_topics(
            [confluent_kafka.admin.NewTopic(t, partitions, 1) for t in topics])
        for future in made.values():
            future.result(30)
        # made, and known to the broker: a test that ends at once would not see them to delete them
        wait_for(lambda: set(topics) <= set(admin.list_topics(timeout=10).topics), "topics to be known")

    def delete_topics(self, names=None):
        """Removes these topics, or every one of ours, so that tests can share one broker."""
        admin = self.admin()
        names = names or [t for t in admin.list_topics(timeout=10).topics if not t.startswith("__")]
        if names:
            for future in admin.delete_topics(names).values():
                future.result(30)
            wait_for(lambda: not set(names) & set(admin.list_topics(timeout=10).topics),
                     "topics to be deleted")

    def call(self, api, version, body):
        """What the client library has no call for; the answer behind its correlation id."""
        request = struct.pack(">hhih4s", api, version, 1, 4, b"test") + body
        with socket.create_connection(("127.0.0.1", self.port), 30) as broker, broker.makefile("rb") as answers:
            broker.sendall(struct.pack(">i", len(request)) + request)
            return answers.read(struct.unpack(">i", answers.read(4))[0])[4:]

    def delete_records(self, topic, partition, before):
        """What retention does, at once: the log begins at that offset."""
        answer = self.call(21, 1, struct.pack(">i", 1) + text(topic) + struct.pack(">iiqi", 1, partition, before, 30000))
        assert struct.unpack(">qh", answer[-10:]) == (before, 0), answer

    def allow(self, user, resource, name, operation=2):
        """An ACL. resource: 2 a topic, 3 a group; the name is a prefix; operation 2: all of them."""
        answer = self.call(30, 1, struct.pack(">ib", 1, resource) + text(name) + struct.pack(">b", 4) +
                           text(f"User:{user}") + text("*") + struct.pack(">bb", operation, 3))
        assert answer[8:10] == b"\0\0", answer

    def producer(self, **settings):
        return confluent_kafka.Producer({"bootstrap.servers": self.brokers, **settings})

    def produce(self, topic, key, value, headers=None, producer=None, **more):
        """One message, acknowledged when this returns (unless a producer is given: flush it)."""
        own = self.producer() if producer is None else producer  # an idle producer is falsy
        own.produce(topic, key=key, value=value, headers=headers, **more)
        if producer is None:
            assert own.flush(30) == 0

    def ends(self, topics=None):
        """Where the log ends now, by (topic, partition)."""
        consumer = confluent_kafka.Consumer({"bootstrap.servers": self.brokers, "group.id": f"test-{uuid.uuid4()}"})
        places = [(topic, partition) for topic in topics or TOPICS
                  for partition in consumer.list_topics(topic, timeout=10).topics[topic].partitions]
        ends = {place: consumer.get_watermark_offsets(confluent_kafka.TopicPartition(*place), timeout=10)[1]
                for place in places}
        consumer.close()
        return ends

    def read_all(self, topic):
        """Every message of a topic, from the start to its end now."""
        consumer = confluent_kafka.Consumer({
            "bootstrap.servers": self.brokers, "group.id": f"test-{uuid.uuid4()}",
            "enable.auto.commit": False, "enable.partition.eof": True,
            "auto.offset.reset": "earliest"})
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        consumer.assign([confluent_kafka.TopicPartition(topic, p, 0) for p in partitions])
        messages, ended = [], set()
        while len(ended) < len(partitions):
            message = consumer.poll(10)
            assert message is not None, f"{topic}: no end within 10 s"
            if message.error():
                assert message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF
                ended.add(message.partition())
            else:
                messages.append(message)
        consumer.close()
        return messages


class OpenSearch(Process):
    """One OpenSearch node on a free port, or on the given one; its data survive kill and start. brief: it
    starts sooner and never becomes fast. java: more options of the JVM; classes: more of its class path."""

    def __init__(self, folder, heap="512m", port=None, brief=True, java=(), classes=(), **settings):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        settings = {"transport.port": free_port(), **{k.replace("__", "."): v for k, v in settings.items()}}
        super().__init__("opensearch", [
            (OPENSEARCH / "java").read_text(), f"-Xms{heap}", f"-Xmx{heap}",
            *(BRIEF if brief else []), *java,
            "-cp", ":".join(map(str, [*classes, OPENSEARCH / "classes", OPENSEARCH / "lib" / "*"])), "OpenSearchNode",
            self.folder / "node", self.port, *(f"{k}={v}" for k, v in settings.items())], self.folder)

    def start(self):
        super().start()
        wait_for(self.answers, "OpenSearch to answer", START)
        return self

    def answers(self):
        assert self.running(), f"OpenSearch ended:\n{self.log()[-3000:]}"
        with contextlib.suppress(requests.ConnectionError):
            health = requests.get(f"{self.url}/_cluster/health", timeout=ANSWER_SECONDS)
            return health.status_code == 200 and health.json()["status"] in ("green", "yellow")
        return False

    def call(self, method, path, json=None, check=True):
        answer = requests.request(method, f"{self.url}{path}", json=json, timeout=60)
        assert not check or answer.status_code < 300, f"{method} {path}: {answer.text}"
        return answer.json()

    def delete_indexes(self):
        """Removes every index of ours, so that tests can share one node."""
        names = [n for n in self.call("GET", "/_alias") if not n.startswith(".")]
        if names:
            self.call("DELETE", "/" + ",".join(names))


class Daemon(Process):
    """eventd, indexer or searchd on a free port."""

    def __init__(self, name, system, settings):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        arguments = [BUILD / name / name]
        for key, value in settings.items():
            arguments += ["--set", f"{key}={value}"]
        arguments += ["--set", f"{name}.port={self.port}"]
        super().__init__(name, arguments, system.folder)

    def alive(self):
        assert self.running(), f"{self.name} ended:\n{self.log()[-3000:]}"
        with contextlib.suppress(requests.ConnectionError):
            return requests.get(f"{self.url}/health/live", timeout=ANSWER_SECONDS).status_code == 200
        return False

    def ready(self):
        return self.alive() and requests.get(f"{self.url}/health/ready", timeout=ANSWER_SECONDS).status_code == 200

    def wait_ready(self):
        wait_for(self.ready, f"{self.name} to be ready")
        return self

    def metric(self, name):
        """The sum of a metric's series, or None."""
        values = [float(line.rsplit(" ", 1)[1])
                  for line in requests.get(f"{self.url}/metrics", timeout=ANSWER_SECONDS).text.splitlines()
                  if line.startswith((name + " ", name + "{"))]
        return sum(values) if values else None


ENGINES = ["xapian", "sqlite", "tantivy", "opensearch"]
LOCATIONS = {"xapian": "index", "sqlite": "index.sqlite", "tantivy": "index.tantivy"}


class System:
    """The three daemons over one broker; store and index in a folder of their own. An engine on a
    server (OpenSearch) is given its backend__opensearch__url, and gets an index of its own there."""

    def __init__(self, folder, brokers, plugin="xapian", **settings):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.settings = {
            "kafka.brokers": brokers, "backend.plugin": plugin,
            "schema.file": ROOT / "schema" / "events.json",
            **self.location(plugin),
            "eventd.database": self.folder / "events.db",
            # the default is for a machine that has time for its searches; below ANSWER_SECONDS
            "searchd.deadline": "20s",
            **{key.replace("__", "."): value for key, value in settings.items()}}
        self.plugin = plugin
        self.eventd, self.indexer, self.searchd = (
            Daemon(name, self, self.settings) for name in ("eventd", "indexer", "searchd"))

    def location(self, plugin):
        if plugin in LOCATIONS:
            return {f"backend.{plugin}.path": self.folder / LOCATIONS[plugin]}
        if plugin != "opensearch":
            return {}
        return {"backend.opensearch.index": f"weir-{uuid.uuid4()}", "backend.catalog_dir": self.folder}

    def start(self):
        for daemon in (self.indexer, self.eventd, self.searchd):
            daemon.start()
        for daemon in (self.indexer, self.eventd, self.searchd):
            wait_for(daemon.alive, f"{daemon.name} to live")
        return self

    def stop(self):
        for daemon in (self.eventd, self.searchd, self.indexer):
            daemon.stop()

    def kill(self):
        for daemon in (self.eventd, self.searchd, self.indexer):
            daemon.kill()

    def search(self, **parameters):
        answer = requests.get(f"{self.searchd.url}/api/search/events", params=parameters, timeout=ANSWER_SECONDS)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def total(self, **parameters):
        """How many events a search finds; None while searchd is not ready."""
        with contextlib.suppress(requests.ConnectionError, requests.Timeout):
            answer = requests.get(f"{self.searchd.url}/api/search/events",
                                  params={"limit": 0, **parameters}, timeout=ANSWER_SECONDS)
            if answer.status_code == 200:
                return answer.json()["total"]
        return None

    def wait_total(self, expected, deadline=DEADLINE, **parameters):
        wait_for(lambda: self.total(**parameters) == expected,
                 f"{expected} events in the search {parameters or ''}", deadline)

    def post(self, event, **headers):
        return requests.post(f"{self.eventd.url}/api/v1/events", json=event, headers=headers, timeout=30)


def weir(*arguments, check=True, **more):
    """Runs the weir tool and returns the completed process (text output)."""
    done = subprocess.run([str(BUILD / "cli" / "weir"), *map(str, arguments)],
                          capture_output=True, text=True, timeout=300, **more)
    assert not check or done.returncode == 0, f"{done.args}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done


def plugin_missing(name):
    """Why a plug-in is not in this build, or None."""
    if not (BUILD / "plugins" / name / f"weir_{name}.so").exists():
        return f"this build has no {name} plug-in" + (": it needs cargo >= 1.88" if name == "tantivy" else "")
    return None


def kafka_missing():
    """Why a real broker cannot be had here, or None."""
    if not (ROOT / "build-kafka" / "complete").exists():
        return "Apache Kafka's jars are not there: ./dev test resolves them with Maven"
    if shutil.which("java") is None:
        return "no java on this machine"
    return None


def opensearch_missing():
    """Why a real OpenSearch node cannot be had here, or None."""
    if not (OPENSEARCH / "complete").exists():
        return "OpenSearch's jars are not there: ./dev test resolves them with Maven (needs a JDK 17 or newer)"
    return None
