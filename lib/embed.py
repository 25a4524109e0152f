# SPDX-License-Identifier: MIT
"""embed.py NAME FILE OUT.c: a file as a C array, `const unsigned char NAME[]`, with a NUL behind its
`const size_t NAME_size` bytes."""
import pathlib
import sys


def main():
    name, source, out = sys.argv[1:]
    data = pathlib.Path(source).read_bytes()
    rows = [", ".join(str(byte) for byte in data[at:at + 24]) for at in range(0, len(data), 24)]
    pathlib.Path(out).write_text(
        "#include <stddef.h>\n"
        f"extern const unsigned char {name}[];\nextern const size_t {name}_size;\n"
        f"const unsigned char {name}[] = {{\n" + "".join(f"{row},\n" for row in rows) + "0};\n"
        f"const size_t {name}_size = {len(data)};\n")


if __name__ == "__main__":
    main()
