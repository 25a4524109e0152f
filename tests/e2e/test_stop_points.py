# SPDX-License-Identifier: MIT
"""lib/stop_point.c: its table is what the sources use, and a daemon stops where it is told to. That
each point is come by, test_crash.py sees to."""
import os
import pathlib
import re
import signal
import subprocess

from processes import BUILD, ROOT, wait_for


def table():
    text = (ROOT / "lib" / "stop_point.c").read_text()
    return re.findall(r'^\t"([a-z.]+)",$', text, re.MULTILINE)


def test_the_table_names_the_points_of_the_sources_and_no_others():
    used = {}
    for folder in ("lib", "eventd", "indexer", "searchd", "cli"):
        for path in (ROOT / folder).glob("*.c"):
            for name in re.findall(r'stop_point\(\s*"([^"]*)"\)', path.read_text()):
                used.setdefault(name, []).append(path.name)
    assert sorted(used) == sorted(table())
    assert not {name: places for name, places in used.items() if len(places) > 1}, "one name, one place"


def test_an_unknown_point_is_an_error_at_the_start():
    done = subprocess.run([BUILD / "searchd" / "searchd"], env={**os.environ, "WEIR_STOP_AT": "searchd.nowhere"},
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr == "searchd: WEIR_STOP_AT=searchd.nowhere: there is no such stop point\n"


def state(process):
    """The letter of /proc/PID/stat: T is stopped."""
    return pathlib.Path(f"/proc/{process.child.pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


def test_a_daemon_stops_at_its_point_and_goes_on(make_system):
    system = make_system("127.0.0.1:1")
    system.eventd.env = {"WEIR_STOP_AT": "eventd.open.after"}
    system.eventd.start()
    wait_for(lambda: state(system.eventd) == "T", "eventd to stop")
    assert "event=stop_point name=eventd.open.after" in system.eventd.log()
    system.eventd.child.send_signal(signal.SIGCONT)
    wait_for(system.eventd.alive, "eventd to go on")
