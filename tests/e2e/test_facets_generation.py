# SPDX-License-Identifier: MIT
"""Counts and hits of one answer are of one state of the index, whatever is written meanwhile."""
import threading

import pytest

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
    wanted, totals = [event for event in sample() if event["category"]][:1500], set()

    def write():
        for at in range(0, len(wanted), 25):
            produce(kafka, wanted[at:at + 25])

    def look():
        answer = system.search(facets="category", facetLimit=1000, limit=1)
        assert sum(value["count"] for value in answer["facets"]["category"]) == answer["total"]
        totals.add(answer["total"])
        return len(wanted) in totals

    writer = threading.Thread(target=write)
    writer.start()
    wait_for(look, f"{len(wanted)} events in the search")
    writer.join()
    assert len(totals) > 3, "nothing was written while it was asked"
