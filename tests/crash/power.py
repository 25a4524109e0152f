# SPDX-License-Identifier: MIT
"""Plays a power loss: reads what power.c wrote down, and makes the folder anew as it may be found when the
power went at some place of the journal.

    strict   only what was synced is there: of a file, its bytes at its last sync; of a folder, its names
    subset   some of the later writes too, any of them, and the first few of the later changes of names
    torn     all of it but the last part; of the last write some sectors"""
import collections
import pathlib
import shutil
import struct

HEAD = struct.Struct("<IIIIQQ")
SECTOR = 512
VARIANTS = ("strict", "subset", "torn")

Record = collections.namedtuple("Record", "operation path data file offset")


def read_journal(path):
    text, at = pathlib.Path(path).read_bytes(), 0
    while at < len(text):
        operation, path_length, data_length, _, file, offset = HEAD.unpack_from(text, at)
        at += HEAD.size
        name = text[at:at + path_length].decode()
        data = text[at + path_length:at + path_length + data_length]
        at += path_length + data_length
        yield Record(chr(operation), name, data, file, offset)


def put(content, offset, data):
    """A write; data None: the file gets that size."""
    if data is None:
        del content[offset:]
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    if data is not None:
        content[offset:offset + len(data)] = data


class File:
    def __init__(self):
        self.synced, self.later = bytearray(), []

    def sync(self):
        for offset, data in self.later:
            put(self.synced, offset, data)
        self.later = []

    def found(self, variant, rng):
        content, later = bytearray(self.synced), self.later
        if variant == "subset":
            later = [each for each in later if rng.random() < 0.5]
        elif variant == "torn" and later:
            later = later[:rng.randrange(len(later)) + 1]
        for offset, data in later[:-1] if variant == "torn" else later if variant == "subset" else []:
            put(content, offset, data)
        if variant == "torn" and later:
            offset, data = later[-1]
            for start in range(0, len(data or b""), SECTOR):
                if rng.random() < 0.5:
                    put(content, offset + start, data[start:start + SECTOR])
        return content


class Folder:
    def __init__(self):
        self.synced, self.later = {}, []  # name -> File or Folder; changes: {name: File, Folder or None}

    @staticmethod
    def change(names, change):
        for name, node in change.items():
            if node is None:
                names.pop(name, None)
            else:
                names[name] = node

    def sync(self):
        for change in self.later:
            self.change(self.synced, change)
        self.later = []

    def found(self, variant, rng):
        names = dict(self.synced)
        count = {"strict": 0, "subset": rng.randint(0, len(self.later)), "torn": len(self.later)}[variant]
        for change in self.later[:count]:
            self.change(names, change)
        return names


class Disk:
    """A folder and what was done below it, up to some record."""

    def __init__(self):
        self.top = Folder()
        self.now = {"": self.top}  # by path, as the process sees it
        self.files = {}            # by inode

    def split(self, path):
        above, _, name = path.rpartition("/")
        return self.now[above], name

    def set(self, path, node):
        folder, name = self.split(path)
        folder.later.append({name: node})
        if node is None:
            self.now.pop(path, None)
        else:
            self.now[path] = node

    def rename(self, old, new):
        (before, old_name), (after, new_name), node = self.split(old), self.split(new), self.now.pop(old)
        self.now[new] = node
        if before is after:
            before.later.append({old_name: None, new_name: node})
        else:
            before.later.append({old_name: None})
            after.later.append({new_name: node})

    def do(self, record):
        operation, path = record.operation, record.path
        if operation == "C":
            self.files[record.file] = File()
            self.set(path, self.files[record.file])
        elif operation in "WT":
            if record.file in self.files:
                self.files[record.file].later.append((record.offset, record.data if operation == "W" else None))
        elif operation == "R":
            self.rename(path, record.data.decode())
        elif operation in "UD":
            self.set(path, None)
        elif operation == "L":
            self.set(record.data.decode(), self.now[path])
        elif operation == "M":
            self.set(path, Folder())
        elif operation == "N":
            node = self.files.get(record.file)
            if node is not None and self.now.get(path) is not node:
                self.rename(next(name for name, each in self.now.items() if each is node), path)
        elif operation == "S" and record.file in self.files:
            self.files[record.file].sync()
        elif operation == "Y" and path in self.now:
            self.now[path].sync()

    def make(self, target, variant, rng):
        """The folder as it is found when the power is back."""
        shutil.rmtree(target, ignore_errors=True)
        self._make(self.top, pathlib.Path(target), variant, rng)

    def _make(self, folder, target, variant, rng):
        target.mkdir()
        for name, node in folder.found(variant, rng).items():
            if isinstance(node, Folder):
                self._make(node, target / name, variant, rng)
            elif not name.endswith("-shm"):  # SQLite's shared memory: of no meaning after a restart
                (target / name).write_bytes(node.found(variant, rng))


def choose_cuts(records, count, rng):
    """Places of the journal: before and after syncs, and between."""
    syncs = [i for i, record in enumerate(records) if record.operation in "SY"]
    beside = rng.sample(syncs, min(len(syncs), count // 2))
    between = rng.sample(range(len(records)), min(len(records), count // 2))
    return sorted({*beside, *(i + 1 for i in beside), *between, len(records)})


def play(records, cuts):
    """The disk at each of the places (how many records are done), and what was promised by then."""
    disk, promised, done = Disk(), [], 0
    for cut in cuts:
        for record in records[done:cut]:
            if record.operation in "AG":
                promised.append(record)
            else:
                disk.do(record)
        done = cut
        yield cut, disk, promised
