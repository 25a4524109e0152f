# SPDX-License-Identifier: MIT
"""`weir plugin check` on a real OpenSearch node; the other backends are meson's suite conformance."""
import subprocess

import pytest

import processes

WEIR = processes.BUILD / "cli" / "weir"


def check(*arguments):
    return subprocess.run([WEIR, "plugin", "check", "opensearch", *arguments], capture_output=True, text=True,
                          timeout=1800, check=False)


@pytest.mark.slow
def test_opensearch_passes_the_conformance_suite(opensearch):
    done = check("--param", f"url={opensearch.url}")
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_case_has_an_index_of_its_own(opensearch):
    done = check("--param", f"url={opensearch.url}", "--only", "query PREFIX")
    assert done.returncode == 0, done.stdout + done.stderr
    names = [name for name in opensearch.call("GET", "/_alias") if not name.startswith(".")]
    assert len(names) >= 3 and all(name.startswith("weir-check-") for name in names), names


def test_a_node_that_is_away_is_no_failure():
    done = check("--param", f"url=http://127.0.0.1:{processes.free_port()}")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "failed" not in done.stdout and done.stderr != ""
