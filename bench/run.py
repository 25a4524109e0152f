# SPDX-License-Identifier: MIT
"""./dev bench: loads and query mixes over a real Kafka, written to bench/RESULTS.md and, as JSON, to
bench/results.json. Every figure comes with something of the same run to hold it against: the pipeline
with the null engine, the disk's bare fsync rate."""
import argparse
import datetime
import json
import os
import pathlib
import shutil
import sys
import tempfile
import time

from measure import (FULL, ROOT, SAMPLE, bench_freshness, bench_load, bench_search, bytes_under, fsyncs_per_second, machine, produce,
                     queries, read_events, say, searchable, usage, wrk)
import processes
import requests
from processes import wait_for


def position_sum(system):
    positions = requests.get(f"{system.indexer.url}/api/ingest/positions", timeout=5).json()["positions"]
    return sum(each["position"] or 0 for each in positions)


def bench_null(kafka, folder, count):
    """The pipeline without an engine: what the indexer could do at most."""
    system = processes.System(folder, kafka.brokers, plugin="null")
    began = time.monotonic()
    system.indexer.start()
    wait_for(system.indexer.alive, "indexer")
    wait_for(lambda: position_sum(system) >= count, "the null engine", 300)
    seconds = time.monotonic() - began
    system.indexer.stop()
    return {"events_per_second": count / seconds}


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
        results["load"]["bytes_on_disk"] = bytes_under(system.folder / "index")
        say("loaded")
        results["search"] = bench_search(system.searchd.url, queries(events), options.seconds)
        results["freshness"] = bench_freshness(kafka, searchable(system), options.rate, 30)
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
