# SPDX-License-Identifier: MIT
"""What is in the log does not decide how much memory the indexer takes, nor does a pause cost it its
partitions. The full counts (10 million, thousands of 1 MB) by hand: WEIR_TINY=10000000 WEIR_LARGE=2000."""
import os
import signal
import time

import pytest

from processes import TOPICS, wait_for
from test_weather_log import lines, produce

TINY, LARGE = int(os.environ.get("WEIR_TINY", 150000)), int(os.environ.get("WEIR_LARGE", 60))
# docs/kafka.md has the formula: process, messages fetched and not yet taken, batch, one fetched part of each
# partition unpacked.
BOUND_KB = 400 * 1024


def fill(kafka, count, value):
    producer = kafka.producer(**{"linger.ms": 50, "compression.codec": "lz4", "queue.buffering.max.kbytes": 100000,
                                 "message.max.bytes": 2000000})
    for number in range(count):
        while True:
            try:
                producer.produce(TOPICS[number % 3], value, str(number % 1000))
                break
            except BufferError:
                producer.poll(0.05)
        if number % 1000 == 0:
            producer.poll(0)
    assert producer.flush(600) == 0


def peak_kb(daemon):
    status = open(f"/proc/{daemon.child.pid}/status").read()
    return int(status.split("VmHWM:")[1].split()[0])


@pytest.mark.slow
def test_memory_stays_bounded_with_tiny_and_with_large_messages(kafka, make_system):
    """Without an engine, whose memory is its own."""
    fill(kafka, TINY, b'{"Title":"a"}')
    fill(kafka, LARGE, b'{"Title":"a","Description":"' + os.urandom(490000).hex().encode() + b'"}')
    system = make_system(kafka.brokers, plugin="null")
    system.indexer.start().wait_ready()
    wait_for(lambda: system.indexer.metric("weir_indexer_messages_total") == TINY + LARGE, "all to be read", 3600)
    print(f"peak {peak_kb(system.indexer)} kB for {TINY} tiny and {LARGE} large messages")
    assert peak_kb(system.indexer) < BOUND_KB


def test_a_process_that_was_stopped_for_longer_than_polls_may_take_goes_on(kafka, make_system):
    """An index with one writer is not fed by a group's members: nobody can be thrown out."""
    patience = {f"kafka__rdkafka__{name}__ms": 1000 for name in ("max.poll.interval", "session.timeout")}
    system = make_system(kafka.brokers, **patience, kafka__rdkafka__heartbeat__interval__ms=300)
    system.searchd.start()
    system.indexer.start().wait_ready()
    produce(kafka, 3, "Oslo")
    system.wait_total(3, city="Oslo")
    os.kill(system.indexer.child.pid, signal.SIGSTOP)
    produce(kafka, 3, "Bergen")
    until = time.monotonic() + 2.5
    wait_for(lambda: time.monotonic() > until, "longer than both limits")
    os.kill(system.indexer.child.pid, signal.SIGCONT)
    system.wait_total(3, city="Bergen")
    produce(kafka, 3, "Lima")
    system.wait_total(3, city="Lima")
    system.indexer.wait_ready()
    assert len(lines(system.indexer, "assign")) <= 3 and not lines(system.indexer, "log")
