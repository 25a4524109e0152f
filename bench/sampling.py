# SPDX-License-Identifier: MIT
"""Where the CPU went: perf, over the whole machine, told apart by process afterwards."""
import contextlib
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
    with open(path, "w") as out:
        for name, each in contender.daemons.items():
            for fields, least in (("dso", "1"), ("dso,symbol", "0.7")):
                done = subprocess.run(["perf", "report", "-i", data, "--stdio", "--no-children", "--pid", str(each.child.pid),
                                       "--fields", f"overhead,{fields}", "--percentage", "relative", "--percent-limit", least],
                                      capture_output=True, text=True)
                lines = [line.rstrip() for line in done.stdout.splitlines() if line.strip() and not line.startswith("#")]
                out.write(f"{name}, share of its samples by {fields}\n" + "\n".join(lines) + "\n\n")
    data.unlink()
