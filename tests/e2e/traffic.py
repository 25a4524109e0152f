# SPDX-License-Identifier: MIT
"""What tests of a changing index share: writes and searches meanwhile, the catalog, another
schema, and which index a daemon says it has."""
import contextlib
import json
import threading

import requests

from processes import ROOT, wait_for

PLAIN = ROOT / "schema" / "events.json"


def event(number, **more):
    return {"title": f"Weir concert {number}", "city": "Oslo", "category": "music",
            "startDate": "2026-05-01T18:00:00Z", "endDate": "2026-05-01T20:00:00Z", **more}


def catalog_path(system):
    return system.folder / "events.catalog.json"


def read_catalog(system):
    return json.loads(catalog_path(system).read_text())


def sorted_schema(folder):
    """The schema with one more ability: to sort by createdBy."""
    schema = json.loads(PLAIN.read_text())
    for field in schema["fields"]:
        if field["name"] == "createdBy":
            field["sort"] = True
    path = folder / "sorted.json"
    path.write_text(json.dumps(schema, indent=1))
    return path


def index_of(daemon):
    """Which index a daemon says it has; "" while it does not answer."""
    with contextlib.suppress(requests.ConnectionError):
        return requests.get(f"{daemon.url}/health/ready", timeout=5).json().get("index", "")
    return ""


def written_index(system):
    with contextlib.suppress(requests.ConnectionError):
        return requests.get(f"{system.indexer.url}/api/ingest/positions", timeout=5).json()["index"]["location"]
    return ""


class Traffic:
    """Writes and searches all the time, with room between two for the work that is watched; remembers what
    went wrong."""
    PAUSE = 0.01

    def __init__(self, system):
        self.system, self.stopping = system, threading.Event()
        self.written, self.searches, self.wrong = 0, 0, []
        self.threads = [threading.Thread(target=self.write), threading.Thread(target=self.search),
                        threading.Thread(target=self.search)]
        self.lock, self.seen = threading.Lock(), 0

    def write(self):
        with requests.Session() as session:
            while not self.stopping.wait(self.PAUSE):
                answer = session.post(f"{self.system.eventd.url}/api/v1/events",
                                      json=event(self.written), timeout=30)
                if answer.status_code != 201:
                    self.wrong.append(f"write: {answer.status_code} {answer.text}")
                    return
                self.written += 1

    def search(self):
        """No request fails, and none finds less than one that ended before it began."""
        with requests.Session() as session:
            while not self.stopping.wait(self.PAUSE):
                with self.lock:
                    least = self.seen
                answer = session.get(f"{self.system.searchd.url}/api/search/events",
                                     params={"q": "concert", "limit": 0}, timeout=30)
                if answer.status_code != 200:
                    self.wrong.append(f"search: {answer.status_code} {answer.text}")
                    continue
                total = answer.json()["total"]
                with self.lock:
                    if total < least:
                        self.wrong.append(f"search: {total} after {least}")
                    self.seen = max(self.seen, total)
                self.searches += 1

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        wait_for(lambda: self.seen > 0 or self.wrong, "the first event to be found")
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def goes_on(self, what):
        """Waits until writes and searches went on for a while."""
        written, searches = self.written, self.searches
        wait_for(lambda: self.written > written + 50 and self.searches > searches + 50 or self.wrong, what)
