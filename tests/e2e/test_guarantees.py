# SPDX-License-Identifier: MIT
"""What docs/guarantees.md and docs/kafka.md name as their proof is there."""
import re

import pytest

from processes import ROOT

TESTS = {path.name: path.read_text() for path in (ROOT / "tests").rglob("*") if path.suffix in (".py", ".c")}


@pytest.mark.parametrize("page", ["guarantees.md", "kafka.md"])
def test_every_test_that_a_page_names_is_there(page):
    """A name may end in an ellipsis or an asterisk."""
    text, source = (ROOT / "docs" / page).read_text(), "\n".join(TESTS.values())
    files = set(re.findall(r"`(?:[\w/]+/)?((?:test|fuzz)_\w+\.(?:py|c))", text))
    names = set(re.findall(r"(?:::|`)(test_\w+)(?!\w*\.)", text)) | set(re.findall(r"\.c::([a-z]\w+)", text))
    assert files and not files - set(TESTS)
    assert len(names) > 10 and not {name for name in names if name not in source}
