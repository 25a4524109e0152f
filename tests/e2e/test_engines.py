# SPDX-License-Identifier: MIT
"""Users cannot tell which engine answers: the same events and the same searches, over Xapian and over each
other engine. How hits score is the engine's own; which they are, and how they are sorted, is not."""
import gzip
import json

import pytest

import conftest
from processes import ENGINES, ROOT

SEARCHES = [
    {"q": ""},
    {"q": "python"},
    {"q": "developers conference"},
    {"q": "running tests"},
    {"q": "ruby OR rails"},
    {"q": "(security OR devops) -conference"},
    {"q": "NOT python"},
    {"q": "M\u00c1LAGA"},
    {"q": "c++ AND code"},
    {"q": '"open source"'},
    {"q": '"machine learning" -python'},
    {"q": '"python data"~5'},
    {"q": "program*"},
    {"q": "conf* ber*"},
    {"q": "title:ruby"},
    {"q": "city:madrid taller*"},
    {"q": "title:(python OR java) country:germany"},
    {"q": "price:[0 TO 50]"},
    {"q": "price:>5 city:madrid"},
    {"q": "startDate:[2023-01-01 TO 2024-06-30] javascript"},
    {"q": "ruby^3 OR python^0.5"},
    {"category": "devops"},
    {"city": ["Berlin", "London"]},
    {"country": "Spain", "q": "teatro"},
    {"price": "..20"},
    {"price": "10..50", "startDate": "2020-01-01.."},
    {"startDate": "2024-05-01..2024-05-31"},
]
ORDERS = ["startDate", "-startDate,title", "title", "-title,price", "price,-startDate", "-price", "city,-title", "-country,category,startDate"]


@pytest.fixture(params=[name for name in ENGINES if name != "xapian"])
def other(request):
    return conftest.engine_settings(request.param, request)


def sample():
    with gzip.open(ROOT / "data" / "events-sample.jsonl.gz", "rt") as lines:
        return [json.loads(line) for line in lines]


def produce(kafka, events):
    producer = kafka.producer(**{"linger.ms": 20, "queue.buffering.max.messages": 100000})
    for number, event in enumerate(events):
        names = ("title", "description", "category", "location", "city", "country", "price", "startDate", "endDate")
        body = {"EventId": event["id"], **{name[0].upper() + name[1:]: event[name] for name in names}}
        kafka.produce("events.created", event["id"], json.dumps(body),
                      {"EventType": "EventCreatedEvent", "Version": str(number + 1)}, producer)
    assert producer.flush(60) == 0


def ids(answer):
    return [hit["id"] for hit in answer["hits"]]


def walk(system, total, **parameters):
    """The ids on all pages."""
    return [event_id for offset in range(0, total, 37)
            for event_id in ids(system.search(**parameters, offset=offset, limit=37, fields="title"))]


def test_every_engine_finds_the_same(kafka, make_system, other):
    systems = reference, system = make_system(kafka.brokers), make_system(kafka.brokers, **other, kafka__group="others")
    events = sample()
    produce(kafka, events)
    for each in systems:
        each.indexer.start()
        each.searchd.start()
    for each in systems:
        each.wait_total(len(events))

    for parameters in SEARCHES:
        wanted, found = (each.search(**parameters, limit=1000, fields="title") for each in systems)
        assert found["total"] == wanted["total"], parameters
        if wanted["total"] <= 1000:
            assert set(ids(found)) == set(ids(wanted)), parameters
            assert wanted["total"] or "c++" in parameters.get("q", ""), f"{parameters} should find something"
    for order in ORDERS:
        for filters in ({}, {"q": "conference"}, {"country": "Germany"}):
            wanted, found = (ids(each.search(**filters, sort=order, limit=1000, fields="title")) for each in systems)
            assert found == wanted, (order, filters)
    for parameters in ({"sort": "startDate,-price"}, {"q": "conference"}, {"q": "python OR ruby", "sort": "-title"}):
        total = reference.total(**parameters)
        wanted, found = (walk(each, total, **parameters) for each in systems)
        assert len(set(found)) == total and set(found) == set(wanted), parameters
        assert "sort" not in parameters or found == wanted, parameters
    for event in events[:50]:
        assert ids(system.search(q=f'title:"{event["title"]}"', limit=1000)), event["title"]
