# SPDX-License-Identifier: MIT
"""A TCP proxy that ails: between any two processes, what networks do to them."""
import contextlib
import random
import socket
import struct
import threading
import time

from processes import Kafka, free_port

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close sends RST


class Link:
    """One connection through the proxy: two sockets, a thread for each way."""

    def __init__(self, proxy, client):
        self.proxy, self.client, self.left, self.dead = proxy, client, proxy.reset_after, False
        self.server = socket.create_connection(("127.0.0.1", proxy.target), 10)
        self.server.settimeout(None)
        for ends in ((self.client, self.server), (self.server, self.client)):
            threading.Thread(target=self.carry, args=ends, daemon=True).start()

    def carry(self, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(16384):
                if self.dead:  # half-open: neither side ever hears of it
                    continue
                self.send(sink, data)
            self.dead or sink.shutdown(socket.SHUT_WR)

    def send(self, sink, data):
        if self.proxy.latency:
            time.sleep(self.proxy.latency)  # the fault itself
        for at in range(0, len(data), self.proxy.piece or len(data)):
            piece = data[at:at + self.proxy.piece] if self.proxy.piece else data
            if self.left is not None:
                self.left -= len(piece)
                if self.left < 0:
                    self.reset()
                    return
            sink.sendall(piece)
            if self.proxy.piece:
                time.sleep(0.001)  # the fault itself

    def reset(self):
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                end.shutdown(socket.SHUT_RDWR)
            end.close()


class Proxy:
    """Passes connections of its port on to the target's; healthy until told otherwise."""

    def __init__(self, target=None):
        self.target, self.port, self.links, self.listener = target, free_port(), [], None
        self.lock = threading.Lock()
        self.heal()

    def heal(self):
        """As if nothing had ever been, but for connections that were lost on the way."""
        self.latency, self.piece, self.reset_after, self.hole = 0, 0, None, False
        if self.listener is None:
            self.listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
            threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                with self.lock, contextlib.suppress(OSError):
                    self.links = [link for link in self.links if link.client.fileno() >= 0]
                    link = None
                    try:
                        link = Link(self, client)
                        link.dead = self.hole
                        self.links.append(link)
                    finally:
                        link or client.close()

    def slow(self, seconds):
        self.latency = seconds

    def drip(self, size):
        """A few bytes a millisecond."""
        self.piece = size

    def cut(self):
        """All connections are reset, and no more are taken."""
        listener, self.listener = self.listener, None
        if listener:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self.reset()

    def reset(self):
        with self.lock:
            for link in self.links:
                link.reset()

    def reset_each_after(self, least, most):
        """Every connection ends, somewhere in the middle of what it carries."""
        self.reset_after = random.randrange(least, most)
        self.reset()

    def black_hole(self):
        """Those that are there are dead for ever, and nobody says so; new ones too, until it heals."""
        self.hole = True
        with self.lock:
            for link in self.links:
                link.dead = True

    def close(self):
        self.cut()


class KafkaBehind(Kafka):
    """A broker that each of the named clients reaches, and is told to reach, through a proxy of its own."""

    def __init__(self, folder, names):
        super().__init__(folder)
        self.proxies = {name: Proxy(free_port()) for name in names}
        for name, proxy in self.proxies.items():
            self.properties["listeners"] += f",{name.upper()}://127.0.0.1:{proxy.target}"
            self.properties["advertised.listeners"] += f",{name.upper()}://127.0.0.1:{proxy.port}"
            self.properties["listener.security.protocol.map"] += f",{name.upper()}:PLAINTEXT"
        self.properties["inter.broker.listener.name"] = "PLAINTEXT"

    def brokers_of(self, name):
        return f"127.0.0.1:{self.proxies[name].port}"
