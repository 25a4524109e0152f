# SPDX-License-Identifier: MIT
"""What processes used, from /proc: CPU, memory, bytes written."""
import contextlib
import pathlib
import os
import time

TICKS = os.sysconf("SC_CLK_TCK")
MEMORY = ("Rss", "Pss", "Anonymous")  # kinds of it


def proc(pid, name):
    return pathlib.Path(f"/proc/{pid}/{name}").read_text()


def cpu_seconds(pid):
    """User and system time of all threads, ended ones too."""
    fields = proc(pid, "stat").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def pairs(text, names):
    """The numbers of a /proc file of "Name:  number" lines."""
    found = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    return {name: int(found[name].split()[0]) for name in names}


def written(pid):
    """Bytes given to write(), sockets included, and bytes of pages that are to go to a disk."""
    io = pairs(proc(pid, "io"), ("wchar", "write_bytes"))
    return io["wchar"], io["write_bytes"]


def memory(pid):
    """MiB: resident; its share of them (a page that n processes map counts 1/n); anonymous."""
    rollup = pairs(proc(pid, "smaps_rollup"), MEMORY)
    return {name: value / 1024 for name, value in rollup.items()}


def bytes_under(path):
    path = pathlib.Path(path)
    files = path.rglob("*") if path.is_dir() else [path]
    total = 0
    for each in files:
        with contextlib.suppress(FileNotFoundError):  # merged away meanwhile
            total += each.stat().st_blocks * 512 if each.is_file() else 0
    return total


class Watch:
    """What processes use from now on. `daemons` by name; one that is not yet running counts from its start.
    look() takes a sample, and a memory sample twice a second: the peaks are of these."""

    def __init__(self, daemons):
        self.daemons = daemons
        self.began = time.monotonic()
        self.cpu_before, self.written_before = dict.fromkeys(daemons, 0), dict.fromkeys(daemons, (0, 0))
        for name, each in daemons.items():
            if each.running():
                self.cpu_before[name], self.written_before[name] = cpu_seconds(each.child.pid), written(each.child.pid)
        self.peaks = {name: dict.fromkeys(MEMORY, 0) for name in daemons}
        self.rows = []
        self.next_memory = 0

    def seconds(self):
        return time.monotonic() - self.began

    def cpu(self):
        """CPU seconds by name."""
        return {name: cpu_seconds(each.child.pid) - self.cpu_before[name] if each.running() else 0
                for name, each in self.daemons.items()}

    def bytes_written(self):
        """Of all: (given to write, to the disk)."""
        total = [0, 0]
        for name, each in self.daemons.items():
            if each.running():
                for which, value in enumerate(written(each.child.pid)):
                    total[which] += value - self.written_before[name][which]
        return total

    def look(self, total=None):
        """total: what there is to see of the work, kept with the sample."""
        now = time.monotonic()
        if now >= self.next_memory:
            self.next_memory = now + 0.5
            for name, each in self.daemons.items():
                if each.running():
                    self.peaks[name] = {kind: max(value, self.peaks[name][kind])
                                        for kind, value in memory(each.child.pid).items()}
        if total is not None:
            self.rows.append({"seconds": now - self.began, "total": total, "cpu": sum(self.cpu().values()),
                              "written": self.bytes_written()[1], **{kind: self.sum_of_peaks(kind) for kind in MEMORY}})

    def sum_of_peaks(self, kind):
        return sum(each[kind] for each in self.peaks.values())

    def settle(self, deadline=60.0):
        """Until no more is done: less than a seventh of a core for a second. Returns the seconds that took."""
        began, quiet_since, before = time.monotonic(), None, sum(self.cpu().values())
        while time.monotonic() - began < deadline:
            time.sleep(0.25)
            self.look()
            now = sum(self.cpu().values())
            busy, before = now - before > 0.035, now
            quiet_since = None if busy else quiet_since or time.monotonic()
            if quiet_since and time.monotonic() - quiet_since >= 1:
                return quiet_since - began
        return deadline
