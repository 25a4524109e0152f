# SPDX-License-Identifier: MIT
"""How long after the broker has acknowledged an event a search finds it. Two processes of their own, so that neither
waits for the other: one sends at a steady rate, about 50 events a second of them marked (createdBy is a name that only
they have); the other searches for all marked ones that it has not seen, each 10 ms. So a figure holds up to 10 ms and
one search that are the probe's; they are the same for every contender."""
import multiprocessing
import queue
import time

import confluent_kafka

PROBES_PER_SECOND = 50
PERIOD = 0.01
AT_ONCE = 100  # names asked for in one search
PATIENCE = 30
WARM_UP = 2  # seconds


def send(brokers, topic, messages, rate, marks, results):
    """Sends (name or None, key, value) at a steady rate; puts (name, when acknowledged) into marks."""
    producer = confluent_kafka.Producer({"bootstrap.servers": brokers, "acks": "all", "linger.ms": 2})
    producer.list_topics(topic, timeout=10)
    acks = []
    began = time.monotonic()
    for number, (name, key, value) in enumerate(messages):
        while (early := began + number / rate - time.monotonic()) > 0:
            producer.poll(min(early, 0.002))
        sent = time.monotonic()

        def acknowledged(error, _, name=name, sent=sent):
            if name and not error:
                now = time.monotonic()
                acks.append(now - sent)
                marks.put((name, now))
        producer.produce(topic, value, key, headers=[("EventType", b"EventCreatedEvent")], on_delivery=acknowledged)
        producer.poll(0)
    seconds = time.monotonic() - began
    left = producer.flush(30)
    marks.put(None)
    acks.sort()
    results.put({"rate": len(messages) / seconds, "unacknowledged": left, "ack_p50_ms": acks[len(acks) // 2] * 1000})


def look(search, marks, results):
    """Searches for what marks names until all of it was found, or nothing more for PATIENCE seconds."""
    search.http.connection = None  # the parent's is the parent's
    waiting, delays, polls, polling, last, ended = {}, [], 0, 0.0, time.monotonic(), False
    while not ended or (waiting and time.monotonic() - last < PATIENCE):
        began = time.monotonic()
        try:
            while True:
                mark = marks.get_nowait()
                ended = ended or mark is None
                if mark:
                    waiting[mark[0]] = mark[1]
        except queue.Empty:
            pass
        if waiting:
            found = search.found(list(waiting)[:AT_ONCE])
            now = time.monotonic()
            polls, polling = polls + 1, polling + now - began
            last = now if found else last
            # One that was there before its acknowledgement was noticed took no time.
            delays += [max(0, now - waiting.pop(name)) * 1000 for name in found if name in waiting]
        time.sleep(max(0.001, PERIOD - (time.monotonic() - began)))
    results.put({"delays": delays, "lost": len(waiting), "poll_ms": polling * 1000 / max(1, polls)})


def run(contender, kafka, load, start, rate, seconds):
    """(sorted delays in ms, about the run)."""
    every = max(1, rate // PROBES_PER_SECOND)
    messages = []
    for number in range(start, start + rate * (seconds + WARM_UP)):
        marked = number % every == 0 and number - start >= rate * WARM_UP
        name = f"probe-{number}" if marked else None
        messages.append((name, load.event_id(number), load.created(number, name)))
    fork = multiprocessing.get_context("fork")
    marks, sent, seen = fork.Queue(), fork.Queue(), fork.Queue()
    sender = (kafka.brokers, contender.more, messages, rate, marks, sent)
    workers = [fork.Process(target=look, args=(contender.search, marks, seen), daemon=True),
               fork.Process(target=send, args=sender, daemon=True)]
    for each in workers:
        each.start()
    about = sent.get(timeout=seconds + 120)
    found = seen.get(timeout=seconds + 120)
    for each in workers:
        each.join(30)
    if not found["delays"]:
        raise RuntimeError(f"{contender.name}: no probe was found")
    return sorted(found["delays"]), {**about, "lost": found["lost"], "poll_ms": found["poll_ms"]}
