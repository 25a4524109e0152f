# SPDX-License-Identifier: MIT
"""How many matches have each value: over every engine that can count, against counting by hand."""
import collections
import json
import subprocess

import pytest
import requests

import processes
from processes import System
from test_engines import produce, sample
from test_weir import on_terminal

FIELDS = ["category", "city", "country"]
BINARY = processes.BUILD / "cli" / "weir"


def can_count(plugin):
    shown = subprocess.run([BINARY, "plugin", "info", plugin], capture_output=True, text=True, check=True).stdout
    return "facets" in next(line for line in shown.splitlines() if line.strip().startswith("can ")).split()[1].split(",")


@pytest.fixture(scope="module")
def events():
    return sample()


@pytest.fixture(scope="module", params=processes.ENGINES)
def counted(request, shared_kafka, tmp_path_factory, events):
    """A system whose index holds the sample."""
    missing = processes.plugin_missing(request.param)
    if missing:
        pytest.skip(missing)
    settings = {"plugin": request.param}
    if request.param == "opensearch":
        node = request.getfixturevalue("shared_opensearch")
        settings.update(backend__opensearch__url=node.url, backend__opensearch__replicas=0)
    if not can_count(request.param):
        pytest.skip(f"the plug-in {request.param} has no facets")
    shared_kafka.delete_topics()
    shared_kafka.create_topics()
    system = System(tmp_path_factory.mktemp("counted"), shared_kafka.brokers, **settings)
    produce(shared_kafka, events)
    system.indexer.start()
    system.searchd.start()
    system.wait_total(len(events))
    yield system
    system.kill()


def expected(events, field, limit, **filters):
    """Counted by hand: filters of one field are alternatives; those on the field itself do not count."""
    values = collections.Counter(
        event[field] for event in events
        if all(event[name] in wanted for name, wanted in filters.items() if name != field) and event.get(field) is not None)
    best = sorted(values.items(), key=lambda item: (-item[1], item[0].encode()))[:limit]
    return [{"value": value, "count": count} for value, count in best]


def common(events, field, place=0):
    return collections.Counter(event[field] for event in events if event[field]).most_common(place + 1)[place][0]


def test_counts_are_those_of_all_matches(counted, events):
    answer = counted.search(facets="category,city", limit=3)
    assert list(answer["facets"]) == ["category", "city"] and len(answer["hits"]) == 3
    for field in ("category", "city"):
        assert answer["facets"][field] == expected(events, field, 10)
    for limit in (0, 1, 5, 1000):
        facets = counted.search(facets=["city", "country"], facetLimit=limit, limit=0, offset=50)["facets"]
        assert facets == {field: expected(events, field, limit) for field in ("city", "country")}
    assert counted.search(limit=0)["facets"] == {} == counted.search(facets="", limit=0)["facets"]


def test_a_query_narrows_every_facet(counted, events):
    for query in ("title:conference", "python OR ruby", "NOT title:conference", 'country:germany -title:"a b"', "zzzzzz"):
        ids = {hit["id"] for offset in range(0, 2000, 400)
               for hit in counted.search(q=query, limit=400, offset=offset, sort="title", fields="id")["hits"]}
        found = [event for event in events if event["id"] in ids]
        facets = counted.search(q=query, facets="country,category,city", facetLimit=20, limit=0)["facets"]
        assert list(facets) == ["country", "category", "city"]
        for field in FIELDS:
            assert facets[field] == expected(found, field, 20), (query, field)


def test_a_filter_does_not_narrow_its_own_field(counted, events):
    one, other, country = common(events, "category"), common(events, "category", 1), common(events, "country")
    for filters in ({"category": [one]}, {"category": [one, other]}, {"category": [one], "country": [country]},
                    {"category": [one], "country": [country], "city": [common(events, "city")]}):
        answer = counted.search(facets=",".join(FIELDS), facetLimit=50, limit=0, **filters)
        for field in FIELDS:
            assert answer["facets"][field] == expected(events, field, 50, **filters), (filters, field)
        posted = requests.post(f"{counted.searchd.url}/api/search/events", timeout=10,
                               json={"facets": FIELDS, "facetLimit": 50, "limit": 0, **filters}).json()
        assert posted["facets"] == answer["facets"]
    cheap = [event for event in events if event["price"] is not None and float(event["price"]) <= 20]
    facets = counted.search(facets="category", price="..20", category=one, limit=0)["facets"]
    assert facets["category"] == expected(cheap, "category", 10)


def test_weir_search_prints_them(counted, events):
    url = ["--url", counted.searchd.url]
    done = subprocess.run([BINARY, "search", "--facets", "category,city", "--facet-limit", "2", "--limit", "1", *url],
                          capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["facets"]["category"] == expected(events, "category", 2)
    shown, _ = on_terminal("search", "--facets", "category,city", "--facet-limit", 2, "--limit", 1, *url)
    lines = [line.split() for line in shown.splitlines()]
    best, second = expected(events, "category", 2)
    assert ["facet", "value", "events"] in lines
    assert ["category", *best["value"].split(), str(best["count"])] in lines
    assert [*second["value"].split(), str(second["count"])] in lines
