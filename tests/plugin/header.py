# SPDX-License-Identifier: MIT
"""Reads weir/backend.h as far as the checks of its promise need it: names and declarations. What the
numbers are (offsets, sizes, values) a compiler says, not this file."""
import re


def without_comments(text):
    return re.sub(r"/\*.*?\*/", " ", text, flags=re.DOTALL)


def one_line(text):
    return re.sub(r"\s+", " ", text).strip()


class Header:
    """structs: name -> [(member, declaration)] in order; constants: enumerators and macros that are
    values; typedefs: declarations that are neither."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            text = without_comments(file.read()).replace("\\\n", " ")
        self.structs, self.constants = {}, []
        for name, body in re.findall(r"^struct (\w+) \{(.*?)^\};", text, re.MULTILINE | re.DOTALL):
            self.structs[name] = [pair for declaration in body.split(";") if declaration.strip()
                                  for pair in members(one_line(declaration))]
        for body in re.findall(r"^enum \{(.*?)\};", text, re.MULTILINE | re.DOTALL):
            self.constants += re.findall(r"\b(WEIR_\w+) =", body)
        # a name followed by its value, on one line: no header guard, no macro with arguments
        self.constants += re.findall(r"^#define (WEIR_\w+)[ \t]+(?!__attribute__|extern)\S", text,
                                     re.MULTILINE)
        self.typedefs = {one_line(found) for found in
                         re.findall(r"^typedef .*?;", text, re.MULTILINE | re.DOTALL)}


def members(declaration):
    """`int64_t minimum, maximum` is two; a function pointer's name stands in its parentheses."""
    pointer = re.match(r".*?\(\*(\w+)\)\(", declaration)
    if pointer:
        return [(pointer.group(1), declaration)]
    first, *more = declaration.split(",")
    kind, name, array = re.match(r"(.*?)(\w+)(\[\w+\])?$", first.strip()).groups()
    return [(name, one_line(kind + (array or "")))] + [(other.strip(), one_line(kind))
                                                       for other in more]
