# SPDX-License-Identifier: MIT
"""segments.py SEGMENTS KILL_AT POWER PLUGIN WRONG

Kills a writer of segments at each of its steps, lets its calls fail, and takes the power from it (power.py);
each time the index has to hold exactly what was committed. See segments.c. WRONG is a plug-in in which a kill
must be seen to do harm.

    WEIR_SEED   repeats a run
    WEIR_KILLS  how many times as much as usual; 1"""
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import uuid

import power

PROGRAM, KILL_AT, POWER, PLUGIN, WRONG = map(os.path.abspath, sys.argv[1:6])
SEED = os.environ.get("WEIR_SEED") or str(random.randrange(10 ** 6))
TIMES = int(os.environ.get("WEIR_KILLS", 1))
SANITIZER = os.environ.get("WEIR_SANITIZER_LIBRARY")  # has to come first in LD_PRELOAD
MEMORY = pathlib.Path("/dev/shm")  # syncs are many, and that they reach a disk matters to nobody here
if MEMORY.is_dir() and os.access(MEMORY, os.W_OK):
    os.environ.setdefault("TMPDIR", str(MEMORY))
BATCHES = 60  # of the run that the power is taken from


def call(*arguments, preload, given=None, plugin=PLUGIN, **environment):
    libraries = " ".join([*([SANITIZER] if SANITIZER else []), preload])
    done = subprocess.run([PROGRAM, arguments[0], plugin, SEED, *map(str, arguments[1:])], input=given, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env={**os.environ, "LD_PRELOAD": libraries, **environment})
    print(*arguments, done.stdout.strip().splitlines()[-1:] if done.returncode == 0 else done.stdout, flush=True)
    return done.returncode == 0


def synced_at(records):
    """For each place of the journal, the batch that was known to be synced; read from the file `progress`."""
    progress, found, synced = None, [0], 0
    for record in records:
        if record.operation == "C" and record.path == "/progress":
            progress = record.file
        if record.operation == "W" and record.file == progress:
            synced = int(re.findall(rb"\d+", record.data)[-1])
        found.append(synced)
    return found


def take_power(folder, swallow):
    """Whether the index is whole after each power loss. swallow: with syncs that do nothing."""
    rng, made = random.Random(SEED), folder / "made"
    (folder / "run").mkdir(), made.mkdir()
    environment = {"WEIR_POWER_FOLDER": str(folder / "run"), "WEIR_POWER_JOURNAL": str(folder / "journal")}
    if swallow:
        environment["WEIR_POWER_SWALLOW"] = "1"
    if not call("run", BATCHES, folder / "run", preload=POWER, **environment):
        return False
    records = list(power.read_journal(folder / "journal"))
    synced, lines = synced_at(records), []
    for cut, disk, _ in power.play(records, power.choose_cuts(records, 24 * TIMES, rng)):
        for variant in power.VARIANTS:
            place = made / f"{cut}-{variant}"
            disk.make(place, variant, rng)
            lines.append(f"{place} {synced[cut]} {BATCHES}\n")
    (folder / "boot_id").write_text(f"{uuid.uuid4()}\n")
    return call("check", given="".join(lines), preload=KILL_AT, WEIR_BOOT_ID=str(folder / "boot_id"))


def main():
    print(f"WEIR_SEED={SEED}", flush=True)
    rng, good = random.Random(SEED), True
    good &= call("walk", 60 * TIMES, preload=KILL_AT)
    for batch in [0] + [rng.randrange(100) for _ in range(TIMES)]:
        good &= call("each", batch, 2, max(1, 10 // TIMES), preload=KILL_AT)
    good &= call("fail", 15 * TIMES, preload=KILL_AT)
    if call("each", 10, 2, 1, preload=KILL_AT, plugin=WRONG):
        print("a head before its log was not found: the test finds nothing", flush=True)
        good = False
    for swallow in (False, True):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-power-"))
        whole = take_power(folder, swallow)
        if swallow and whole:
            print("without syncs nothing was lost: the test finds nothing", flush=True)
        good &= whole != swallow
        if whole != swallow:
            shutil.rmtree(folder)
    return 0 if good else 1


sys.exit(main())
