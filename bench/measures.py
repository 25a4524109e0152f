# SPDX-License-Identifier: MIT
"""How a load, freshness and searches are measured: the same way for every contender. Each measure is a pair of
dictionaries, figures and curves; see README.md for what the figures mean."""
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

import freshness
from contenders import Http
from processes import ROOT
from usage import MEMORY, Watch


def until(contender, watch, total, **filters):
    """Waits until a search finds `total` documents; fails when nothing has moved for a minute. It looks some hundred
    times: each look is a search, whose cost counts among the contender's."""
    best, since, pause = -1, watch.seconds(), min(max(total / 2e6, 0.02), 0.25)
    while True:
        now = contender.total(**filters)
        watch.look(now)
        if now is not None and now >= total:
            return
        if now is not None and now > best:
            best, since = now, watch.seconds()
        if watch.seconds() - since > 60:
            raise RuntimeError(f"{contender.name}: stands at {best} of {total} documents for a minute")
        time.sleep(pause)


def rate_between(rows, begin, end):
    """Documents a second while the total went from `begin` to `end`."""
    first = next(row for row in rows if row["total"] >= begin)
    last = next(row for row in rows if row["total"] >= end)
    return (last["total"] - first["total"]) / max(last["seconds"] - first["seconds"], 0.001)


def thinned(rows, most=200):
    return rows[::-(-len(rows) // most)] + rows[-1:]


def measure_load(contender, kafka, count, creates=None, changed=0, **filters):
    """A topic is full, the contender starts: until all of it can be searched, and until no more is done after that.
    Of its `count` messages so many are `creates`, all by default; so many events, which the filters find, `changed`."""
    watch, broker, creates = Watch(contender.daemons), Watch({"kafka": kafka}), creates or count
    contender.start()
    until(contender, watch, creates)
    if changed:
        until(contender, watch, changed, **filters)
    seconds, cpu, rows = watch.seconds(), watch.cpu(), watch.rows
    settled = watch.settle()
    cpu_settled, (given, to_disk) = watch.cpu(), watch.bytes_written()
    figures = {
        "events_per_second": count / seconds,
        "cpu_us_per_event": sum(cpu.values()) * 1e6 / count,
        "cpu_us_per_event_settled": sum(cpu_settled.values()) * 1e6 / count,
        **{f"cpu_us_per_event_{name}": value * 1e6 / count for name, value in cpu_settled.items()},
        "kafka_cpu_us_per_event": sum(broker.cpu().values()) * 1e6 / count,
        "seconds_to_settle": settled,
        "write_bytes_per_event": to_disk / count, "wchar_per_event": given / count,
        "disk_bytes_per_event": contender.disk_bytes() / count,
        "events_per_second_first_tenth": rate_between(rows, 1, creates // 10),
        "events_per_second_last_tenth": rate_between(rows, creates * 9 // 10, creates),
        **memory_figures(watch),
    }
    if hasattr(contender, "steps"):
        figures.update({f"step_seconds_{name}": value for name, value in contender.steps().items()})
    keep = ("seconds", "total", "cpu", "written", *MEMORY)
    return figures, {"progress": [[round(row[name], 2) for name in keep] for row in thinned(rows)]}


def memory_figures(watch):
    figures = {f"{kind.lower()}_mib": watch.sum_of_peaks(kind) for kind in MEMORY}
    for name, peaks in watch.peaks.items():
        figures.update({f"{kind.lower()}_mib_{name}": value for kind, value in peaks.items()})
    return figures


def measure_freshness(contender, kafka, load, start, rate, seconds):
    """Events from number `start` on are sent at a steady rate: how long after the broker's answer they are found."""
    watch = Watch(contender.daemons)
    delays, about = freshness.run(contender, kafka, load, start, rate, seconds)
    spent = watch.seconds()
    figures = {f"p{name}_ms": percentile(delays, share) for name, share in (("50", 0.5), ("90", 0.9), ("99", 0.99))}
    figures.update({"max_ms": delays[-1], "probes": len(delays), "cores": sum(watch.cpu().values()) / spent, **about})
    shares = [0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 1]
    return figures, {"percentiles": [[share, round(percentile(delays, share), 1)] for share in shares]}


def percentile(ordered, share):
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def wrk(url, lines, connections, seconds):
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as listing:
        listing.write("\n".join(lines) + "\n")
        listing.flush()
        done = subprocess.run(["wrk", "-t", str(min(2, connections)), "-c", str(connections), "-d", f"{seconds}s",
                               "-s", str(ROOT / "bench" / "requests.lua"), url, "--", listing.name],
                              capture_output=True, text=True, check=True)
    result = json.loads(done.stdout.strip().splitlines()[-1])
    result["per_second"] = result["requests"] / result["seconds"]
    return result


def refused(url, line):
    """Why a contender does not take such a question at all, or None."""
    method, path, *body = line.split(" ", 3)
    status, answer = Http(url).call(method, path, json.loads(body[1]) if body else None)
    return None if status == 200 else str((answer or {}).get("detail", answer))


def measure_search(search, lines, seconds, repeat):
    """Latency over one connection, `repeat` times; then as many as eight connections get."""
    wrk(search.url, lines, 1, 1)
    runs = [wrk(search.url, lines, 1, seconds) for _ in range(repeat)]
    many = wrk(search.url, lines, 8, seconds)
    bad = sum(run["bad"] for run in runs) + many["bad"]
    figures, spread = medians([{"p50_ms": run["p50_ms"], "p99_ms": run["p99_ms"]} for run in runs])
    return {**figures, "queries_per_second": many["per_second"], "bad": bad}, spread


def medians(runs):
    """The median of each figure that all runs have, and (least, most) where there are several runs."""
    values = {name: [run[name] for run in runs] for name in runs[0] if all(name in run for run in runs)}
    spread = {name: [min(each), max(each)] for name, each in values.items()} if len(runs) > 1 else {}
    return {name: statistics.median(each) for name, each in values.items()}, spread


def fsyncs_per_second(folder):
    path = pathlib.Path(folder) / "fsync"
    with open(path, "wb") as file:
        began, count = time.monotonic(), 0
        while time.monotonic() - began < 1:
            file.write(b"x" * 4096)
            file.flush()
            os.fdatasync(file.fileno())
            count += 1
    path.unlink()
    return count
