# SPDX-License-Identifier: MIT
"""What goes on while processes are killed: writers through REST that keep the model, a reader that
remembers what it saw, and poison put straight into Kafka."""
import decimal
import json
import random
import threading
import time
import uuid

import requests

from model import DELETED, fields_of, same_fields

WORDS = "weir river sluice torrent estuary brook lagoon spring harbour delta".split()
CITIES = ["Oslo", "Bergen", "Zürich", "Łódź", None]
PAUSE = 0.003         # seconds between two things, in which others come to something, hold() among them
ANSWER_SECONDS = 120  # a request that takes longer is a failure of its own
POPULATION = 1200     # live events of a writer; above it deletes more than it makes


def parse(answer):
    return json.loads(answer.text, parse_float=decimal.Decimal)


class Worker(threading.Thread):
    """Does one thing after the other until it is told to end; hold() keeps it between two things."""

    def __init__(self, name, torture, seed):
        super().__init__(name=name, daemon=True)
        self.torture, self.system, self.model = torture, torture.system, torture.model
        self.rng = random.Random(seed)
        self.turn, self.ending = threading.Lock(), threading.Event()
        self.session = requests.Session()

    def run(self):
        try:
            while not self.ending.is_set():
                with self.turn:
                    self.once()
                self.ending.wait(PAUSE)
        except BaseException as failure:  # told by the driver
            self.torture.note_failure(self.name, failure)

    def request(self, daemon, method, path, **more):
        """The answer, or None when it was lost with the process."""
        try:
            return self.session.request(method, f"{daemon.url}{path}", timeout=ANSWER_SECONDS, **more)
        except requests.Timeout:
            raise AssertionError(f"{method} {path}: no answer within {ANSWER_SECONDS} s") from None
        except requests.RequestException:
            self.session.close()
            self.wait_alive(daemon)
            return None

    def wait_alive(self, daemon):
        while not self.ending.is_set():
            try:
                if requests.get(f"{daemon.url}/health/live", timeout=ANSWER_SECONDS).status_code == 200:
                    return
            except requests.RequestException:
                time.sleep(0.01)  # poll


class Writer(Worker):
    """Creates, changes and deletes events of its own."""

    def __init__(self, number, torture, seed):
        super().__init__(f"writer-{number}", torture, seed)
        self.number, self.made = number, 0
        self.mine = []  # entries that may be written

    def fields(self):
        rng = self.rng
        self.made += 1
        return {"title": f"{rng.choice(WORDS)} {rng.choice(WORDS)} {self.number}-{self.made}",
                "description": rng.choice([None, "d" * rng.randrange(2000), "“quoted” & <b>"]),
                "category": rng.choice(["music", "river walk", None]), "location": None,
                "city": rng.choice(CITIES), "country": None,
                "price": rng.choice([None, decimal.Decimal("12.50"), 7, decimal.Decimal("79228162514264337593543950335")])}

    def body(self, fields):
        """JSON with decimals as their digits."""
        text = json.dumps({k: f"@{v}@" if isinstance(v, decimal.Decimal) else v for k, v in fields.items()})
        return text.replace('"@', "").replace('@"', "").encode()

    def once(self):
        self.mine = [entry for entry in self.mine if entry.state != DELETED and entry.maybe is None]
        crowded = len(self.mine) > POPULATION
        actions = {self.create: 2 if crowded else 30, self.create_many: 0 if crowded else 4,
                   self.patch: 25, self.put: 15, self.delete: 40 if crowded else 14}
        action = self.rng.choices(list(actions), list(actions.values()))[0]
        if action in (self.create, self.create_many) or self.mine:
            action()

    def check(self, answer, status, what):
        assert answer.status_code == status, f"{what}: {answer.status_code} {answer.text}"

    def create(self):
        fields, own_id = self.fields(), str(uuid.UUID(int=self.rng.getrandbits(128))) if self.rng.random() < 0.4 else None
        headers = {"Content-Type": "application/json"}
        if self.rng.random() < 0.5:
            headers["Idempotency-Key"] = f"{self.number}-{self.made}-{self.torture.seed}"
        body = self.body({**fields, **({"id": own_id} if own_id else {})})
        self.model.try_creates(1)
        answer = self.request(self.system.eventd, "POST", "/api/v1/events", data=body, headers=headers)
        while answer is None and "Idempotency-Key" in headers and not self.ending.is_set():
            answer = self.request(self.system.eventd, "POST", "/api/v1/events", data=body, headers=headers)
        if answer is None and own_id:
            self.model.add_maybe(own_id, fields)
            return
        if answer is None:
            self.model.add_maybe_new(fields)
            return
        self.check(answer, 201, "create")
        event = parse(answer)
        assert same_fields(event, fields), f"sent {fields}, answered {event}"
        self.mine.append(self.model.add(event["id"], fields, event["version"]))

    def create_many(self):
        # above 500 lines a batch takes more than one transaction
        count = self.rng.randint(2, 60) if self.rng.random() < 0.97 else self.rng.randint(501, 700)
        lines = [{**self.fields(), "id": str(uuid.UUID(int=self.rng.getrandbits(128)))} for _ in range(count)]
        self.model.try_creates(len(lines))
        answer = self.request(self.system.eventd, "POST", "/api/v1/events/batch", data=b"\n".join(map(self.body, lines)),
                              headers={"Content-Type": "application/x-ndjson"})
        if answer is None:
            for line in lines:
                self.model.add_maybe(line["id"], fields_of(line))
            return
        self.check(answer, 200, "batch")
        results = [json.loads(line) for line in answer.text.splitlines()]
        assert [r.get("id") for r in results] == [line["id"] for line in lines], answer.text
        for line, result in zip(lines, results):
            assert result["status"] == 201, answer.text
            self.mine.append(self.model.add(line["id"], fields_of(line), result["version"]))

    def write(self, method, entry, body, after, status):
        """A change of an event; sent again, or left open, when its answer is lost."""
        path, headers = f"/api/v1/events/{entry.id}", {"Content-Type": "application/json"}
        if self.rng.random() < 0.3:
            headers["If-Match"] = f'"{entry.version}"'
        answer = self.request(self.system.eventd, method, path, data=body, headers=headers)
        lost = answer is None
        if lost and self.rng.random() < 0.5:
            headers.pop("If-Match", None)
            answer = self.request(self.system.eventd, method, path, data=body, headers=headers)
        if answer is None:
            self.model.may_change(entry, after)
            return
        if lost and method == "DELETE" and answer.status_code == 410:
            self.model.change(entry, after, entry.version)
            return
        self.check(answer, status, f"{method} {entry.id}")
        version = int(answer.headers["Weir-Token"].rsplit("@", 1)[1]) if status == 204 else parse(answer)["version"]
        if status == 200:
            assert same_fields(parse(answer), after), f"sent {after}, answered {answer.text}"
        self.model.change(entry, after, version)

    def patch(self):
        entry, fields = self.rng.choice(self.mine), self.fields()
        changed = {name: fields[name] for name in self.rng.sample(["title", "description", "city", "price", "category"], 2)}
        self.write("PATCH", entry, self.body(changed), {**entry.state, **changed}, 200)

    def put(self):
        entry, fields = self.rng.choice(self.mine), self.fields()
        self.write("PUT", entry, self.body(fields), fields, 200)

    def delete(self):
        entry = self.rng.choice(self.mine)
        self.model.try_delete(entry.id)
        self.write("DELETE", entry, None, DELETED, 204)


class Reader(Worker):
    """Searches and gets; no event may go back to an older version, nor come back after it went."""

    def __init__(self, torture, seed):
        super().__init__("reader", torture, seed)
        self.seen, self.gone = {}, set()
        self.searches = self.gets = self.unavailable = 0

    def read(self, path, **parameters):
        answer = self.request(self.system.searchd, "GET", path, params=parameters)
        if answer is None:
            return None
        if answer.status_code == 503:
            self.unavailable += 1
            return None
        assert answer.status_code in (200, 404), f"{path} {parameters}: {answer.status_code} {answer.text}"
        return answer

    def see(self, event_id, version, how):
        assert event_id not in self.gone, f"{how}: {event_id} came back, version {version}, after it had gone"
        before = self.seen.get(event_id, version)
        assert version >= before, f"{how}: {event_id} has version {version}, and had {before}"
        self.seen[event_id] = version

    def once(self):
        self.search() if self.rng.random() < 0.5 or not self.seen else self.get()

    def search(self):
        parameters = {"limit": self.rng.choice([0, 20, 100])}
        everything = self.rng.random() < 0.5
        if not everything:
            parameters["q"] = self.rng.choice(WORDS)
        elif self.rng.random() < 0.5:
            parameters["offset"] = self.rng.randrange(500)
        if self.rng.random() < 0.5:
            parameters["sort"] = self.rng.choice(["-updatedAt", "title", "-createdAt"])
        least = self.model.settled_live
        answer = self.read("/api/search/events", **parameters)
        if answer is None:
            return
        found = parse(answer)
        if everything:
            with self.model.lock:
                # settled_live only changes while this thread is held
                assert found["total"] >= least - self.model.deletes_since, \
                    f"total {found['total']}, {least} were there and {self.model.deletes_since} may be deleted"
                assert found["total"] <= self.model.creates_tried - self.model.deletes_settled, \
                    f"total {found['total']} of {self.model.creates_tried} less {self.model.deletes_settled}"
        for hit in found["hits"]:
            self.see(hit["id"], hit["event"]["version"], f"search {parameters}")
        self.searches += 1

    def get(self):
        event_id = self.rng.choice(list(self.seen)) if self.rng.random() < 0.9 else str(uuid.uuid4())
        answer = self.read(f"/api/search/events/{event_id}")
        if answer is None:
            return
        if answer.status_code == 200:
            self.see(event_id, answer.json()["version"], "get")
        elif event_id in self.seen:
            assert event_id in self.model.deletes_tried, f"get: {event_id} went, and nobody deleted it"
            self.gone.add(event_id)
            del self.seen[event_id]
        self.gets += 1


# A delete looks at no field but the id.
POISON = [
    (b'{"EventId":', []), (b'[1, 2]', []), (b"null", []), (b"", []), (b"\xff\xfe", []),
    (b'{"EventId": "ID", "Title": 5}', []), (b'{"EventId": "ID", "Title": "x", "StartDate": "tomorrow"}', []),
    (b'{"EventId": "another"}', []), (b'{"EventId": "ID", "Title": "x"}', [("Version", b"abc")])]


class Poisoner(Worker):
    """Messages that cannot be read, straight into the topics; their keys begin with poison-."""

    def __init__(self, torture, seed):
        super().__init__("poisoner", torture, seed)
        self.producer = torture.kafka.producer(**{"message.timeout.ms": 0, "linger.ms": 0, "reconnect.backoff.max.ms": 500, "log_level": 0})
        self.sent = 0

    def once(self):
        topic = self.rng.choice(self.torture.topics)
        value, headers = self.rng.choice([each for each in POISON if topic != "events.deleted" or b'"Title"' not in each[0] or each[1]])
        key = f"poison-{self.torture.seed}-{self.sent}"
        self.sent += 1
        self.producer.produce(topic, key=key, value=value.replace(b"ID", key.encode()),
                              headers=headers)
        self.producer.poll(0)
        self.ending.wait(self.rng.random() * 0.2)  # a few a second

    def flush(self):
        assert self.producer.flush(ANSWER_SECONDS) == 0, "poison does not reach Kafka"
