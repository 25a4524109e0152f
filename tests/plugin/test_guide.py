# SPDX-License-Identifier: MIT
"""The code of docs/plugins.md is what the page says: cut out, compiled with the page's own line (and
once more with warnings as errors), shown by the page's `weir plugin info`, loaded and used by use_guide.
Arguments: the repository, use_guide, weir."""
import os
import re
import shlex
import subprocess
import sys
import tempfile


def fences(page, language):
    return re.findall(r"^```%s\n(.*?)^```$" % language, page, re.MULTILINE | re.DOTALL)


def command(page, beginning):
    commands = [line for block in fences(page, "sh") for line in block.splitlines()
                if line.startswith(beginning)]
    assert len(commands) == 1, f"expected one line that starts with {beginning}, found {commands}"
    return shlex.split(commands[0])


def main():
    repository, use_guide, weir = sys.argv[1:]
    with open(os.path.join(repository, "docs", "plugins.md"), encoding="utf-8") as file:
        page = file.read()
    build, info = command(page, "cc "), command(page, "weir plugin info ")
    with tempfile.TemporaryDirectory() as folder:
        os.symlink(os.path.join(repository, "include"), os.path.join(folder, "include"))
        with open(os.path.join(folder, "linear.c"), "w", encoding="utf-8") as file:
            file.write("\n".join(fences(page, "c")))
        for line in (build + ["-Wpedantic", "-Werror"], build):
            subprocess.run(line, cwd=folder, check=True)
        shown = subprocess.run([weir] + info[1:], cwd=folder, check=True, capture_output=True,
                               text=True).stdout
        assert shown.startswith("linear 0.1.0: ") and "[backend.linear]" in shown, shown
        return subprocess.run([use_guide, os.path.join(folder, "weir_linear.so"), folder],
                              check=False).returncode


sys.exit(main())
