# SPDX-License-Identifier: MIT
"""A plug-in exports one function and takes nothing from the host. Arguments: the host's library,
then plug-ins."""
import subprocess
import sys

SYMBOL = "weir_backend_manifest"


def symbols(*arguments):
    lines = subprocess.run(["nm", *arguments], check=True, capture_output=True, text=True).stdout
    return {line.split()[-1].split("@")[0] for line in lines.splitlines()
            if line.strip() and not line.endswith(":")}


def loads_alone(path):
    """In a process that is no host of ours: Python."""
    if any(name.startswith("__asan") for name in symbols("-D", "--undefined-only", path)):
        return True  # wants its sanitizer first; the comparison of names has to do
    return subprocess.run([sys.executable, "-c",
                           "import ctypes, os, sys; ctypes.CDLL(sys.argv[1], os.RTLD_NOW).%s" % SYMBOL,
                           path], check=False).returncode == 0


def main():
    host = symbols("--defined-only", "--extern-only", sys.argv[1])
    assert "plugin_load" in host, f"{sys.argv[1]} is not the host's library"
    failed = 0
    for path in sys.argv[2:]:
        exported = symbols("-D", "--defined-only", path)
        taken = symbols("-D", "--undefined-only", path) & host
        if exported != {SYMBOL}:
            print(f"FAILED: {path} exports {sorted(exported)}, expected only {SYMBOL}")
            failed += 1
        if taken:
            print(f"FAILED: {path} takes {sorted(taken)} from the host")
            failed += 1
        if not loads_alone(path):
            print(f"FAILED: {path} cannot be loaded outside of Weir")
            failed += 1
        print(f"looked at {path}")
    return failed


sys.exit(main())
