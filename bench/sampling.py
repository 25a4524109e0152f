# SPDX-License-Identifier: MIT
"""Where the CPU went: perf, over the whole machine, told apart by process afterwards."""
import collections
import contextlib
import re
import shutil
import signal
import subprocess


@contextlib.contextmanager
def profiled(contender, path):
    """While the block runs; writes the symbols that took the most of each daemon to `path`. No path: does nothing."""
    if path is None:
        yield
        return
    if not shutil.which("perf"):
        raise RuntimeError("--profile needs perf (linux-perf)")
    data = path.with_suffix(".data")
    path.parent.mkdir(parents=True, exist_ok=True)
    recorder = subprocess.Popen(["perf", "record", "-q", "-a", "-F", "199", "-o", data], stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        recorder.send_signal(signal.SIGINT)
        recorder.wait()
    path.write_text("".join(report(name, data, each.child.pid) for name, each in contender.daemons.items()))
    data.unlink()


def report(name, data, pid):
    """Shares of a process's samples: by file, and by symbol where it has 0.7 % or more."""
    done = subprocess.run(["perf", "report", "-i", data, "--stdio", "--no-children", "--pid", str(pid),
                           "--sort", "dso,symbol", "--percentage", "relative"], capture_output=True, text=True)
    symbols = [(float(match[1]), match[2], match[3]) for line in done.stdout.splitlines()
               if (match := re.match(r"\s+([\d.]+)%\s+(\S+)\s+\[.\] (.*?)[\s-]*$", line))]
    files = collections.Counter()
    for share, file, _ in symbols:
        files[file] += share
    lines = [f"{share:6.2f} %  {file}" for file, share in files.most_common() if share >= 0.7] + [""]
    lines += [f"{share:6.2f} %  {file:22} {symbol}" for share, file, symbol in symbols if share >= 0.7]
    return f"{name}, share of its samples\n" + "\n".join(lines) + "\n\n"
