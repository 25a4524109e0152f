# SPDX-License-Identifier: MIT
"""The promise of weir/backend.h, against the copy of its version 1.0 that never changes: all that was
there is there today, at the same offsets, with the same types and values, and new things stand behind it.
With a Rust compiler also: plugins/tantivy/src/ffi.rs says the same as today's header.
Arguments: the repository, a C compiler, a Rust compiler or nothing."""
import hashlib
import os
import re
import shlex
import subprocess
import sys
import tempfile

from header import Header

REPOSITORY = os.path.abspath(sys.argv[1])
FROZEN_SHA256 = "788feac08575e9f1191d161936837d2ba754dac336f4796fbaf27d4efd0b56e6"
MAY_CHANGE = {"WEIR_ABI_MINOR"}
FROZEN_STRUCTS = {"weir_manifest"}  # not even longer


def run(arguments, folder):
    done = subprocess.run(arguments, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def numbers(output):
    """Lines of a name, then numbers."""
    return {line.split()[0]: line.split()[1:] for line in output.splitlines()}


def measured_in_c(compiler, include, header):
    """The compiler's word: struct -> size; struct.member -> offset and size; constant -> value."""
    lines = ['#include <stdio.h>', '#include "weir/backend.h"', "int main(void)", "{"]
    for struct, members in header.structs.items():
        lines.append(f'printf("{struct} %zu\\n", sizeof(struct {struct}));')
        for name, _ in members:
            lines.append(f'printf("{struct}.{name} %zu %zu\\n", offsetof(struct {struct}, {name}), '
                         f"sizeof(((struct {struct} *)0)->{name}));")
    for name in header.constants:
        text = "WEIR_MANIFEST_SYMBOL" == name
        lines.append(f'printf("{name} %{"s" if text else "lld"}\\n", '
                     f'{"" if text else "(long long)"}{name});')
    lines.append("}")
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "measure.c"), "w", encoding="utf-8") as file:
            file.write("\n".join(lines))
        run(shlex.split(compiler) + ["-std=c11", f"-I{include}", "-o", "measure", "measure.c"], folder)
        return numbers(run(["./measure"], folder))


def camel(name):
    return "".join(part.capitalize() for part in name.split("_"))


def measured_in_rust(compiler, source, header):
    """The same from ffi.rs. It names structs as Rust does and everything else as the header does."""
    lines = ["#![allow(dead_code)]", f'#[path = "{source}"]', "mod ffi;",
             "fn size<S, M>(_: fn(&S) -> &M) -> usize { std::mem::size_of::<M>() }", "fn main() {"]
    for struct, members in header.structs.items():
        rust = f"ffi::{camel(struct)}"
        lines.append(f'println!("{struct} {{}}", std::mem::size_of::<{rust}>());')
        for name, _ in members:
            field = "r#type" if name == "type" else name
            lines.append(f'println!("{struct}.{name} {{}} {{}}", std::mem::offset_of!({rust}, {field}), '
                         f"size(|s: &{rust}| &s.{field}));")
    for name in header.constants:
        if name != "WEIR_MANIFEST_SYMBOL":
            lines.append(f'println!("{name} {{}}", ffi::{name});')
    lines.append("}")
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "measure.rs"), "w", encoding="utf-8") as file:
            file.write("\n".join(lines))
        run([compiler, "--edition", "2021", "-o", "measure", "measure.rs"], folder)
        return numbers(run(["./measure"], folder))


def broken_promises(old, new, old_numbers, new_numbers):
    """What was in the old header and is not so in the new one, a line each."""
    for struct, members in old.structs.items():
        now = new.structs.get(struct, [])
        if now[:len(members)] != members:
            yield f"struct {struct} does not begin with {members}; it is {now}"
        if struct in FROZEN_STRUCTS and now != members:
            yield f"struct {struct} has grown, and never may"
    for typedef in old.typedefs - new.typedefs:
        yield f"missing or changed: {typedef}"
    for name, value in old_numbers.items():
        is_size = name in old.structs and name not in FROZEN_STRUCTS
        now = new_numbers.get(name)
        if name in MAY_CHANGE or now == value or (is_size and now and int(now[0]) >= int(value[0])):
            continue
        yield f"{name} was {value}, is {now}"


def check_the_check(old, old_numbers):
    """It would notice: a header with one thing changed in each way."""
    for change in (("WEIR_RETRY = 10", "WEIR_RETRY = 11"), ("double number;", "float number;"),
                   ("size_t limit;  /*", "uint32_t limit;  /*"), ("WEIR_KIND_HIDDEN = 20,", ""),
                   ("typedef int32_t weir_status;", "typedef int weir_status;"),
                   ("size_t parameter_count;\n\tconst struct weir_operations",
                    "const struct weir_operations"),
                   ("size_t id_length;\n\tuint32_t kind;", "uint32_t kind;\n\tsize_t id_length;"),
                   ("uint64_t *removed,", "uint32_t *removed,")):
        with open(frozen_path(), encoding="utf-8") as file:
            text = file.read()
        assert change[0] in text, f"{change[0]} is not in the frozen header"
        with tempfile.TemporaryDirectory() as folder:
            os.mkdir(os.path.join(folder, "weir"))
            path = os.path.join(folder, "weir", "backend.h")
            with open(path, "w", encoding="utf-8") as file:
                file.write(text.replace(*change))
            changed = Header(path)
            broken = list(broken_promises(old, changed, old_numbers,
                                          measured_in_c(sys.argv[2], folder, changed)))
        assert broken, f"{change} was not noticed"


def frozen_path():
    return os.path.join(REPOSITORY, "tests", "plugin", "abi-1.0", "weir", "backend.h")


def check_rust(today, today_numbers):
    source = os.path.join(REPOSITORY, "plugins", "tantivy", "src", "ffi.rs")
    if len(sys.argv) < 4 or not sys.argv[3]:
        print("not compared: plugins/tantivy/src/ffi.rs, for want of rustc")
        return []
    if not os.path.exists(source):
        return []
    rust_numbers = measured_in_rust(sys.argv[3], source, today)
    rust_numbers["WEIR_MANIFEST_SYMBOL"] = today_numbers["WEIR_MANIFEST_SYMBOL"]
    return [f"ffi.rs: {name} is {rust_numbers.get(name)}, in the header {value}"
            for name, value in today_numbers.items() if rust_numbers.get(name) != value]


def main():
    with open(frozen_path(), "rb") as file:
        assert hashlib.sha256(file.read()).hexdigest() == FROZEN_SHA256, \
            f"{frozen_path()} is the header of version 1.0 and never changes: restore it"
    include = os.path.join(REPOSITORY, "include")
    old, new = Header(frozen_path()), Header(os.path.join(include, "weir", "backend.h"))
    assert len(old.structs) == 17 and len(old.constants) == 59 and len(old.typedefs) == 10, \
        (len(old.structs), len(old.constants), len(old.typedefs))
    old_numbers = measured_in_c(sys.argv[2], os.path.dirname(os.path.dirname(frozen_path())), old)
    new_numbers = measured_in_c(sys.argv[2], include, new)
    broken = list(broken_promises(old, new, old_numbers, new_numbers)) + check_rust(new, new_numbers)
    for line in broken:
        print("FAILED:", line)
    check_the_check(old, old_numbers)
    print(f"compared {len(old_numbers)} sizes, offsets and values of 1.0 with today's header")
    return len(broken)


sys.exit(main())
