# SPDX-License-Identifier: MIT
"""What stands in front of an OpenSearch node, or in its place: a proxy that is slow, wants to know who
asks, or ends TLS; and a cluster of a few lines whose answers the test writes."""
import collections
import http.client
import http.server
import json
import ssl
import subprocess
import threading
import time
import urllib.parse

from processes import free_port


class Server:
    """An HTTP server of the test's own. handle(method, path, headers, body) answers (status, body)."""

    def __init__(self, handle, tls=None):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, answer = handle(self.command, self.path, self.headers, body)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)
            do_GET = do_POST = do_PUT = do_DELETE = answer

            def log_message(self, *arguments):
                pass

            def handle(self):
                try:
                    super().handle()
                except (ConnectionError, ssl.SSLError):
                    pass

        self.port = free_port()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.port}"
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
            self.url = f"https://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Proxy(Server):
    """In front of a node. `delay`: seconds before each answer. `wanted`: the Authorization without which
    there is none."""

    def __init__(self, node, wanted=None, tls=None):
        self.node, self.wanted, self.delay = node, wanted, 0.0
        self.requests = collections.Counter()
        super().__init__(self.forward, tls)

    def forward(self, method, path, headers, body):
        self.requests[method + " " + path.split("?")[0]] += 1
        if self.wanted and headers.get("Authorization") != self.wanted:
            return 401, json.dumps({"error": {"type": "security_exception", "reason": "missing authentication"},
                                    "status": 401}).encode()
        if self.delay:
            time.sleep(self.delay)  # the slowness that is tested
        connection = http.client.HTTPConnection("127.0.0.1", self.node.port, timeout=60)
        try:
            connection.request(method, path, body, {"Content-Type": headers.get("Content-Type", "application/json")})
            answer = connection.getresponse()
            return answer.status, answer.read()
        except OSError:
            return 502, b"<html>Bad gateway</html>"
        finally:
            connection.close()


def make_certificates(folder):
    """A throwaway CA and a certificate of it for 127.0.0.1: the paths of CA, certificate and key."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
    for name in ("ca", "other"):
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN=weir test {name}",
                "-keyout", f"{name}.key", "-out", f"{name}.pem")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1", "-keyout", "node.key", "-out", "node.csr")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", "node.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", "names", "-out", "node.pem")
    return folder / "ca.pem", folder / "other.pem", (folder / "node.pem", folder / "node.key")


class Cluster(Server):
    """As much of OpenSearch as a writer asks for, in memory. `bulk(number, items)` may answer (status,
    body) in place of the whole _bulk; `item(id, source)` an item's failure (status, type, reason)."""

    def __init__(self):
        self.documents, self.index, self.sequence = {}, None, 0
        self.bulk = lambda number, items: None
        self.item = lambda event_id, source: None
        self.bulks = 0
        self.times = []
        self.lock = threading.Lock()
        super().__init__(self.handle)

    def handle(self, method, path, headers, body):
        parts = urllib.parse.urlsplit(path)
        names = [urllib.parse.unquote(each) for each in parts.path.split("/")[1:]]
        with self.lock:
            status, answer = self.answer(method, names, urllib.parse.parse_qs(parts.query), body)
        return status, json.dumps(answer).encode()

    def answer(self, method, names, query, body):
        if names == [""]:
            return 200, {"version": {"distribution": "opensearch", "number": "3.0.0"}}
        if len(names) == 1:
            return self.whole_index(method, names[0], body)
        if self.index is None:
            return 404, {"error": {"type": "index_not_found_exception", "index": names[0]}, "status": 404}
        if names[1] == "_create":
            return self.write(names[2], json.loads(body), None), {}
        if names[1] == "_update":
            change = json.loads(body)["doc"]["head"]
            head = self.documents[names[2]][0]["head"]
            head["positions"].update(change.get("positions", {}))
            self.write(names[2], {"kind": "head", "head": head}, True)
            return 200, {"result": "updated"}
        if names[1] == "_doc":
            return 200, self.read(names[2])
        if names[1] == "_mget":
            return 200, {"docs": [self.read(each) for each in json.loads(body)["ids"]]}
        if names[1] == "_bulk":
            return self.take_bulk(body)
        if names[1] == "_count":
            return 200, {"count": 0}
        return 200, {"deleted": 0, "_shards": {"failed": 0}}

    def whole_index(self, method, name, body):
        if method == "PUT":
            self.index = json.loads(body)
            return 200, {"acknowledged": True}
        if self.index is None:
            return 404, {"error": {"type": "index_not_found_exception", "index": name}, "status": 404}
        return 200, {name: {"mappings": self.index["mappings"], "aliases": self.index["aliases"],
                            "settings": {"index": {"number_of_shards": "1"}}}}

    def read(self, event_id):
        if event_id not in self.documents:
            return {"_id": event_id, "found": False}
        source, sequence = self.documents[event_id]
        return {"_id": event_id, "found": True, "_source": source, "_seq_no": sequence, "_primary_term": 1}

    def write(self, event_id, source, expected):
        """expected: None for a new one, True for any, else the sequence number."""
        known = self.documents.get(event_id)
        if expected is not True and expected != (known[1] if known else None):
            return 409
        self.sequence += 1
        self.documents[event_id] = (source, self.sequence)
        return 201

    def take_bulk(self, body):
        lines = [json.loads(line) for line in body.splitlines()]
        items = [(*action.popitem(), source) for action, source in zip(lines[::2], lines[1::2])]
        self.bulks += 1
        self.times.append(time.monotonic())
        answer = self.bulk(self.bulks, items)
        return answer or (200, {"items": [self.take_item(*item) for item in items]})

    def take_item(self, operation, about, source):
        failure = self.item(about["_id"], source)
        if failure:
            status, kind, reason = failure
            return {operation: {"status": status, "error": {"type": kind, "reason": reason}}}
        status = self.write(about["_id"], source, about.get("if_seq_no"))
        error = {} if status == 201 else {"error": {"type": "version_conflict_engine_exception", "reason": "conflict"}}
        return {operation: {"status": status, **error}}

    def events(self):
        return {key for key, (source, _) in self.documents.items() if source["kind"] == "live"}
