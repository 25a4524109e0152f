# SPDX-License-Identifier: MIT
"""The load: real events, repeated under new ids until there are as many as are wanted, as messages; and what is
asked of them.

The first pass over the events leaves them as they are. In every later one the words of an event are rotated, one in
16 comes from some other event, and every fifth event gains a word that nothing else has: so that posting lists and
vocabulary grow as they do with new events, and no text repeats. Everything is a function of the event's number: the
same load on every machine and in every run."""
import collections
import gzip
import hashlib
import json
import pathlib
import random
import re

from processes import ROOT

SAMPLE = ROOT / "data" / "events-sample.jsonl.gz"
CACHE = ROOT / "build-bench"
CHUNK = 20000
KEY = slice(12, 48)  # where the id stands in a message's value
REST = ("category", "location", "city", "country", "price", "startDate", "endDate")
CREATED, UPDATED = "EventCreatedEvent", "EventUpdatedEvent"
MARK = "bench"  # who changes events

# Words that an analyser for English leaves out, so that a search for them would not be the same search everywhere.
STOP = set("""a about all also and any are as at be because been being but by can could each for from had has have
here how if in into is it its just like may more most no not of on one or other our over should so some such than
that the their them then there these they this those through to two use used using was we were what when where which
while who why will with would you your""".split())


def default_source():
    """The full set, which is no part of this repository, where it stands beside a folder above; else the sample."""
    found = (folder / "shared" / "data" / "events.jsonl.gz" for folder in ROOT.parents)
    return next((path for path in found if path.exists()), SAMPLE)


def rare_word(number):
    """A word of letters that only this number gives."""
    word = "zu"
    while number:
        number, rest = divmod(number, 80)
        word += "bdfgklmnprstvzjh"[rest // 5] + "aeiou"[rest % 5]
    return word


def escaped(text):
    """As it stands between the quotes of a JSON string: escaped once here, not in each of a million messages."""
    return json.dumps(text)[1:-1]


class Load:
    """The events of a file of NDJSON, and any number of messages made of them."""

    def __init__(self, path):
        self.path = path
        with gzip.open(path, "rb") as lines:
            self.events = [json.loads(line) for line in lines]
        self.prepared = []

    def prepare(self):
        """Of each event: its texts, their words, and the rest of its message."""
        for event in self.events:
            texts = [event.get(name) or "" for name in ("title", "description")]
            words = [escaped(" ".join(text.split())).split(" ") for text in texts]
            rest = {name[0].upper() + name[1:]: event.get(name) for name in REST}
            self.prepared.append((event["id"], [escaped(text) for text in texts], words,
                                  json.dumps(rest, separators=(",", ":"))[1:-1]))
        self.pool = [word for _, _, words, _ in self.prepared for word in words[1] if word]

    def event(self, number):
        if not self.prepared:
            self.prepare()
        return self.prepared[number % len(self.events)]

    def event_id(self, number):
        digest = hashlib.md5(f"{self.event(number)[0]}/{number // len(self.events)}".encode()).hexdigest()
        return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:]}"

    def changed(self, words, number):
        """The words of a text, rotated, one in 16 another event's."""
        turn = number * 7919 % len(words)
        words = words[turn:] + words[:turn]
        for place in range(number % 16, len(words), 16):
            words[place] = self.pool[(number * 2654435761 + place * 40503) % len(self.pool)]
        return " ".join(words)

    def texts(self, number):
        """Title and description of an event, escaped."""
        _, texts, words, _ = self.event(number)
        if number < len(self.events):
            return texts
        return (self.changed(words[0], number),
                self.changed(words[1], number) + (" " + rare_word(number) if number % 5 == 0 else ""))

    def created(self, number, created_by=None):
        """The value of the message that creates event `number`."""
        title, description = self.texts(number)
        created_by = created_by or f"user-{number % 500}"
        return (f'{{"EventId":"{self.event_id(number)}","Title":"{title}","Description":"{description}",'
                f'{self.event(number)[3]},"CreatedAt":"2026-01-{1 + number % 28:02}T{number % 24:02}:00:00Z",'
                f'"CreatedBy":"{created_by}"}}').encode()

    def updated(self, number, updated_by):
        """The value of a message that gives event `number` other texts."""
        title, description = self.texts(number + 11 * len(self.events))
        return (f'{{"EventId":"{self.event_id(number)}","Title":"{title}","Description":"{description}",'
                f'"UpdatedAt":"2026-02-01T00:00:00Z","UpdatedBy":"{updated_by}"}}').encode()

    def file(self, count):
        """A file with the first messages, at least `count` of them, one a line; made once."""
        origin = pathlib.Path(self.path).read_bytes() + pathlib.Path(__file__).read_bytes()
        digest = hashlib.sha256(origin).hexdigest()[:12]
        chunks = -(-count // CHUNK)
        for path in CACHE.glob(f"load-{digest}-*.jsonl"):
            if int(path.stem.rsplit("-", 1)[1]) >= chunks:
                return path
        CACHE.mkdir(exist_ok=True)
        for path in CACHE.glob("load-*"):
            path.unlink()
        part = CACHE / "load.part"
        with open(part, "wb") as out:
            for number in range(chunks * CHUNK):
                out.write(self.created(number) + b"\n")
        return part.rename(CACHE / f"load-{digest}-{chunks}.jsonl")

    def messages(self, count):
        """(type, version, value) of the first `count` creates."""
        with open(self.file(count), "rb") as lines:
            for number, line in zip(range(count), lines):
                yield CREATED, number + 1, line[:-1]

    def mixed(self, count, share, changed):
        """As messages(), but each `share`th changes one of the events before it, any of them; their numbers are put
        into `changed`. Messages of one event have one key, so they keep their order in Kafka."""
        creates, done = self.messages(count - count // share), 0
        for number in range(count):
            if number % share == share - 1:
                old = (number * 2654435761 >> 7) % done
                changed.add(old)
                yield UPDATED, count + number, self.updated(old, MARK)
            else:
                done += 1
                yield next(creates)


def produce(kafka, topic, messages):
    """Sends messages (type, version, value) as fast as they are taken; returns how many bytes their values have."""
    producer = kafka.producer(**{"acks": "all", "linger.ms": 20, "batch.num.messages": 10000, "batch.size": 1000000,
                                 "queue.buffering.max.messages": 200000})
    size = 0
    for number, (kind, version, value) in enumerate(messages):
        size += len(value)
        while True:
            try:
                producer.produce(topic, value, value[KEY], headers=[("EventType", kind), ("Version", str(version))])
                break
            except BufferError:
                producer.poll(0.02)
        if number % 2000 == 0:
            producer.poll(0)
    if producer.flush(120):
        raise RuntimeError(f"messages to {topic} were not acknowledged within two minutes")
    return size


def questions(load, each=200):
    """What is searched for: for each kind a list of questions, the same in every run. A question is a dictionary of
    `all`, `any` or `phrase` (words), `prefix`, `city` with a range of startDate and sorting by it, `facets`."""
    chance = random.Random(7)
    texts = [re.findall(r"[a-z]{3,}", f"{event.get('title') or ''} . {event.get('description') or ''}".lower())
             for event in load.events]
    words, pairs = collections.Counter(), collections.Counter()
    for text in texts:
        words.update(set(text))
        pairs.update(set(zip(text, text[1:])))
    count = len(texts)
    common = [w for w, _ in words.most_common(400) if w not in STOP][:40]
    middle = sorted(w for w, n in words.items() if count * 0.002 <= n <= count * 0.03 and len(w) > 3 and w not in STOP)
    phrases = sorted(p for p, n in pairs.items() if 5 <= n <= count * 0.012 and not STOP & set(p))
    cities = collections.Counter(event["city"] for event in load.events if event.get("city"))
    known, together = set(middle), []
    while len(together) < each:
        here = sorted(known & set(chance.choice(texts)))
        if len(here) > 1:
            together.append(chance.sample(here, 2))
    two_common = [chance.sample(common, 2) for _ in range(each)]
    return {
        "one term": [{"all": [chance.choice(middle)]} for _ in range(each)],
        "two terms": [{"all": pair} for pair in together],
        "two common words": [{"all": pair} for pair in two_common],
        "either of two common words": [{"any": pair} for pair in two_common],
        "phrase": [{"phrase": list(chance.choice(phrases))} for _ in range(each)],
        "prefix": [{"prefix": chance.choice(middle)[:3]} for _ in range(each)],
        "facets of a broad word": [{"all": [word], "facets": True} for word in common],
        "facets of everything": [{"facets": True}],
        "filter, range, sort": [{"city": city} for city, _ in cities.most_common(50)],
    }
