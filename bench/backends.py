# SPDX-License-Identifier: MIT
"""./dev bench backends: the same events and the same searches through every backend, and beside them one
ordinary Kafka to OpenSearch consumer (bench/plain_consumer.py), all in one run. Written to
bench/BACKENDS.md and bench/backends.json.

CPU, memory: of indexer and searchd, for OpenSearch the node's too (its JVM was warmed by a load that
is not measured). A search goes over HTTP to searchd; the plain consumer's go to the node itself, as
Query DSL for the same words, with exact totals."""
import argparse
import contextlib
import datetime
import json
import os
import pathlib
import shutil
import sys
import tempfile
import time

from measure import (FULL, SAMPLE, bench_freshness, bench_load, bench_search, bytes_under, machine, produce, queries,
                     read_events, say, searchable, usage, words_of)
import processes
import requests
from processes import BUILD, ROOT, wait_for

EMBEDDED = ["xapian", "sqlite", "tantivy"]
NODE = ["opensearch", "plain"]
PLAIN_MAPPING = {
    "settings": {"number_of_shards": 1, "number_of_replicas": 0, "refresh_interval": "100ms"},
    "mappings": {"dynamic": False, "properties": {
        "EventId": {"type": "keyword"},
        **{name: {"type": "text", "analyzer": "english"} for name in ("Title", "Description")},
        "Location": {"type": "text"},
        **{name: {"type": "keyword", "fields": {"text": {"type": "text"}}} for name in ("Category", "City", "Country")},
        "Price": {"type": "double"}, "StartDate": {"type": "date"}, "EndDate": {"type": "date"}}}}
PLAIN_FIELDS = ["Title^3", "Description", "Category.text^2", "Location", "City.text^2", "Country.text"]


def plain_queries(events):
    """What queries() asks, in Query DSL."""
    word, pairs, cities = words_of(events)

    def match(text, **more):
        return {"multi_match": {"query": text, "fields": PLAIN_FIELDS, "type": "cross_fields", "operator": "and", **more}}
    kinds = {
        "one term": [match(w) for w in word],
        "two terms": [match(f"{a} {b}") for a, b in zip(word, reversed(word))],
        "phrase": [match(f"{a} {b}", type="phrase", operator="or") for a, b in pairs],
        "prefix": [match(w[:3], type="phrase_prefix", operator="or", max_expansions=1000) for w in word],
    }
    lines = {kind: [{"query": each} for each in asked] for kind, asked in kinds.items()}
    lines["filter, range, sort"] = [
        {"query": {"bool": {"filter": [{"term": {"City": city}},
                                       {"range": {"StartDate": {"gte": "2018-01-01", "lte": "2024-12-31"}}}]}},
         "sort": [{"StartDate": "asc"}]} for city in cities]
    return {kind: ["POST /plain/_search application/json " + json.dumps({"size": 10, "track_total_hits": True, **each})
                   for each in asked] for kind, asked in lines.items()}


def node_bytes(node, index):
    requests.post(f"{node.url}/{index}/_flush", timeout=60)
    stats = requests.get(f"{node.url}/{index}*/_stats/store", timeout=30).json()
    return stats["_all"]["primaries"]["store"]["size_in_bytes"]


class Spent:
    """CPU seconds of processes since it was made, and their peak memory."""

    def __init__(self, *daemons):
        self.daemons = daemons
        self.before = {each: usage(each)[0] if each.running() else 0 for each in daemons}

    def seconds(self):
        return sum(usage(each)[0] - self.before[each] for each in self.daemons)

    def mib(self):
        return sum(usage(each)[1] for each in self.daemons)


def fill(kafka, events):
    kafka.delete_topics()
    kafka.create_topics()
    return produce(kafka, events)


def run_weir(plugin, kafka, events, folder, options, node):
    size = fill(kafka, events)
    more = {"backend__opensearch__url": node.url} if plugin == "opensearch" else {}
    system = processes.System(folder / plugin, kafka.brokers, plugin=plugin, **more)
    spent = Spent(system.indexer, system.searchd, *([node] if more else []))
    result = bench_load(system, len(events), size)
    result["cpu_us_per_event"] = spent.seconds() * 1e6 / len(events)
    result["search"] = bench_search(system.searchd.url, queries(events), options.seconds)
    result["freshness"] = bench_freshness(kafka, searchable(system), options.rate, options.fresh_seconds)
    result["mib"] = spent.mib()
    result["bytes_on_disk"] = (node_bytes(node, "weir-") if more else
                               sum(bytes_under(each) if each.is_dir() else each.stat().st_size
                                   for each in system.folder.glob("index*")))
    system.stop()
    return result


def plain_count(node):
    answer = requests.get(f"{node.url}/plain/_count", timeout=10)
    return answer.json()["count"] if answer.status_code == 200 else 0


def run_plain(kafka, events, folder, options, node):
    size = fill(kafka, events)
    requests.put(f"{node.url}/plain", json=PLAIN_MAPPING, timeout=30).raise_for_status()
    consumer = processes.Process("plain", [sys.executable, ROOT / "bench" / "plain_consumer.py", kafka.brokers,
                                           "events.created", node.url, "plain"], folder)
    spent, began = Spent(consumer, node), time.monotonic()
    consumer.start()
    wait_for(lambda: plain_count(node) == len(events), "the plain consumer", 600)
    seconds = time.monotonic() - began
    result = {"events": len(events), "megabytes": size / 1e6, "seconds": seconds,
              "events_per_second": len(events) / seconds, "cpu_us_per_event": spent.seconds() * 1e6 / len(events)}
    result["search"] = bench_search(node.url, plain_queries(events), options.seconds)

    def is_there(session, event_id):
        found = session.post(f"{node.url}/plain/_search", timeout=10, json={
            "size": 1, "_source": False, "track_total_hits": False, "query": {"ids": {"values": [event_id]}}})
        return found.json()["hits"]["hits"] != []
    result["freshness"] = bench_freshness(kafka, is_there, options.rate, options.fresh_seconds)
    result["mib"] = spent.mib()
    result["bytes_on_disk"] = node_bytes(node, "plain")
    consumer.stop()
    return result


def warm(kafka, events, node, folder):
    """A node that has just started does everything at half its speed."""
    fill(kafka, events[:20000])
    requests.put(f"{node.url}/warm", json=PLAIN_MAPPING, timeout=30).raise_for_status()
    consumer = processes.Process("warm", [sys.executable, ROOT / "bench" / "plain_consumer.py", kafka.brokers,
                                          "events.created", node.url, "warm"], folder).start()
    wait_for(lambda: requests.get(f"{node.url}/warm/_count", timeout=10).json().get("count") == len(events[:20000]),
             "the node to be warm", 300)
    consumer.stop()
    requests.delete(f"{node.url}/warm", timeout=30)


def table(results):
    runs = results["backends"]
    names = list(runs)
    rows = [
        ("events/s, start to all searchable", lambda r: f"{r['events_per_second']:,.0f}"),
        ("CPU per event, all processes of it", lambda r: f"{r['cpu_us_per_event']:,.0f} us"),
        (f"produce to searchable at {results['rate']:,}/s, p50", lambda r: f"{r['freshness']['p50_ms']:,.0f} ms"),
        ("the same, p99", lambda r: f"{r['freshness']['p99_ms']:,.0f} ms"),
        ("peak memory", lambda r: f"{r['mib']:,.0f} MiB"),
        ("on disk, bytes per event", lambda r: f"{r['bytes_on_disk'] / r['events']:,.0f}"),
        ("load average of the machine before", lambda r: f"{r['load_average_before']:.1f}"),
    ]
    for kind in runs[names[0]]["search"]:
        rows.append((f"{kind}, p50 / p99", lambda r, k=kind: f"{r['search'][k]['p50_ms']:.2f} / {r['search'][k]['p99_ms']:.1f} ms"))
        rows.append((f"{kind}, queries/s with 8 connections", lambda r, k=kind: f"{r['search'][k]['queries_per_second']:,.0f}"))
    titles = ["plain consumer + OpenSearch" if name == "plain" else name for name in names]
    text = "| measured | " + " | ".join(titles) + " |\n|---|" + "---|" * len(names) + "\n"
    for title, cell in rows:
        text += f"| {title} | " + " | ".join(cell(runs[name]) for name in names) + " |\n"
    return text


def write(results, out):
    (out / "backends.json").write_text(json.dumps(results, indent=1) + "\n")
    (out / "BACKENDS.md").write_text(
        f"# Backends side by side\n\n`./dev bench backends` on {results['date']}: {results['machine']}. One Kafka broker"
        f"{' and one OpenSearch node (' + results['opensearch'] + ')' if results.get('opensearch') else ''} on the same "
        f"machine. {results['events']:,} events from {results['source']}, the same for each; one run each. What is measured "
        "how stands at the top of bench/backends.py; bench/backends.json has the same as JSON.\n\n" + table(results))
    if out == ROOT / "bench":
        page = ROOT / "docs" / "backends.md"
        before, rest = page.read_text().split("<!-- measured -->\n")
        after = rest.split("<!-- end of measured -->")[1]
        page.write_text(f"{before}<!-- measured -->\n{table(results)}<!-- end of measured -->{after}")


def available(wanted):
    """The backends that can be had here; says which cannot, and why."""
    for name in wanted:
        missing = None
        if name in NODE:
            missing = processes.opensearch_missing()
        elif not (BUILD / "plugins" / name / f"weir_{name}.so").exists():
            missing = "the plug-in was not built"
        if missing:
            say(f"{name} is left out: {missing}")
        else:
            yield name


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=pathlib.Path, default=FULL if FULL.exists() else SAMPLE)
    parser.add_argument("--backends", default=",".join(EMBEDDED + NODE), help="which, by comma")
    parser.add_argument("--seconds", type=int, default=4, help="of each kind of search")
    parser.add_argument("--rate", type=int, default=1000, help="events/s of the freshness run")
    parser.add_argument("--fresh-seconds", type=int, default=20, help="of the freshness run")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "bench")
    options = parser.parse_args()
    missing = processes.kafka_missing() or ("wrk is not installed" if not shutil.which("wrk") else None)
    if missing:
        sys.exit(f"bench: {missing}")
    events = list(read_events(options.events))
    names = list(available(options.backends.split(",")))
    results = {"date": datetime.date.today().isoformat(), "machine": machine(), "rate": options.rate, "events": len(events),
               "source": "the full set of real events" if options.events == FULL else options.events.name, "backends": {}}
    with tempfile.TemporaryDirectory(dir=os.environ.get("WEIR_BENCH_DIR")) as name, contextlib.ExitStack() as stack:
        folder = pathlib.Path(name)
        kafka = processes.Kafka(folder / "kafka").start()
        stack.callback(kafka.stop)
        node = None
        for each in names:
            if each in NODE and node is None:
                node = processes.OpenSearch(folder / "opensearch", heap="1g", brief=False).start()
                stack.callback(node.stop)
                results["opensearch"] = requests.get(node.url, timeout=10).json()["version"]["number"]
                warm(kafka, events, node, folder)
            load = os.getloadavg()[0]
            results["backends"][each] = (run_plain(kafka, events, folder, options, node) if each == "plain" else
                                         run_weir(each, kafka, events, folder, options, node))
            results["backends"][each]["load_average_before"] = load
            say(f"{each}: {results['backends'][each]['events_per_second']:,.0f} events/s")
    write(results, options.out)
    print((options.out / "BACKENDS.md").read_text())


if __name__ == "__main__":
    main()
