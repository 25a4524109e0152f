# SPDX-License-Identifier: MIT
"""The search page, used by a browser as a person would."""
import base64
import hashlib
import json
import re

import pytest
import requests

import browser
from processes import System

pytestmark = pytest.mark.slow  # it is the browser that works
COUNT = 45
NASTY = '<img src=x onerror="document.title=1"> & <b>bold</b>'


@pytest.fixture(scope="module")
def system(shared_kafka, tmp_path_factory):
    shared_kafka.delete_topics()
    shared_kafka.create_topics()
    system = System(tmp_path_factory.mktemp("page"), shared_kafka.brokers, plugin="sqlite")  # it counts values
    system.indexer.start()
    system.searchd.start()
    producer = shared_kafka.producer()
    for number in range(COUNT):
        event_id = f"{number:08d}-0000-4000-8000-000000000000"
        event = {"EventId": event_id, "Title": f"Concert {number}", "Category": "Jazz Night" if number % 5 == 0 else "Rock",
                 "City": "Berlin" if number % 2 else "Paris", "Price": number, "StartDate": f"2026-{number % 12 + 1:02d}-10"}
        if number == COUNT - 1:
            event["Title"], event["Description"] = NASTY, NASTY
        shared_kafka.produce("events.created", event_id, json.dumps(event), None, producer)
    producer.flush(30)
    system.wait_total(COUNT)
    yield system
    system.kill()


@pytest.fixture
def page(system, tmp_path):
    missing = browser.browser_missing()
    if missing:
        pytest.skip(missing)
    made = browser.Browser(tmp_path / "profile")
    made.system = system
    yield made
    made.close()


def open_page(page, query=""):
    page.go(f"{page.system.searchd.url}/{query}")
    page.wait("document.readyState === 'complete' && document.querySelector('#status')?.textContent !== ''")


def total(count):
    return f"document.querySelector('#status').textContent.startsWith('{count} event')"


def press(page, selector):
    page.ask(f"document.querySelector({json.dumps(selector)}).click()")


def test_policy_allows_exactly_what_the_page_has(system):
    answer = requests.get(system.searchd.url, timeout=10)
    policy = answer.headers["Content-Security-Policy"]
    for tag in ("style", "script"):
        (text,) = re.findall(f"<{tag}>(.*?)</{tag}>", answer.content.decode(), re.S)
        hashed = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{hashed}';" in policy
    assert "unsafe" not in policy and "innerHTML" not in answer.text
    assert not re.search(r"\son\w+=|\sstyle=", answer.text), "the policy would refuse it"


def test_typing_filters_paging_and_details(page):
    open_page(page)
    page.wait(total(COUNT))
    page.wait("document.querySelectorAll('li').length === 20")
    page.ask("document.activeElement.blur()")
    page.type("/")
    assert page.ask("document.activeElement.id") == "q"
    page.type("concert")
    page.wait(total(COUNT - 1) + " && location.search === '?q=concert'")
    press(page, "#next")
    page.wait("location.search.includes('offset=20') && document.querySelector('#page').textContent === 'Page 2 of 3'")
    press(page, ".chip.category")
    page.wait("location.search.includes('category=') && !location.search.includes('offset')")
    page.wait(f"!{total(COUNT - 1)}")
    page.ask("history.back()")
    page.wait(total(COUNT - 1) + " && document.querySelector('#page').textContent === 'Page 2 of 3'")
    assert page.ask("form.elements.category.value") == ""
    press(page, ".title")
    page.wait("document.querySelector('li dl')?.textContent.includes('version')")
    press(page, ".title")
    page.wait("!document.querySelector('li dl')")
    page.ask("(form.elements.category.value = 'jazz night', form.elements.category.dispatchEvent(new Event('change', {bubbles: true})))")
    page.wait(total(9) + " && form.elements.category.value === 'Jazz Night'")
    page.ask("(form.elements.most.value = '20', form.elements.most.dispatchEvent(new Event('input', {bubbles: true})))")
    page.wait(total(5))
    assert page.complaints() == []


def test_values_are_counted_and_narrow_down(page):
    open_page(page, "?q=concert")
    page.wait(total(COUNT - 1))
    rows = "[...document.querySelectorAll('.facet')].map(row => [...row.children].map(node => node.textContent))"
    page.wait("document.querySelectorAll('.facet').length === 2")
    assert page.ask(rows) == [["Category", "Rock35", "Jazz Night9"], ["City", "Berlin22", "Paris22"]]
    press(page, ".facet .chip:nth-child(3)")
    page.wait(total(9) + " && location.search === '?q=concert&category=Jazz+Night'")
    assert page.ask(rows) == [["Category", "Rock35", "Jazz Night9"], ["City", "Paris5", "Berlin4"]], "one may change one's mind"
    assert page.ask("document.querySelector('.facet [aria-pressed=true]').title") == "Jazz Night"
    press(page, ".facet [aria-pressed=true]")
    page.wait(total(COUNT - 1) + " && location.search === '?q=concert'")
    assert page.complaints() == []


def test_state_comes_from_the_address(page):
    open_page(page, "?q=concert&city=Berlin&price=10..20&startDate=2026-01-01..&sort=-price")
    page.wait(total(5))
    assert page.ask("[...document.querySelectorAll('.title')].map(node => node.textContent)") == [f"Concert {n}" for n in (19, 17, 15, 13, 11)]
    assert page.ask("['q', 'city', 'least', 'most', 'from', 'sort'].map(name => form.elements[name].value)") == [
        "concert", "Berlin", "10", "20", "2026-01-01", "-price"]
    open_page(page, "?q=concert&offset=9000")
    page.wait("document.querySelector('#page').textContent === 'Page 3 of 3'")


def test_nothing_found_and_nothing_understood(page):
    open_page(page, "?q=zeppelin")
    page.wait("!document.querySelector('#empty').hidden")
    press(page, "#clear")
    page.wait(total(COUNT))
    open_page(page, "?q=(concert")
    page.wait("document.querySelector('#status.problem')?.textContent.includes('column 1')")


def test_an_event_is_text_and_nothing_else(page):
    open_page(page, "?q=bold")
    page.wait(total(1))
    press(page, ".title")
    page.wait("document.querySelector('li dl')?.textContent.includes('version')")
    assert page.ask("document.querySelector('.title').textContent") == NASTY
    assert page.ask("document.querySelectorAll('main img, main b').length") == 0
    assert page.ask("document.title") == "Events" and page.complaints() == []


@pytest.mark.parametrize("width", [1100, 400, 320])
def test_it_fits_and_has_names(page, width):
    page.resize(width, 900)
    open_page(page, "?q=concert+OR+bold")
    page.wait(total(COUNT))
    assert page.ask("document.documentElement.scrollWidth") <= width
    assert page.ask("document.querySelector('#more').open") == (width == 1100)
    tree = page.call("Accessibility.getFullAXTree")["nodes"]
    unnamed = [node for node in tree if not node["ignored"] and not node.get("name", {}).get("value") and
               node["role"]["value"] in ("button", "textbox", "searchbox", "combobox", "list", "navigation", "Date")]
    assert not unnamed


def test_an_outage_is_said_and_ends(page):
    open_page(page)
    page.wait(total(COUNT))
    page.system.searchd.stop()
    page.ask("turn(1)")
    page.wait("document.querySelector('#status.problem')?.textContent.includes('does not answer')")
    page.system.searchd.start()
    page.wait(total(COUNT) + " && document.querySelector('#page').textContent === 'Page 2 of 3'")
