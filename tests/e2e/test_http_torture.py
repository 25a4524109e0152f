# SPDX-License-Identifier: MIT
"""What hostile clients do to the HTTP of the three daemons: others are served meanwhile, and nothing stays behind."""
import concurrent.futures
import contextlib
import os
import random
import re
import resource
import socket
import struct
import threading
import uuid

import pytest
import requests

from processes import Daemon, wait_for

# The call that takes a body, by daemon, and one that it answers at once.
POSTS = {"eventd": "/api/v1/events", "searchd": "/api/search/events", "indexer": "/api/ingest/events"}
GETS = {"eventd": "/api/v1/events?limit=1", "searchd": "/api/search/events?limit=0", "indexer": "/api/ingest/positions"}
IDLE = "2s"
KEPT_MEMORY = 24 << 20  # what glibc may hold on to; 10,000 connections would be 640 MB


@pytest.fixture(scope="module")
def daemons(shared_kafka, tmp_path_factory):
    from processes import System
    shared_kafka.delete_topics()
    shared_kafka.create_topics()
    system = System(tmp_path_factory.mktemp("torture"), shared_kafka.brokers,
                    **{f"{name}__idle_timeout": IDLE for name in POSTS}).start()
    for daemon in (system.indexer, system.eventd, system.searchd):
        daemon.wait_ready()
    yield system
    for each in (system.eventd, system.searchd, system.indexer):
        assert each.stop() == 0, each.log()[-3000:]


@pytest.fixture(params=sorted(POSTS))
def daemon(daemons, request):
    return getattr(daemons, request.param)


def connect(daemon):
    link = socket.create_connection(("127.0.0.1", daemon.port), 30)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return link


def read_all(link):
    """Until the other side closes; how does not matter."""
    data = b""
    with contextlib.suppress(OSError):
        while piece := link.recv(65536):
            data += piece
    return data


def statuses(data):
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", data)]


def ask(daemon, text, count):
    """Sends it and reads until so many answers came."""
    with connect(daemon) as link:
        link.sendall(text)
        data = b""
        while len(re.findall(rb"HTTP/1\.1 [2-5]", data)) < count or not data.endswith((b"}", b"\n")):
            piece = link.recv(65536)
            if not piece:
                break
            data += piece
        return data


def tell(daemon, text, shut=True):
    """Sends it and answers all that comes back; shut: says that no more is sent."""
    with connect(daemon) as link:
        with contextlib.suppress(OSError):
            link.sendall(text)
            shut and link.shutdown(socket.SHUT_WR)
        return read_all(link)


def measure(daemon):
    folder = f"/proc/{daemon.child.pid}"
    resident = next(line for line in open(f"{folder}/status") if line.startswith("VmRSS"))
    threads = next(line for line in open(f"{folder}/status") if line.startswith("Threads"))
    return len(os.listdir(f"{folder}/fd")), int(threads.split()[1]), int(resident.split()[1]) * 1024


def sanitized(daemon):
    """ASan keeps what was freed; it finds leaks itself, at the end."""
    with open(f"/proc/{daemon.child.pid}/maps") as maps:
        return "libasan" in maps.read()


def closed(daemon):
    """Only the connection that asks is open, and the one that asked before, which libmicrohttpd lets go when it wakes up."""
    return daemon.metric("weir_http_connections") <= 2


class Others:
    """Well-behaved clients, one on a connection of its own that it keeps and one with a new one for each
    request: all of their requests are answered."""

    def __init__(self, daemon, keeps=True, tries=1):
        self.tries = tries  # a connection may be idle for too long here, or be swept away by a flood before its request is read
        self.daemon, self.stopping, self.wrong, self.done = daemon, threading.Event(), [], 0
        self.threads = [threading.Thread(target=self.run, args=(kept,)) for kept in ([True, False] if keeps else [False])]

    def run(self, kept):
        session, tries = requests.Session(), 0
        while not self.stopping.is_set():
            try:
                answer = (session if kept else requests).get(self.daemon.url + GETS[self.daemon.name], timeout=30)
                if answer.status_code != 200:
                    self.wrong.append(answer.text)
                self.done, tries = self.done + 1, 0
            except requests.RequestException as error:
                tries += 1
                if tries > self.tries:
                    self.wrong.append(repr(error))

    def __enter__(self):
        self.before = measure(self.daemon)
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        goal = self.done + 5
        wait_for(lambda: self.done >= goal or self.wrong, "the others to be served")
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        assert not self.wrong, self.wrong[0]
        wait_for(lambda: closed(self.daemon), "all connections to be closed")
        now = measure(self.daemon)
        files, threads, memory = (after - before for after, before in zip(now, self.before))
        print(f"{self.daemon.name}: {self.done} requests meanwhile; {files:+} files, {threads:+} threads, {memory / 2**20:+.1f} MiB")
        # The engine's and Kafka's own come and go.
        assert files <= 8 and threads <= 2 and (memory <= KEPT_MEMORY or sanitized(self.daemon))


def post(path, body=b"{}", *headers, length=True):
    lines = [f"POST {path} HTTP/1.1", "Host: t", "Content-Type: application/json", *headers]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def get(path="/health/live", *headers, method="GET", version="HTTP/1.1"):
    return "\r\n".join([f"{method} {path} {version}", "Host: t", *headers]).encode() + b"\r\n\r\n"


REFUSED = {400, 413, 414, 415, 431, 501, 505}


def test_wrong_requests(daemon):
    """Whatever is wrong with a request, it is refused or the connection closed, and nothing else happens."""
    path = POSTS[daemon.name]
    smuggled = get("/smuggled")
    chunked = b"0\r\n\r\n" + smuggled
    alone = [  # must not be answered by more than one refusal
        get("/nothing", *[f"X-{i}: {'x' * 1000}" for i in range(80)]),
        get("/nothing", *[f"X-{i}: x" for i in range(5000)]),
        get("/" + "x" * 17000), get("/?" + "x" * 200000), get("/nothing", "X: " + "x" * 200000),
        post(path, chunked, "Transfer-Encoding: chunked"),
        post(path, chunked, f"Content-Length: {len(chunked)}", "Transfer-Encoding: chunked", length=False),
        post(path, chunked, "Transfer-Encoding: chunked", "Transfer-Encoding: identity", length=False),
        post(path, chunked, "Transfer-Encoding: xchunked", length=False),
        post(path, chunked, "Transfer-Encoding: gzip, chunked", length=False),
        post(path, smuggled, "Content-Length: 0"),
        post(path, smuggled, "Content-Length: 2", "Content-Length: 3", length=False),
        *(post(path, b"{}" + smuggled, f"Content-Length: {n}", length=False)
          for n in ("+2", "-2", "2, 2", "0x2", "2 2", "", "99999999999999999999999", "18446744073709551618")),
        *(post(path, body + smuggled, "Transfer-Encoding: chunked", length=False)
          for body in (b"zz\r\n", b"-2\r\n{}\r\n0\r\n\r\n", b"ffffffffffffffffff\r\n{}", b"2\r\n{}xx\r\n0\r\n\r\n", b"2;" + b"x" * 100000)),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), b"\0" * 1000, b"\xff" * 100000, b"A" * 100000,
        b"GET\r\n\r\n", b"GET /nothing\0/x HTTP/1.1\r\nHost: t\r\n\r\n", get("/%zz"), get("/%"), get("/?a=%00"), get("/?a=%ff"),
        get(version="HTTP/9.9"), get(version="JUNK"), get("*", method="OPTIONS"), get("t:1", method="CONNECT"),
    ]
    with Others(daemon), concurrent.futures.ThreadPoolExecutor(len(alone)) as pool:
        for text, data in zip(alone, pool.map(lambda text: tell(daemon, text), alone)):
            own = b"<html>" in data  # libmicrohttpd's own words, whose head may come twice
            assert own or len(statuses(data)) <= 1, (text[:300], data)
            assert set(statuses(data)) <= REFUSED | {404, 405} | ({500} if own else set()), (text[:300], data)


def test_requests_that_are_only_odd(daemon):
    """They are answered as they should be."""
    path, bad = POSTS[daemon.name], 404 if daemon.name == "indexer" else 400
    with Others(daemon):
        assert statuses(ask(daemon, get() * 100, 100)) == [200] * 100, "pipelined"
        mixed = (post(path, b"[") + get(GETS[daemon.name])) * 20
        assert statuses(ask(daemon, mixed, 40)) == [bad, 200] * 20
        with connect(daemon) as link:
            link.sendall(get(method="HEAD") + get("/nothing", "Connection: close"))
            head, _, rest = read_all(link).partition(b"\r\n\r\n")
        assert statuses(head) == [200] and statuses(rest) == [404] and rest.startswith(b"HTTP"), "HEAD has no body"
        for method in ("OPTIONS", "TRACE", "FOO", "PROPFIND", "M" * 100):
            data = ask(daemon, get(method=method), 1)
            assert statuses(data) == [405] and b"Allow: GET, HEAD" in data, data
        waiting = ask(daemon, post(path, b"[", "Expect: 100-continue"), 1)
        assert statuses(waiting) in ([100, bad], [bad]), waiting
        chunks = b"1;ext=1\r\n[\r\n0\r\nTrailer: x\r\n\r\n"
        assert statuses(ask(daemon, post(path, chunks, "Transfer-Encoding: Chunked", length=False) + get(), 2)) == [bad, 200]
        # Content-Length and what comes differ: the rest is another request, or the end never comes.
        short = ask(daemon, post(path, b"[", "Content-Length: 1", length=False) + b"]\r\n\r\n", 2)
        assert statuses(short)[0] == bad and len(statuses(short)) <= 2
        assert statuses(tell(daemon, post(path, b"[", "Content-Length: 2", length=False))) in ([], [bad])


def reset(link):
    link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    link.close()


def test_clients_that_leave(daemon):
    """At every point of a request and of its answer, politely or not."""
    pick = random.Random(5)
    texts = [get(GETS[daemon.name]), post(POSTS[daemon.name], b"[" + b" " * 3000),
             post(POSTS[daemon.name], b"1\r\n[\r\n0\r\n\r\n", "Transfer-Encoding: chunked", length=False), get() * 50]
    with Others(daemon, tries=100):
        for text in texts:
            points = {*range(0, len(text), max(1, len(text) // 60)), len(text)}
            for point in points:
                for leave in (socket.socket.close, reset, lambda link: (link.shutdown(socket.SHUT_WR), link.close()), reset):
                    link = connect(daemon)
                    with contextlib.suppress(OSError):
                        link.sendall(text[:point])
                        pick.random() < 0.3 and point == len(text) and link.recv(pick.choice([1, 100]))
                        leave(link)
                    link.close()


def more_files(wanted):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < wanted:
        pytest.skip(f"only {hard} open files are allowed here (ulimit -Hn), {wanted} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


def idle_pieces(daemon, pick):
    """The beginning of something that never goes on."""
    return pick.choice([b"", b"G", get()[:-2], get()[:-1], post(POSTS[daemon.name], b"{" * 10, "Content-Length: 100", length=False),
                        post(POSTS[daemon.name], b"5\r\n{", "Transfer-Encoding: chunked", length=False)])


def insist(ask, tries=10):
    """A flood may sweep a connection away before its request is read."""
    for _ in range(tries):
        with contextlib.suppress(requests.ConnectionError):
            return ask()
    return ask()


def hold(daemon, count):
    """Connections beyond its limit that do nothing or drip: others come in all the same."""
    more_files(count + 500)
    pick, links = random.Random(count), []
    with Others(daemon, keeps=False, tries=50) as others:
        try:
            for _ in range(count):
                links.append(connect(daemon))
                links[-1].settimeout(None)
                with contextlib.suppress(ConnectionError):
                    links[-1].send(idle_pieces(daemon, pick))
            seen = others.done
            for link in links[-200:]:  # slow loris: as if it went on
                with contextlib.suppress(ConnectionError):
                    link.send(b"X")
            wait_for(lambda: others.done > seen + 20 or others.wrong, "the others to go on")
            assert insist(lambda: daemon.metric("weir_http_connections")) <= 1000 + 64
            assert insist(lambda: daemon.metric("weir_http_dismissed_total")) > 0
        finally:
            for link in links:
                link.close()


def test_2000_idle_connections(daemon):
    hold(daemon, 2000)


@pytest.mark.slow
def test_10000_idle_connections(daemons):
    hold(daemons.searchd, 10000)


def test_a_slow_reader_leaves_before_anybody_is_kept_out(daemons):
    """With a limit of 20: those that never read their answers go when others come, and who is in work stays."""
    searchd = Daemon("searchd", daemons, {**daemons.settings, "searchd.connections": 20})
    searchd.log_path = searchd.log_path.with_name("few.log")
    searchd.start().wait_ready()
    links = []
    try:
        with connect(searchd) as waiting:
            event_id = str(uuid.uuid4())
            waiting.sendall(get(f"/api/search/events?limit=0&waitMs=10000&waitFor={event_id}@1"))
            wait_for(lambda: searchd.metric("weir_searchd_waiting") == 1, "it to be in work")
            with Others(searchd, keeps=False, tries=10) as others:
                others.stopping.wait(0)
                for _ in range(100):
                    links.append(connect(searchd))
                    links[-1].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
                    with contextlib.suppress(ConnectionError):
                        links[-1].sendall(get("/") * 50)
                seen = others.done
                wait_for(lambda: others.done > seen + 20 or others.wrong, "the others to go on")
                assert searchd.metric("weir_searchd_waiting") == 1
                for link in links:
                    link.close()
                assert daemons.post({"id": event_id, "title": "x"}).status_code == 201
                assert statuses(waiting.recv(100)) == [200], "who was in work is answered"
                waiting.close()
    finally:
        searchd.kill()
