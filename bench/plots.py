# SPDX-License-Identifier: MIT
"""The plots of a run, as SVG: throughput over the size of the index, memory over it, the distribution of freshness, and
search latency by kind and contender."""
import matplotlib

matplotlib.use("svg")
matplotlib.rcParams.update({"svg.hashsalt": "weir", "svg.fonttype": "none", "font.size": 9, "axes.grid": True,
                            "grid.alpha": 0.3, "axes.spines.top": False, "axes.spines.right": False})
import matplotlib.pyplot as pyplot  # noqa: E402

COLOURS = {"xapian": "tab:blue", "tantivy": "tab:green", "sqlite": "tab:purple", "plain consumer": "tab:orange",
           "pull-based": "tab:red"}
SECONDS, TOTAL, CPU, WRITTEN, RSS, PSS = range(6)  # columns of a load's progress


def colour(contender):
    return COLOURS.get(contender, "tab:gray")


def save(figure, folder, name):
    figure.tight_layout()
    figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
    pyplot.close(figure)
    return name


def progress(results):
    """(contender, rows) of the largest load of each."""
    largest = {}
    for line in [line for suite in ("growth", "ingest", "peers") for line in results.of(suite, case="load")]:
        if "curves" in line and line["events"] > largest.get(line["contender"], (0,))[0]:
            largest[line["contender"]] = (line["events"], line["curves"]["progress"])
    return {name: rows for name, (_, rows) in largest.items()}


def throughput(results, folder):
    """Events/s over windows of a fortieth of the load, so that single commits do not show."""
    figure, axes = pyplot.subplots(figsize=(7, 3.5))
    for name, rows in progress(results).items():
        window, sizes, rates = rows[-1][TOTAL] / 40, [], []
        before = rows[0]
        for row in rows[1:]:
            if row[TOTAL] - before[TOTAL] >= window and row[SECONDS] > before[SECONDS]:
                sizes.append(row[TOTAL] / 1000)
                rates.append((row[TOTAL] - before[TOTAL]) / (row[SECONDS] - before[SECONDS]))
                before = row
        axes.plot(sizes, rates, label=name, color=colour(name))
    axes.set(xlabel="events in the index, thousands", ylabel="events/s to searchable", ylim=(0, None), xlim=(0, None))
    axes.legend()
    return save(figure, folder, "throughput")


def memory(results, folder):
    figure, axes = pyplot.subplots(figsize=(7, 3.5))
    for name, rows in progress(results).items():
        axes.plot([row[TOTAL] / 1000 for row in rows], [row[PSS] for row in rows], label=name, color=colour(name))
    axes.set(xlabel="events in the index, thousands", ylabel="peak of all processes so far, PSS in MiB", yscale="log",
             xlim=(0, None))
    axes.legend()
    return save(figure, folder, "memory")


def freshness(results, folder):
    """As HdrHistogram draws it: one percentile a decade of 1 / (1 - share)."""
    lines = [line for suite in ("freshness", "peers") for line in results.of(suite)
             if "percentiles" in line.get("curves", {})]
    rates = list(dict.fromkeys(line["case"] for line in lines))
    figure, several = pyplot.subplots(1, len(rates), figsize=(4.2 * len(rates), 3.5), sharey=True, squeeze=False)
    for axes, rate in zip(several[0], rates):
        for line in lines:
            if line["case"] == rate:
                shares = [(1 / (1 - share), ms) for share, ms in line["curves"]["percentiles"] if share < 1]
                axes.plot(*zip(*shares), label=line["contender"], color=colour(line["contender"]), marker=".")
        axes.set(xscale="log", yscale="log", title=f"at {rate}", xlabel="percentile")
        axes.set_xticks([1, 2, 10, 100, 1000], ["0", "50", "90", "99", "99.9"])
    several[0][0].set_ylabel("acknowledged to found, ms")
    several[0][0].legend()
    return save(figure, folder, "freshness")


def search(results, folder):
    asked = {line["case"] for line in results.of("search")}
    lines = [line for suite in ("search", "peers") for line in results.of(suite) if line["case"] in asked]
    who = list(dict.fromkeys((line["contender"], line["events"]) for line in lines))
    kinds = list(dict.fromkeys(line["case"] for line in lines))
    figure, axes = pyplot.subplots(figsize=(7, 0.5 + 0.13 * len(who) * len(kinds)))
    largest = max(events for _, events in who)
    for place, (name, events) in enumerate(who):
        heights, p50, p99 = [], [], []
        for line in lines:
            if (line["contender"], line["events"]) == (name, events) and "figures" in line:
                heights.append(kinds.index(line["case"]) + (place - len(who) / 2) / (len(who) + 1))
                p50.append(line["figures"]["p50_ms"])
                p99.append(line["figures"]["p99_ms"])
        axes.hlines(heights, p50, p99, color=colour(name), linewidth=1)
        filled = colour(name) if events == largest else "white"
        axes.plot(p50, heights, "o", color=colour(name), markerfacecolor=filled, markersize=4,
                  label=f"{name}, {events:,}")
        axes.plot(p99, heights, "|", color=colour(name), markersize=6)
    axes.set(xscale="log", xlabel="ms over one connection: p50 (dot) to p99 (bar)")
    axes.set_yticks(range(len(kinds)), kinds)
    axes.invert_yaxis()
    axes.legend(loc="upper center", bbox_to_anchor=(0.4, -0.08 - 0.3 / len(kinds)), ncols=3)
    return save(figure, folder, "search")


def draw(results, folder):
    """Draws what there are lines for; returns the names."""
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    if progress(results):
        names += [throughput(results, folder), memory(results, folder)]
    if results.of("freshness") or results.of("peers"):
        names.append(freshness(results, folder))
    if results.of("search"):
        names.append(search(results, folder))
    return names
