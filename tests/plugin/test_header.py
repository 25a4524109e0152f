# SPDX-License-Identifier: MIT
"""weir/backend.h compiles alone, as C11 and as C++17, with every warning an error; and so does a
plug-in in either language that includes nothing else."""
import subprocess
import sys
import tempfile

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Werror"]

ALONE = '#include "weir/backend.h"\n'

# Both ways to fill a table, since C++17 has no designated initializers.
PLUGIN = ALONE + """
static const struct weir_parameter path = {
	"path", WEIR_PARAMETER_PATH, "x", 0, 0, "Where the index is."};
static const struct weir_parameter *const parameters[] = {&path};
static struct weir_operations operations;
WEIR_BACKEND("tiny", "1", "MIT", "Does nothing", WEIR_THREADS_SERIAL, WEIR_CAN_SYNC | WEIR_CAN_FUZZY,
	     parameters, operations)
"""

# The values that are frozen: a host of any version reads a manifest by them.
FROZEN = ALONE + """
#ifdef __cplusplus
#define _Static_assert static_assert
#endif
_Static_assert(WEIR_BACKEND_MAGIC == UINT64_C(0x31444e4542524557), "magic");
_Static_assert(offsetof(struct weir_manifest, magic) == 0, "magic");
_Static_assert(offsetof(struct weir_manifest, abi_major) == 8, "abi_major");
_Static_assert(offsetof(struct weir_manifest, abi_minor) == 12, "abi_minor");
_Static_assert(offsetof(struct weir_manifest, thread_model) == 16, "thread_model");
_Static_assert(offsetof(struct weir_manifest, capabilities) == 24, "capabilities");
_Static_assert(offsetof(struct weir_manifest, name) == 32, "name");
_Static_assert(offsetof(struct weir_manifest, operations) == 32 + 6 * sizeof(void *), "operations");
_Static_assert(offsetof(struct weir_operations, size) == 0, "size");
_Static_assert(offsetof(struct weir_operations, open) == sizeof(size_t), "open");
_Static_assert(WEIR_OK == 0 && WEIR_RETRY == 10 && WEIR_FATAL == 20, "statuses");
"""


def compiles(compiler, language, standard, text):
    with tempfile.NamedTemporaryFile("w", suffix="." + language) as source, \
            tempfile.NamedTemporaryFile(suffix=".o") as out:
        source.write(text)
        source.flush()
        run = subprocess.run(
            compiler.split() + [f"-std={standard}", *WARNINGS, f"-I{sys.argv[1]}", "-fPIC", "-c",
                                "-o", out.name, source.name],
            capture_output=True, text=True)
        sys.stderr.write(run.stderr)
        return run.returncode == 0


def main():
    failed = 0
    for compiler, language, standard in ((sys.argv[2], "c", "c11"), (sys.argv[3], "cc", "c++17")):
        for name, text in (("header", ALONE), ("plug-in", PLUGIN), ("layout", FROZEN)):
            good = compiles(compiler, language, standard, text)
            print(f"{'ok' if good else 'FAILED'}: {name} as {standard}")
            failed += not good
        if compiles(compiler, language, standard, ALONE + "int missing = ;\n"):
            print("FAILED: a source that is wrong compiled; this test tests nothing")
            failed += 1
    return failed


sys.exit(main())
