# SPDX-License-Identifier: MIT
"""./dev bench: loads and query mixes over a real Kafka, written to bench/RESULTS.md and, as JSON, to
bench/results.json. Every figure comes with something of the same run to hold it against: the pipeline
with the null engine, the disk's bare fsync rate."""
import argparse
import collections
import datetime
import gzip
import json
import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "e2e"))
import processes  # noqa: E402
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


def position_sum(system):
    positions = requests.get(f"{system.indexer.url}/api/ingest/positions", timeout=5).json()["positions"]
    return sum(each["position"] or 0 for each in positions)


def bench_null(kafka, folder, count):
    """The pipeline without an engine: what the indexer could do at most."""
    system = processes.System(folder, kafka.brokers, plugin="null")
    del system.settings["backend.xapian.path"]
    system.indexer = processes.Daemon("indexer", system, system.settings)
    began = time.monotonic()
    system.indexer.start()
    wait_for(system.indexer.alive, "indexer")
    wait_for(lambda: position_sum(system) >= count, "the null engine", 300)
    seconds = time.monotonic() - began
    system.indexer.stop()
    return {"events_per_second": count / seconds}


def bench_load(system, count, size):
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
            "bytes_on_disk": bytes_under(system.folder / "index"), "seconds_by_step": dict(steps)}


def bench_freshness(kafka, system, rate, seconds):
    """From produce() until GET by id answers 200, of every 50th event, at a steady rate."""
    producer = kafka.producer(**{"linger.ms": 0})
    waiting, delays, lock, done = collections.deque(), [], threading.Lock(), threading.Event()

    def look():
        session = requests.Session()
        while not (done.is_set() and not waiting):
            try:
                event_id, began = waiting.popleft()
            except IndexError:
                done.wait(0.002)
                continue
            while session.get(f"{system.searchd.url}/api/search/events/{event_id}", timeout=10).status_code != 200:
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


def queries(events):
    """Five kinds of query from words that are there, neither rarest nor in every event."""
    words, pairs = collections.Counter(), collections.Counter()
    cities = collections.Counter(event["city"] for _, event in events if event["city"])
    for _, event in events:
        title = re.findall(r"[a-z]{4,}", (event["title"] or "").lower())
        words.update(set(title))
        pairs.update(zip(title, title[1:]))
    word = [w for w, _ in words.most_common(400)][20:]
    pair = [p for p, _ in pairs.most_common(200)]
    city = [c for c, _ in cities.most_common(50)]
    quote = requests.utils.quote
    base = "/api/search/events?limit=10&"
    return {
        "one term": [f"GET {base}q={w}" for w in word],
        "two terms": [f"GET {base}q={a}%20{b}" for a, b in zip(word, reversed(word))],
        "phrase": [f"GET {base}q=%22{a}%20{b}%22" for a, b in pair],
        "prefix": [f"GET {base}q={w[:3]}*" for w in word],
        "filter, range, sort": [f"GET {base}city={quote(c)}&startDate=2018-01-01..2024-12-31&sort=startDate" for c in city],
    }


def bench_search(system, events, seconds):
    results = {}
    for kind, lines in queries(events).items():
        wrk(system.searchd.url, lines, 1, 1)
        alone = wrk(system.searchd.url, lines, 1, seconds)
        many = wrk(system.searchd.url, lines, 8, seconds)
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


def bench_rest(system, events, seconds):
    bodies = [json.dumps({k: v for k, v in event.items() if v is not None}) for _, event in events[:2000]]
    single = wrk(system.eventd.url, [f"POST /api/v1/events application/json {body}" for body in bodies], 32, seconds)
    began, created = time.monotonic(), 0
    with requests.Session() as session:
        for start in range(0, min(len(events), 20000), 1000):
            lines = "\n".join(json.dumps({k: v for k, v in event.items() if v is not None})
                              for _, event in events[start:start + 1000])
            answer = session.post(f"{system.eventd.url}/api/v1/events/batch", data=lines.encode(), timeout=60,
                                  headers={"Content-Type": "application/x-ndjson"})
            created += answer.text.count('"status":201')
    return {"single_per_second": single["per_second"], "single_p99_ms": single["p99_ms"], "single_bad": single["bad"],
            "batch_per_second": created / (time.monotonic() - began), "fsyncs_per_second": fsyncs_per_second(system.folder)}


def machine():
    model = re.search(r"model name\s+: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = int(re.search(r"MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text())[1]) // 1048576
    return f"{os.cpu_count()} cores of {model[1] if model else platform.machine()}, {memory} GiB, Linux {platform.release()}"


def table(results):
    load, fresh, rest = results["load"], results["freshness"], results["rest"]
    memory = results["memory_mib"]
    rows = [
        ("events/s, consumer start to all searchable", f"{load['events_per_second']:,.0f}", ">= 3,000"),
        ("the same with the null engine", f"{results['null']['events_per_second']:,.0f}", ""),
        ("CPU seconds of the indexer per 1,000 events", f"{load['cpu_seconds_per_1000']:.3f}", ""),
        ("bytes on disk per event", f"{load['bytes_on_disk'] / load['events']:,.0f}", ""),
        (f"produce to searchable at {fresh['rate']:,.0f} events/s, p50 / p99",
         f"{fresh['p50_ms']:.0f} / {fresh['p99_ms']:.0f} ms", "p99 <= 500 ms"),
        ("REST creates/s, 32 connections, each on disk", f"{rest['single_per_second']:,.0f}", ">= 1,000"),
        ("REST creates/s over the batch call", f"{rest['batch_per_second']:,.0f}", ">= 3,000"),
        ("bare fdatasync/s of this disk", f"{rest['fsyncs_per_second']:,.0f}", ""),
        ("peak memory: indexer + searchd + eventd",
         f"{memory['indexer']:.0f} + {memory['searchd']:.0f} + {memory['eventd']:.0f} = {sum(memory.values()):.0f} MiB", "< 200 MiB"),
    ]
    text = "| measured | here | wanted |\n|---|---|---|\n" + "".join(f"| {a} | {b} | {c} |\n" for a, b, c in rows)
    text += "\n| search, 10 hits | p50 | p99 | queries/s, 8 connections |\n|---|---|---|---|\n"
    for kind, each in results["search"].items():
        text += f"| {kind} | {each['p50_ms']:.2f} ms | {each['p99_ms']:.2f} ms | {each['queries_per_second']:,.0f} |\n"
    text += "\n| step of the indexer during the load | seconds |\n|---|---|\n"
    for step, seconds in sorted(load["seconds_by_step"].items(), key=lambda each: -each[1]):
        text += f"| {step} | {seconds:.1f} |\n"
    return text


def write(results, out):
    (out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (out / "RESULTS.md").write_text(
        f"# Measured\n\n`./dev bench` on {results['date']}: {results['machine']}. Kafka on the same machine, one "
        f"broker, topics of 3 partitions. {results['load']['events']:,} events from {results['source']}. Search latency "
        "is over one HTTP connection, from the client's side. bench/results.json has the same as JSON.\n\n" + table(results))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=pathlib.Path, default=FULL if FULL.exists() else SAMPLE)
    parser.add_argument("--seconds", type=int, default=5, help="of each query mix")
    parser.add_argument("--rate", type=int, default=1000, help="events/s of the freshness run")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "bench")
    options = parser.parse_args()
    missing = processes.kafka_missing() or ("wrk is not installed" if not shutil.which("wrk") else None)
    if missing:
        sys.exit(f"bench: {missing}")
    events = list(read_events(options.events))
    source = "the full set of real events" if options.events == FULL else f"{options.events.name}"
    results = {"date": datetime.date.today().isoformat(), "machine": machine(), "source": source}
    with tempfile.TemporaryDirectory(dir=os.environ.get("WEIR_BENCH_DIR")) as name:
        folder = pathlib.Path(name)
        kafka = processes.Kafka(folder / "kafka").start()
        kafka.create_topics()
        size = produce(kafka, events)
        say(f"{len(events)} events are in Kafka")
        results["null"] = bench_null(kafka, folder / "null", len(events))
        system = processes.System(folder / "system", kafka.brokers)
        results["load"] = bench_load(system, len(events), size)
        say("loaded")
        results["search"] = bench_search(system, events, options.seconds)
        results["freshness"] = bench_freshness(kafka, system, options.rate, 30)
        say("freshness measured")
        system.eventd.start()
        wait_for(system.eventd.alive, "eventd")
        results["rest"] = bench_rest(system, events, 2 * options.seconds)
        results["memory_mib"] = {each: usage(getattr(system, each))[1] for each in ("indexer", "searchd", "eventd")}
        system.stop()
        kafka.stop()
    write(results, options.out)
    print((options.out / "RESULTS.md").read_text())


if __name__ == "__main__":
    main()
