# SPDX-License-Identifier: MIT
"""The suites. Each takes a Lab and a Results; the first sentence of its docstring is its help."""
import json
import time
import traceback

import contenders
import processes
import requests
from freshness import WARM_UP
from lab import say
from load import MARK, REST, questions
from measures import (fsyncs_per_second, measure_freshness, measure_load, measure_search, medians, memory_figures,
                      refused, wrk)
from sampling import profiled
from usage import Watch

SHARE = 5  # of the messages of the update runs, one in so many changes an old event
FEW = ("one term", "two terms", "phrase", "prefix", "filter, range, sort")


def engines(lab):
    """The engines to measure that are in this build; says which are not."""
    for plugin in lab.options.engines:
        missing = processes.plugin_missing(plugin)
        if missing:
            say(f"{plugin} is left out: {missing}")
        else:
            yield plugin


def each_of(lab, names, measure):
    """Measures one after the other; one that fails is ended, and the next has its turn."""
    failures = []
    for name in names:
        try:
            measure(name)
        except Exception as error:  # whatever it met
            traceback.print_exc()
            failures.append(f"{getattr(name, '__name__', name)}: {first_line(error)}")
            lab.abandon()
    if failures:
        raise RuntimeError("; ".join(failures))


def first_line(error):
    return (str(error) or repr(error)).splitlines()[0]


def say_load(contender, figures):
    say(f"{contender.name}: {figures['events_per_second']:,.0f} events/s, {figures['cpu_us_per_event']:.0f} us each, "
        f"{figures['pss_mib']:.0f} MiB, {figures['write_bytes_per_event']:,.0f} bytes written an event")


def ingest(lab, results):
    """The whole load from waiting messages to searchable, several times, for each engine; then with one message in
    five a change of an old event; and the pipeline with no engine at all."""
    count = lab.options.events
    lab.topic(count)

    def measure(plugin):
        if plugin == "null":
            results.add(plugin, "load", count, null_engine(lab, count))
        else:
            ingest_one(lab, results, plugin, count)
    each_of(lab, ["null", *engines(lab)], measure)


def ingest_one(lab, results, plugin, count):
    runs = []
    for left in range(lab.options.repeat - 1, -1, -1):
        contender = lab.weir(plugin, count)
        figures, curves = measure_load(contender, lab.kafka, count)
        runs.append(figures)
        say_load(contender, figures)
        if left == 0:
            lab.keep(contender, count, "untouched")
        elif left == 1:
            lab.keep(contender, count, "spare")
        else:
            contender.stop()
    figures, spread = medians(runs)
    results.add(plugin, "load", count, figures, spread, curves)
    results.add(plugin, "updates", count, *measure_updates(lab, plugin, count, figures))


def null_engine(lab, count):
    """What the indexer could do at most."""
    contender = lab.weir("null", count)
    indexer = contender.system.indexer
    watch = Watch({"indexer": indexer})
    indexer.start()
    processes.wait_for(indexer.alive, "indexer")

    def read():
        positions = requests.get(f"{indexer.url}/api/ingest/positions", timeout=5).json()["positions"]
        return sum(each["position"] or 0 for each in positions)
    processes.wait_for(lambda: read() >= count, "the null engine", 300)
    seconds, cpu = watch.seconds(), watch.cpu()["indexer"]
    indexer.stop()
    return {"events_per_second": count / seconds, "cpu_us_per_event": cpu * 1e6 / count}


def measure_updates(lab, plugin, count, plain):
    """As many messages as `plain` had, with a fifth of them changes of older events: what they cost over plain's. Both
    begin at nothing, so that both have the same merges."""
    topic, creates, changed = lab.mixed_topic(count, SHARE)
    runs = []
    for _ in range((lab.options.repeat + 1) // 2):
        contender = lab.weir(plugin, count, topic)
        figures, _ = measure_load(contender, lab.kafka, count, creates, updatedBy=MARK, changed=changed)
        runs.append(figures)
        contender.stop()
    figures, spread = medians(runs)
    ratios = {"cpu_ratio": figures["cpu_us_per_event_settled"] / plain["cpu_us_per_event_settled"],
              "seconds_ratio": plain["events_per_second"] / figures["events_per_second"],
              "written_ratio": figures["write_bytes_per_event"] / plain["write_bytes_per_event"]}
    say(f"{plugin}: a fifth updates costs {ratios['cpu_ratio']:.2f} x the CPU, "
        f"{ratios['seconds_ratio']:.2f} x the time")
    return {**ratios, **figures}, spread


def freshness(lab, results):
    """How long after Kafka's acknowledgement a search finds an event, at steady rates, on an index of the load."""
    def measure(plugin):
        contender = lab.take(plugin, lab.options.events, "spare")
        fresh_at_rates(lab, results, contender, lab.options.events)
        contender.stop()
    each_of(lab, engines(lab), measure)


def fresh_at_rates(lab, results, contender, count):
    for rate in lab.options.rates:
        fresh_at(lab, results, contender, count, rate, lab.options.fresh_seconds)


def fresh_at(lab, results, contender, count, rate, seconds):
    start = lab.fresh_numbers(rate * (seconds + WARM_UP))
    figures, curves = measure_freshness(contender, lab.kafka, lab.load, start, rate, seconds)
    results.add(contender.name, f"{rate}/s", count, figures, curves=curves)
    say(f"{contender.name} at {rate:,}/s: p50 {figures['p50_ms']:.0f}, p99 {figures['p99_ms']:.0f} ms")


def growth(lab, results):
    """From nothing to the large index without a pause, for each engine: speed over size, memory, bytes written."""
    count = lab.options.growth
    lab.topic(count)

    def measure(plugin):
        contender = lab.weir(plugin, count)
        with profiled(contender, lab.options.out / f"profile-{plugin}.txt" if lab.options.profile else None):
            figures, curves = measure_load(contender, lab.kafka, count)
        results.add(plugin, "load", count, figures, curves=curves)
        say_load(contender, figures)
        lab.keep(contender, count, "untouched")
    each_of(lab, engines(lab), measure)


def search(lab, results):
    """Latency over one connection and queries/s over eight, by kind of question, at both sizes."""
    asked = questions(lab.load)

    def measure(plugin):
        for count in dict.fromkeys((lab.options.events, lab.options.growth)):
            contender = lab.take(plugin, count, "untouched")
            search_kinds(lab, results, contender, asked, count)
            contender.stop()
    each_of(lab, engines(lab), measure)


def search_kinds(lab, results, contender, asked, count):
    for kind, several in asked.items():
        lines = [contender.search.line(each) for each in several]
        why = refused(contender.search.url, lines[0])
        if why:
            say(f"{contender.name}: {kind}: {why}")
            results.add(contender.name, kind, count, absent=why)
            continue
        figures, spread = measure_search(contender.search, lines, lab.options.seconds, lab.options.repeat)
        results.add(contender.name, kind, count, figures, spread)
        say(f"{contender.name} at {count:,}, {kind}: p50 {figures['p50_ms']:.2f}, p99 {figures['p99_ms']:.1f} ms, "
            f"{figures['queries_per_second']:,.0f}/s" + (f", {figures['bad']} BAD" if figures["bad"] else ""))


def rest(lab, results):
    """Creates over REST, each on disk when it is answered, one by one and by the batch call; the disk's bare syncs."""
    bodies = [json.dumps({name: event[name] for name in ("title", "description", *REST) if event.get(name) is not None})
              for event in lab.load.events[:20000] if event.get("title")]
    system = processes.System(lab.folder / lab.name("rest"), own_topics(lab).brokers)
    lab.started.append(system)
    system.start()
    lines = [f"POST /api/v1/events application/json {body}" for body in bodies[:2000]]
    wrk(system.eventd.url, lines, 32, 1)
    watch = Watch({"eventd": system.eventd})
    single, disk, batch = [], [], []
    for _ in range(lab.options.repeat):
        disk.append({"fdatasyncs_per_second": fsyncs_per_second(system.folder)})
        run = wrk(system.eventd.url, lines, 32, lab.options.seconds)
        single.append({"creates_per_second": run.pop("per_second"), **run})
        batch.append(measure_batch(system, bodies))
    results.add("disk", "bare", 0, *medians(disk))
    results.add("eventd", "single", 0, *medians(single))
    watch.look()
    figures, spread = medians(batch)
    results.add("eventd", "batch", 0, {**figures, **memory_figures(watch)}, spread)
    say(f"REST: {medians(single)[0]['creates_per_second']:,.0f} creates/s, by the batch call "
        f"{figures['creates_per_second']:,.0f}/s")
    system.kill()


def own_topics(lab):
    """The broker, with the topics of the schema that Weir comes with."""
    known = lab.kafka.admin().list_topics(timeout=10).topics
    missing = [topic for topic in processes.TOPICS if topic not in known]
    if missing:
        lab.kafka.create_topics(missing)
    return lab.kafka


def measure_batch(system, bodies):
    began, created = time.monotonic(), 0
    with requests.Session() as session:
        for start in range(0, len(bodies), 1000):
            lines = "\n".join(bodies[start:start + 1000]).encode()
            answer = session.post(f"{system.eventd.url}/api/v1/events/batch", data=lines, timeout=60,
                                  headers={"Content-Type": "application/x-ndjson"})
            created += answer.text.count('"status":201')
    return {"creates_per_second": created / (time.monotonic() - began), "refused": len(bodies) - created}


def peers(lab, results):
    """The same load through ordinary ways from Kafka into OpenSearch: load, searches, freshness."""
    missing = processes.opensearch_missing()
    if missing:
        raise RuntimeError(missing)
    if contenders.Pull not in contenders.peers():
        say("pull-based ingestion is left out: its jar could not be had")
    asked, count = questions(lab.load), lab.options.events
    lab.node()

    def measure(kind):
        contender = lab.peer(kind, count)
        figures, curves = measure_load(contender, lab.kafka, count)
        results.add(contender.name, "load", count, figures, curves=curves)
        say_load(contender, figures)
        search_kinds(lab, results, contender, asked, count)
        contender.be_fresh()
        fresh_at_rates(lab, results, contender, count)
        contender.stop()
    each_of(lab, contenders.peers(), measure)


def backends(lab, results):
    """Every backend and the plain consumer side by side on the events as they are, for docs/backends.md."""
    count, asked = min(lab.options.events, len(lab.load.events)), questions(lab.load)
    nodes = [] if processes.opensearch_missing() else ["opensearch", "plain consumer"]

    def measure(plugin):
        contender = lab.peer(contenders.Plain, count) if plugin == "plain consumer" else lab.weir(plugin, count)
        figures, _ = measure_load(contender, lab.kafka, count)
        results.add(contender.name, "load", count, figures)
        say_load(contender, figures)
        for kind in FEW:
            lines = [contender.search.line(each) for each in asked[kind]]
            figures, spread = measure_search(contender.search, lines, lab.options.seconds, 1)
            results.add(contender.name, kind, count, figures, spread)
        if plugin == "plain consumer":
            contender.be_fresh()
        fresh_at(lab, results, contender, count, 1000, min(20, lab.options.fresh_seconds))
        contender.stop()
    each_of(lab, [each for each in contenders.EMBEDDED if not processes.plugin_missing(each)] + nodes, measure)


# In the order in which they leave each other indexes.
SUITES = {each.__name__: each for each in (ingest, freshness, growth, search, rest, peers, backends)}
