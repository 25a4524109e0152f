# SPDX-License-Identifier: MIT
"""Counts and hits of one answer are of one state of the index, whatever is written meanwhile."""
import threading

import pytest
import requests

from processes import wait_for
from test_engines import produce, sample
from test_facets import can_count


def test_counts_are_of_the_generation_of_the_hits(kafka, make_system, engine):
    """Every event has a category, so the counts add up to the total."""
    if not can_count(engine["plugin"]):
        pytest.skip(f"the plug-in {engine['plugin']} has no facets")
    system = make_system(kafka.brokers, **engine)
    system.indexer.start()
    system.searchd.start()
    system.wait_total(0)
    wanted, totals = [event for event in sample() if event["category"]][:600], set()
    moved = threading.Semaphore(0)

    def write():
        for at in range(0, len(wanted), 25):
            moved.acquire(timeout=60)  # so that many states are asked
            produce(kafka, wanted[at:at + 25])

    def look():
        reply = requests.get(f"{system.searchd.url}/api/search/events", timeout=30,
                             params={"facets": "category", "facetLimit": 1000, "limit": 1})
        if reply.status_code == 503:  # a node that is out of breath
            return False
        answer = reply.json()
        assert sum(value["count"] for value in answer["facets"]["category"]) == answer["total"]
        if answer["total"] not in totals:
            totals.add(answer["total"])
            moved.release()
        return len(wanted) in totals

    writer = threading.Thread(target=write)
    writer.start()
    wait_for(look, f"{len(wanted)} events in the search")
    writer.join()
    assert len(totals) >= 24
