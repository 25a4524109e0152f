# SPDX-License-Identifier: MIT
"""The daemons over a plug-in of ABI 1.0 (tests/plugin/abi-1.0): all that 1.0 had works, and what it does not
offer is refused in words that say which part, and done without where it can be."""
import json

import pytest
import requests

from processes import BUILD, weir
from test_verify import Checked, listed

FROZEN = BUILD / "tests" / "plugin" / "weir_frozen.so"


@pytest.fixture
def older(kafka, make_system, tmp_path):
    return make_system(kafka.brokers, plugin=str(FROZEN), backend__frozen__path=tmp_path / "index.frozen").start()


def test_it_is_of_an_older_version():
    shown = weir("plugin", "info", FROZEN).stdout
    assert "ABI 1.0" in shown and "scan-states" not in shown, shown


def test_a_plugin_of_1_0_serves_a_system(older):
    jazz, rock = (older.post({"title": title, "city": "Berlin", "price": 12.50}).json()
                  for title in ("Jazz night", "Rock night"))
    older.wait_total(2)
    assert older.total(q="jazz") == 1 and older.total(q="nights", city="Berlin") == 2
    base = f"{older.eventd.url}/api/v1/events"
    assert requests.patch(f"{base}/{jazz['id']}", json={"title": "Folk night"}, timeout=10).status_code == 200
    assert requests.delete(f"{base}/{rock['id']}", timeout=10).status_code == 204
    older.wait_total(1)
    older.wait_total(1, q="folk")
    older.indexer.kill()
    older.indexer.start()
    older.post({"title": "Another night"})
    older.wait_total(2)


def test_a_fuzzy_word_is_refused_in_words(older):
    older.post({"title": "Jazz night"})
    older.wait_total(1)
    answer = requests.get(f"{older.searchd.url}/api/search/events", params={"q": "jazz nigth~"}, timeout=10)
    assert answer.status_code == 400 and answer.headers["Content-Type"].startswith("application/problem+json")
    problem = answer.json()
    assert "cannot search for similar words" in json.dumps(problem), problem
    assert older.total(q="jazz") == 1


def test_verify_compares_versions_where_there_are_no_states(older):
    checked = Checked(older)
    kept, removed, staler, changed = (checked.create(title=f"Event {each}", city="Graz")["id"] for each in range(4))
    checked.settle()
    said = weir(*checked.arguments())
    assert "Versions alone were compared" in said.stdout and "the plug-in tells no states" in said.stdout, said
    # What a version tells is found; what only a state would tell is not.
    checked.plant(("remove", removed), ("set", staler, -5, "city", '"Wien"'), ("set", changed, 0, "city", '"Wien"'))
    assert set(listed(checked.verify(expect=1))) == {removed, staler}
    checked.verify("--repair", expect=0)
    assert checked.found(removed)["city"] == checked.found(staler)["city"] == checked.found(kept)["city"] == "Graz"
