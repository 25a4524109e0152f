# SPDX-License-Identifier: MIT
"""What every bench needs: events, producers, loads of queries, and what processes used."""
import collections
import gzip
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "e2e"))
import requests  # noqa: E402
from processes import ROOT, wait_for  # noqa: E402

FULL = ROOT.parent / "shared" / "data" / "events.jsonl.gz"
SAMPLE = ROOT / "data" / "events-sample.jsonl.gz"
FIELDS = ["title", "description", "category", "location", "city", "country", "price", "startDate", "endDate"]


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def read_events(path):
    with gzip.open(path, "rt") as lines:
        for line in lines:
            event = json.loads(line)
            yield str(uuid.uuid5(uuid.NAMESPACE_URL, event["id"])), {name: event.get(name) for name in FIELDS}


def usage(daemon):
    """CPU seconds so far and peak resident MiB of a daemon."""
    stat = pathlib.Path(f"/proc/{daemon.child.pid}/stat").read_text().rsplit(")", 1)[1].split()
    status = pathlib.Path(f"/proc/{daemon.child.pid}/status").read_text()
    ticks = int(stat[11]) + int(stat[12])
    return ticks / os.sysconf("SC_CLK_TCK"), int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024


def bytes_under(folder):
    return sum(path.stat().st_size for path in pathlib.Path(folder).rglob("*") if path.is_file())


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def produce(kafka, events):
    producer = kafka.producer(**{"linger.ms": 5, "queue.buffering.max.messages": 1000000})
    size = 0
    for number, (event_id, event) in enumerate(events):
        value = json.dumps({"EventId": event_id, **{k[0].upper() + k[1:]: v for k, v in event.items()}})
        size += len(value)
        producer.produce("events.created", key=event_id, value=value,
                         headers={"EventType": "EventCreatedEvent", "Version": str(number + 1)})
        if number % 1000 == 0:
            producer.poll(0)
    assert producer.flush(120) == 0
    return size


def bench_load(system, count, size):
    """From the start of indexer and searchd to all of it searchable."""
    began = time.monotonic()
    system.indexer.start()
    system.searchd.start()
    wait_for(lambda: system.total() == count, "all events to be searchable", 600)
    seconds = time.monotonic() - began
    cpu, memory = usage(system.indexer)
    steps = collections.Counter()
    for line in requests.get(f"{system.indexer.url}/metrics", timeout=5).text.splitlines():
        found = re.match(r'weir_indexer_step_seconds_sum\{step="(\w+)"\} (\S+)', line)
        if found:
            steps[found[1]] = float(found[2])
    return {"events": count, "megabytes": size / 1e6, "seconds": seconds, "events_per_second": count / seconds,
            "cpu_seconds_per_1000": cpu * 1000 / count, "peak_memory_mib": memory,
            "seconds_by_step": dict(steps)}


def searchable(system):
    """Whether searchd's index has an event."""
    return lambda session, event_id: session.get(
        f"{system.searchd.url}/api/search/events/{event_id}", timeout=10).status_code == 200


def bench_freshness(kafka, is_there, rate, seconds):
    """From produce() until is_there(session, id), which searches, of every 50th event, at a steady rate."""
    producer = kafka.producer(**{"linger.ms": 0})
    # The first message of a producer waits about a second for what it has to learn of the topic.
    kafka.produce("events.updated", str(uuid.uuid4()), "{}", {"EventType": "BenchWarmsUp"}, producer)
    producer.produce("events.created", key="warm", value="{}", headers={"EventType": "BenchWarmsUp"})
    producer.flush(30)
    waiting, delays, lock, done = collections.deque(), [], threading.Lock(), threading.Event()

    def look():
        session = requests.Session()
        while not (done.is_set() and not waiting):
            try:
                event_id, began = waiting.popleft()
            except IndexError:
                done.wait(0.002)
                continue
            while not is_there(session, event_id):
                done.wait(0.002) or time.sleep(0.002)
            with lock:
                delays.append((time.monotonic() - began) * 1000)
    lookers = [threading.Thread(target=look) for _ in range(4)]
    for looker in lookers:
        looker.start()
    began = time.monotonic()
    for number in range(rate * seconds):
        pause = began + number / rate - time.monotonic()
        if pause > 0:
            time.sleep(pause)
        event_id = str(uuid.uuid4())
        producer.produce("events.created", key=event_id, headers={"EventType": "EventCreatedEvent"}, value=json.dumps(
            {"EventId": event_id, "Title": f"Fresh concert number {number}", "Category": "music", "City": "Berlin",
             "Description": "An evening of songs that nobody has heard before, " * 4}))
        producer.poll(0)
        if number % 50 == 0:
            waiting.append((event_id, time.monotonic()))
    real_rate = rate * seconds / (time.monotonic() - began)
    producer.flush(30)
    done.set()
    for looker in lookers:
        looker.join()
    return {"rate": real_rate, "samples": len(delays), "p50_ms": statistics.median(delays),
            "p99_ms": percentile(delays, 0.99)}


def wrk(url, lines, connections, seconds):
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as listing:
        listing.write("\n".join(lines) + "\n")
        listing.flush()
        done = subprocess.run(["wrk", "-t", str(min(2, connections)), "-c", str(connections), "-d", f"{seconds}s",
                               "-s", str(ROOT / "bench" / "requests.lua"), url, "--", listing.name],
                              capture_output=True, text=True, check=True)
    result = json.loads(done.stdout.strip().splitlines()[-1])
    result["per_second"] = result["requests"] / result["seconds"]
    return result


def words_of(events):
    """Words, pairs of neighbours and cities that are there, neither rarest nor in every event."""
    words, pairs = collections.Counter(), collections.Counter()
    cities = collections.Counter(event["city"] for _, event in events if event["city"])
    for _, event in events:
        title = re.findall(r"[a-z]{4,}", (event["title"] or "").lower())
        words.update(set(title))
        pairs.update(zip(title, title[1:]))
    return ([w for w, _ in words.most_common(400)][20:], [p for p, _ in pairs.most_common(200)],
            [c for c, _ in cities.most_common(50)])


def queries(events):
    """Five kinds of query, as lines of requests.lua for searchd."""
    word, pair, city = words_of(events)
    quote = requests.utils.quote
    base = "/api/search/events?limit=10&"
    return {
        "one term": [f"GET {base}q={w}" for w in word],
        "two terms": [f"GET {base}q={a}%20{b}" for a, b in zip(word, reversed(word))],
        "phrase": [f"GET {base}q=%22{a}%20{b}%22" for a, b in pair],
        "prefix": [f"GET {base}q={w[:3]}*" for w in word],
        "filter, range, sort": [f"GET {base}city={quote(c)}&startDate=2018-01-01..2024-12-31&sort=startDate" for c in city],
    }


def bench_search(url, lines_of_kinds, seconds):
    results = {}
    for kind, lines in lines_of_kinds.items():
        wrk(url, lines, 1, 1)
        alone = wrk(url, lines, 1, seconds)
        many = wrk(url, lines, 8, seconds)
        results[kind] = {"p50_ms": alone["p50_ms"], "p99_ms": alone["p99_ms"],
                         "queries_per_second": many["per_second"], "bad": alone["bad"] + many["bad"]}
    return results


def fsyncs_per_second(folder):
    path = pathlib.Path(folder) / "fsync"
    with open(path, "wb") as file:
        began, count = time.monotonic(), 0
        while time.monotonic() - began < 1:
            file.write(b"x" * 4096)
            file.flush()
            os.fdatasync(file.fileno())
            count += 1
    path.unlink()
    return count


def machine():
    model = re.search(r"model name\s+: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = int(re.search(r"MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text())[1]) // 1048576
    return f"{os.cpu_count()} cores of {model[1] if model else platform.machine()}, {memory} GiB, Linux {platform.release()}"
