# SPDX-License-Identifier: MIT
"""What is measured: Weir with one of its engines, and ordinary ways from Kafka into OpenSearch to hold it against.

A contender reads one topic that is full already, and one of its own, `more`, for what is sent later. `daemons` are
its processes, the engine's among them; `total()` is how many documents a search finds."""
import http.client
import json
import sys
import urllib.parse

import processes
import requests
import usage
from processes import ROOT

EMBEDDED = ["xapian", "tantivy", "sqlite"]
TEXTS = ["Title^3", "Description", "Category.text^2", "Location", "City.text^2", "Country.text"]
MAPPINGS = {"dynamic": False, "properties": {
    "EventId": {"type": "keyword"},
    **{name: {"type": "text", "analyzer": "english"} for name in ("Title", "Description")},
    "Location": {"type": "text"},
    **{name: {"type": "keyword", "fields": {"text": {"type": "text"}}} for name in ("Category", "City", "Country")},
    **{name: {"type": "keyword"} for name in ("CreatedBy", "UpdatedBy")},
    "Price": {"type": "double"},
    **{name: {"type": "date"} for name in ("StartDate", "EndDate", "CreatedAt", "UpdatedAt")}}}
PARTITIONS = 6
PULL_JARS = ROOT / "build-bench" / "pull"


class Http:
    """One connection that is kept."""

    def __init__(self, url):
        self.host = urllib.parse.urlsplit(url).netloc
        self.connection = None

    def call(self, method, path, body=None):
        """(status, decoded JSON), or (None, None) while nobody answers."""
        for attempt in (1, 2):
            if self.connection is None:
                self.connection = http.client.HTTPConnection(self.host, timeout=60)
            try:
                self.connection.request(method, path, None if body is None else json.dumps(body),
                                        {"Content-Type": "application/json"})
                answer = self.connection.getresponse()
                text = answer.read()
                return answer.status, json.loads(text) if text else None
            except (http.client.HTTPException, OSError):
                self.connection.close()
                self.connection = None
        return None, None


class WeirSearch:
    """How searchd is asked."""

    def __init__(self, url):
        self.url = url
        self.http = Http(url)

    def total(self, **filters):
        status, answer = self.http.call("GET", "/api/search/events?" + urllib.parse.urlencode({"limit": 0, **filters}))
        return answer["total"] if status == 200 else None

    def found(self, names):
        """Which of the values of createdBy a search finds."""
        asked = [("createdBy", name) for name in names] + [("fields", "createdBy"), ("limit", 1000)]
        query = urllib.parse.urlencode(asked)
        status, answer = self.http.call("GET", f"/api/search/events?{query}")
        return {hit["event"]["createdBy"] for hit in answer["hits"]} if status == 200 else set()

    @staticmethod
    def line(question):
        """A question as a line of requests.lua."""
        words = question.get("all") or question.get("any") or []
        text = (" OR " if "any" in question else " ").join(words)
        if "phrase" in question:
            text = '"' + " ".join(question["phrase"]) + '"'
        if "prefix" in question:
            text = question["prefix"] + "*"
        asked = [("limit", 10)] + ([("q", text)] if text else [])
        if "city" in question:
            asked += [("city", question["city"]), ("startDate", "2018-01-01..2024-12-31"), ("sort", "startDate")]
        if question.get("facets"):
            asked += [("facets", "category,city,country"), ("facetLimit", 10)]
        return "GET /api/search/events?" + urllib.parse.urlencode(asked, quote_via=urllib.parse.quote, safe="*,")


class NodeSearch:
    """How an index of an OpenSearch node is asked for the same. Totals are exact up to 10,000, as searchd's."""

    def __init__(self, url, index):
        self.url, self.index = url, index
        self.http = Http(url)

    def total(self, **filters):
        terms = [{"term": {name[0].upper() + name[1:]: value}} for name, value in filters.items()]
        status, answer = self.http.call("POST", f"/{self.index}/_count", {"query": {"bool": {"filter": terms}}})
        return answer["count"] if status == 200 else None

    def found(self, names):
        status, answer = self.http.call("POST", f"/{self.index}/_search", {
            "size": 1000, "_source": ["CreatedBy"], "track_total_hits": False,
            "query": {"terms": {"CreatedBy": list(names)}}})
        return {hit["_source"]["CreatedBy"] for hit in answer["hits"]["hits"]} if status == 200 else set()

    def line(self, question):
        def match(words, **more):
            return {"multi_match": {"query": " ".join(words), "fields": TEXTS, "type": "cross_fields",
                                    "operator": "and", **more}}
        body = {"size": 10, "query": {"match_all": {}}}
        if "all" in question:
            body["query"] = match(question["all"])
        if "any" in question:
            body["query"] = match(question["any"], operator="or")
        if "phrase" in question:
            body["query"] = match(question["phrase"], type="phrase", operator="or")
        if "prefix" in question:
            body["query"] = match([question["prefix"]], type="phrase_prefix", operator="or", max_expansions=1000)
        if "city" in question:
            body["query"] = {"bool": {"filter": [{"term": {"City": question["city"]}}, {"range": {
                "StartDate": {"gte": "2018-01-01", "lte": "2024-12-31"}}}]}}
            body["sort"] = [{"StartDate": "asc"}]
        if question.get("facets"):
            body["aggs"] = {name: {"terms": {"field": name, "size": 10}} for name in ("Category", "City", "Country")}
        return f"POST /{self.index}/_search application/json {json.dumps(body)}"


def check_running(daemons):
    for each in daemons:
        if not each.running():
            raise RuntimeError(f"{each.name} ended: {each.log().strip()[-500:].splitlines()[-1:]}")


class Weir:
    """The three daemons over one engine. `node`: the OpenSearch node, for that engine."""

    def __init__(self, folder, name, kafka, plugin, load_topic, node=None):
        folder.mkdir(parents=True)
        self.name, self.kafka, self.more = plugin, kafka, f"{name}.more"
        kafka.create_topics([self.more], PARTITIONS)
        schema = json.loads((ROOT / "schema" / "events.json").read_text())
        for message, topic in zip(schema["messages"], (load_topic, self.more, "none")):
            message["topic"] = topic
        (folder / "schema.json").write_text(json.dumps(schema))
        settings = {"schema__file": folder / "schema.json"}
        if node:
            settings.update(backend__opensearch__url=node.url, backend__opensearch__replicas=0)
        self.system = processes.System(folder, kafka.brokers, plugin=plugin, **settings)
        self.daemons = {name: getattr(self.system, name) for name in ("indexer", "searchd", "eventd")}
        if node:
            self.daemons["node"] = node
        self.search = WeirSearch(self.system.searchd.url)

    def start(self):
        for each in (self.system.indexer, self.system.searchd, self.system.eventd):
            if not each.running():
                each.start()

    def total(self, **filters):
        check_running(self.daemons.values())
        return self.search.total(**filters)

    def steps(self):
        """Seconds that the indexer spent in each of its steps, by its own account."""
        found = {}
        for line in requests.get(f"{self.system.indexer.url}/metrics", timeout=5).text.splitlines():
            if line.startswith('weir_indexer_step_seconds_sum{step="'):
                found[line.split('"')[1]] = float(line.rsplit(" ", 1)[1])
        return found

    def disk_bytes(self):
        if "node" in self.daemons:
            return node_bytes(self.daemons["node"], "weir-")
        return sum(usage.bytes_under(each) for each in self.system.folder.glob("index*") if each.suffix != ".log")

    def stop(self):
        self.system.stop()

    def kill(self):
        self.system.kill()


def node_bytes(node, index):
    http = Http(node.url)
    http.call("POST", f"/{index}*/_flush")
    return http.call("GET", f"/{index}*/_stats/store")[1]["_all"]["primaries"]["store"]["size_in_bytes"]


class Node:
    """What both ways into a node share. In tests of freshness it refreshes each 100 ms, else each second."""

    def __init__(self, folder, name, kafka, node, load_topic):
        folder.mkdir(parents=True)
        # The load and what is sent later come by one topic: OpenSearch's own ingestion reads no more than one.
        self.folder, self.kafka, self.node, self.more = folder, kafka, node, load_topic
        self.index = name
        self.daemons = {"node": node}
        self.search = NodeSearch(node.url, name)

    def create(self, shards, **settings):
        self.node.call("PUT", f"/{self.index}", {"mappings": MAPPINGS, "settings": {
            "number_of_shards": shards, "number_of_replicas": 0, "refresh_interval": "1s", **settings}})

    def total(self, **filters):
        check_running(self.daemons.values())
        return self.search.total(**filters)

    def be_fresh(self):
        self.node.call("PUT", f"/{self.index}/_settings", {"index": {"refresh_interval": "100ms"}})

    def disk_bytes(self):
        return node_bytes(self.node, self.index)

    def stop(self):
        self.node.call("DELETE", f"/{self.index}")

    def kill(self):
        if "consumer" in self.daemons:
            self.daemons["consumer"].kill()
        self.node.call("DELETE", f"/{self.index}", check=False)


class Plain(Node):
    """bench/plain_consumer.py, the consumer that people write by hand."""

    def __init__(self, folder, name, kafka, node, load_topic):
        super().__init__(folder, name, kafka, node, load_topic)
        self.name = "plain consumer"
        self.daemons["consumer"] = processes.Process("consumer", [
            sys.executable, ROOT / "bench" / "plain_consumer.py", kafka.brokers, load_topic, node.url, name], folder)

    def start(self):
        self.create(1)
        self.daemons["consumer"].start()

    def stop(self):
        self.daemons["consumer"].stop()
        super().stop()


class Pull(Node):
    """OpenSearch's own ingestion: each shard reads one partition."""

    def __init__(self, folder, name, kafka, node, load_topic):
        super().__init__(folder, name, kafka, node, load_topic)
        self.name = "pull-based"

    def start(self):
        self.create(PARTITIONS, **{"index.replication.type": "SEGMENT", "ingestion_source": {
            "type": "kafka", "pointer.init.reset": "earliest", "mapper_type": "field_mapping",
            "mapper_settings": {"id_field": "EventId"}, "num_processor_threads": 1,
            "param": {"topic": self.more, "bootstrap_servers": self.kafka.brokers}}})


def peers():
    """The ways into a node that can be had here."""
    return [Plain, Pull] if PULL_JARS.exists() else [Plain]
