# SPDX-License-Identifier: MIT
"""What a run of the bench has: a broker, the topics that are full already, a node, indexes that a suite left for the
next. Everything is made when it is first asked for, and only the contender that is measured runs."""
import contextlib
import itertools
import os
import pathlib
import platform
import re
import subprocess
import sys
import tempfile

import contenders
import processes
from load import CACHE, produce
from measures import measure_load, until
from processes import BUILD, ROOT
from usage import Watch


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


PULL_NEEDS = ("kafka-clients", "lz4-java", "snappy-java", "zstd-jni", "slf4j-api")


class Lab:
    def __init__(self, options, load):
        self.options, self.load = options, load
        self.stack = contextlib.ExitStack()
        folder = tempfile.TemporaryDirectory(dir=os.environ.get("WEIR_BENCH_DIR"))
        self.folder = pathlib.Path(self.stack.enter_context(folder))
        self.numbers = itertools.count(1)
        self.topics, self.left, self.started = {}, {}, []
        self.running_broker = self.running_node = None
        self.sent = itertools.count(options.growth + options.events)  # numbers of events that are in no load

    def close(self):
        for each in self.left.values():
            each.stop()
        self.stack.close()

    @property
    def kafka(self):
        if self.running_broker is None:
            self.running_broker = processes.Kafka(self.folder / "kafka", heap="512m", brief=False).start()
            self.stack.callback(self.running_broker.stop)
            self.running_broker.create_topics(["none", "events.dlq"], 1)
        return self.running_broker

    def topic(self, count, name=None):
        """A topic with the load's first `count` creates; the same one for everybody, unless it has a name."""
        name = name or f"load-{count}"
        if name not in self.topics:
            self.kafka.create_topics([name], contenders.PARTITIONS)
            watch = Watch({})
            self.topics[name] = produce(self.kafka, name, self.load.messages(count))
            say(f"{count:,} events are in Kafka ({watch.seconds():.0f} s)")
        return name

    def node(self):
        """An OpenSearch node that has been warmed: one that has just started does everything at half its speed."""
        if self.running_node is None:
            classes, plugins = [CACHE / "classes"], {}
            if contenders.Pull in contenders.peers():
                plugins = {"plugins": "org.opensearch.plugin.kafka.KafkaPlugin"}
                classes.append(contenders.PULL_JARS / "*")
                classes += [jar for name in PULL_NEEDS for jar in processes.KAFKA_JARS.glob(f"{name}-*.jar")]
            self.running_node = processes.OpenSearch(
                self.folder / "node", heap="1g", brief=False, classes=classes,
                java=["--add-modules", "jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED"], **plugins).start()
            self.stack.callback(self.running_node.stop)
            count = self.options.events // 2
            for kind in contenders.peers():
                contender = self.peer(kind, count)
                measure_load(contender, self.kafka, count)
                contender.stop()
            say("the node is warm")
        return self.running_node

    def name(self, what):
        return f"{what}-{next(self.numbers)}"

    def mixed_topic(self, count, share):
        """A topic with `count` messages, one in `share` of them a change: (its name, how many creates, how many events
        are changed)."""
        name, changed = f"mixed-{count}", set()
        if name not in self.topics:
            self.kafka.create_topics([name], contenders.PARTITIONS)
            produce(self.kafka, name, self.load.mixed(count, share, changed))
            self.topics[name] = name, count - count // share, len(changed)
        return self.topics[name]

    def weir(self, plugin, count, topic=None):
        """Weir with an engine, before its start; its load is in Kafka, in a topic of its own or in everybody's."""
        name = self.name(plugin)
        self.started.append(contenders.Weir(self.folder / name, name, self.kafka, plugin, topic or self.topic(count),
                                            self.node() if plugin == "opensearch" else None))
        return self.started[-1]

    def peer(self, kind, count):
        name = self.name(kind.__name__.lower())
        node = self.running_node or self.node()
        self.started.append(kind(self.folder / name, name, self.kafka, node, self.topic(count, f"{name}-load")))
        return self.started[-1]

    def abandon(self):
        """Ends what a failed measure left running."""
        for each in self.started:
            each.kill()
        self.started.clear()

    def keep(self, contender, count, use):
        """Stops a contender whose index another suite can use."""
        contender.stop()
        self.left[contender.name, count, use] = contender

    def take(self, plugin, count, *uses):
        """A running Weir on an index that a suite left for one of these uses, or on a new one."""
        for use in uses:
            if (plugin, count, use) in self.left:
                contender = self.left.pop((plugin, count, use))
                contender.start()
                break
        else:
            contender = self.weir(plugin, count)
            contender.start()
        watch = Watch(contender.daemons)
        until(contender, watch, count)
        watch.settle()
        return contender

    def fresh_numbers(self, count):
        """Numbers of events that nobody has seen yet; returns the first."""
        first = next(self.sent)
        self.sent = itertools.count(first + count)
        return first


def first_line(*command):
    with contextlib.suppress(OSError):
        done = subprocess.run(command, capture_output=True, text=True)
        return (done.stdout or done.stderr).strip().split("\n")[0]
    return None


def jar_version(folder, name):
    found = (re.fullmatch(name + r"-(\d[\d.]*)\.jar", path.name) for path in sorted(folder.glob("*.jar")))
    return next((match[1] for match in found if match), None)


def machine():
    """What the figures hang on: the machine, and the version of everything that took part."""
    model = re.search(r"model name\s+: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = int(re.search(r"MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text())[1]) // 1048576
    commit = first_line("git", "-C", str(ROOT), "rev-parse", "--short", "HEAD")
    changed = first_line("git", "-C", str(ROOT), "status", "--porcelain", "--untracked-files=no", "--",
                         ".", ":!bench", ":!docs", ":!*.md")
    lock = (ROOT / "plugins" / "tantivy" / "Cargo.lock").read_text()
    versions = {
        "weir": f"{commit}{' with changes' if changed else ''}",
        "Kafka": jar_version(processes.KAFKA_JARS, "kafka-clients"),
        "Xapian": first_line("pkg-config", "--modversion", "xapian-core"),
        "tantivy": re.search(r'name = "tantivy"\nversion = "([^"]+)"', lock)[1],
        "SQLite": first_line("pkg-config", "--modversion", "sqlite3"),
        "OpenSearch": jar_version(processes.OPENSEARCH / "lib", "opensearch"),
        "librdkafka": first_line("pkg-config", "--modversion", "rdkafka"),
        "Java of Kafka": first_line("java", "-version"),
        "Python": platform.python_version(), "Linux": platform.release()}
    return {"machine": f"{os.cpu_count()} cores of {model[1] if model else platform.machine()}, {memory} GiB",
            "versions": {name: version for name, version in versions.items() if version}, "build": BUILD.name}
