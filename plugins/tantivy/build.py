# SPDX-License-Identifier: MIT
"""Builds the plug-in with cargo and puts it where meson wants it. Arguments: cargo, the output, or nothing to
only fetch what Cargo.lock names.

One target folder serves all build folders of a checkout, sanitized ones too, so the crates are compiled once:
build-cargo, or what CARGO_TARGET_DIR says."""
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TARGET = os.environ.get("CARGO_TARGET_DIR") or os.path.join(HERE, "..", "..", "build-cargo")


def host(cargo):
    lines = subprocess.run([cargo, "-vV"], check=True, capture_output=True, text=True).stdout.splitlines()
    return next(line.split()[1] for line in lines if line.startswith("host:"))


def main():
    cargo, *output = sys.argv[1:]
    # Meson's own flags for C, in these, would reach build scripts that compile C; there are none to please.
    environment = {key: value for key, value in os.environ.items() if key not in ("CFLAGS", "LDFLAGS")}
    if not output:
        return subprocess.run([cargo, "fetch", "--quiet", "--locked", "--target", host(cargo)], cwd=HERE,
                              env=environment, check=False).returncode
    built = subprocess.run([cargo, "build", "--quiet", "--release", "--locked", "--target-dir", TARGET],
                           cwd=HERE, env=environment, check=False).returncode
    if built == 0:
        shutil.copy(os.path.join(TARGET, "release", "libweir_tantivy.so"), output[0])
    return built


sys.exit(main())
