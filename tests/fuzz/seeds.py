#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""seeds.py FOLDER: the messages of tests/messages as inputs of fuzz_event, and those of mapped.txt with their
schema as inputs of fuzz_schema, one file each."""
import json
import pathlib
import sys

TOPICS = ["events.created", "events.updated", "events.deleted", "orders", "rows", "db.public.events", "boxed", "ce",
          "connected", "plain"]


def headers_of(headers):
    """Which of the fuzzer's sets is nearest, and the values of type and version in it."""
    lower = {name.lower(): value for name, value in headers}
    if "ce_specversion" in lower:
        return 3, lower.get("ce_type", ""), lower.get("content-type", "")
    if "content-type" in lower:
        return 4, "", lower["content-type"]
    if "x-kind" in lower:
        return 5, lower["x-kind"], lower.get("x-sequence", "")
    if "eventtype" in lower:
        return 1, lower["eventtype"], lower.get("version", "1")
    return (2, "", lower["version"]) if "version" in lower else (0, "", "")


def cases(path):
    case = {}
    for line in path.read_text().splitlines():
        name, _, text = line.partition(":")
        text = text.removeprefix(" ")
        if name == "case":
            case = {"headers": []}
        elif name == "header":
            header, _, value = text.partition(":")
            case["headers"].append((header, value.strip()))
        elif name == "value":
            case["value"] = case.get("value", "") + text
        elif name == "gives":
            yield case
        elif not line.startswith("#"):
            case[name] = text


def seed(case):
    topic = case.get("topic", "events.created")
    headers, kind, version = headers_of(case["headers"])
    framed = "1" if "value-frame" in case else "2" if "key-frame" in case else "0"
    digits = [chr(ord("0") + (TOPICS.index(topic) if topic in TOPICS else 10)), "1", "1" if "key" in case else "0",
              "0", str(headers), framed]
    return "".join(digits) + "\n".join([case.get("key", ""), kind, version, case.get("value", "")])


def main():
    tables = pathlib.Path(__file__).resolve().parents[1] / "messages"
    schema = json.dumps(json.loads((tables / "mapped.schema.json").read_text()), separators=(",", ":"))
    for name in ("event", "schema"):
        (pathlib.Path(sys.argv[1]) / name).mkdir(parents=True, exist_ok=True)
    for table in sorted(tables.glob("*.txt")):
        for number, case in enumerate(cases(table)):
            (pathlib.Path(sys.argv[1]) / "event" / f"{table.stem}-{number}").write_text(seed(case))
            if table.stem == "mapped":
                text = schema + "\n" + case.get("value", "")
                (pathlib.Path(sys.argv[1]) / "schema" / f"{number}").write_text(text)


main()
