# SPDX-License-Identifier: MIT
"""The consumer that people write by hand, to hold Weir against: Kafka to OpenSearch, bulks of up to
1,000 messages or what 50 ms bring, offsets committed after the bulk. Last write wins, nothing is merged.

plain_consumer.py BROKERS TOPIC URL INDEX, until TERM."""
import json
import signal
import sys

import confluent_kafka
import requests


def main():
    brokers, topic, url, index = sys.argv[1:5]
    running = True

    def stop(*_):
        nonlocal running
        running = False
    signal.signal(signal.SIGTERM, stop)
    consumer = confluent_kafka.Consumer({"bootstrap.servers": brokers, "group.id": f"plain-{index}",
                                         "auto.offset.reset": "earliest", "enable.auto.commit": False})
    consumer.subscribe([topic])
    session = requests.Session()
    while running:
        messages = [m for m in consumer.consume(1000, timeout=0.05) if not m.error()]
        if not messages:
            continue
        body = b"".join(json.dumps({"index": {"_id": m.key().decode()}}).encode() + b"\n" + m.value() + b"\n"
                        for m in messages)
        answer = session.post(f"{url}/{index}/_bulk", data=body, timeout=60,
                              headers={"Content-Type": "application/x-ndjson"})
        answer.raise_for_status()
        if answer.json()["errors"]:
            sys.exit("plain_consumer: items failed")
        consumer.commit(asynchronous=True)
    consumer.close()


main()
