# SPDX-License-Identifier: MIT
"""policy.py NAME PAGE.html OUT.c: the page's Content-Security-Policy as a C string. Its inline style and
script are allowed by their hashes, so that nothing else runs."""
import base64
import hashlib
import pathlib
import re
import sys


def hashes(page, tag):
    found = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.S)
    if not found:
        sys.exit(f"policy.py: the page has no <{tag}>")
    return " ".join(
        "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'" for text in found)


def main():
    name, source, out = sys.argv[1:]
    page = pathlib.Path(source).read_text(encoding="utf-8")
    policy = (f"default-src 'none'; connect-src 'self'; style-src {hashes(page, 'style')}; "
              f"script-src {hashes(page, 'script')}; img-src data:; base-uri 'none'; form-action 'none'; "
              "frame-ancestors 'none'")
    pathlib.Path(out).write_text(f'extern const char {name}[];\nconst char {name}[] = "{policy}";\n')


if __name__ == "__main__":
    main()
