# SPDX-License-Identifier: MIT
"""The commands of the weir tool, each from outside; `weir up` is in test_weir_up.py."""
import gzip
import http.server
import json
import os
import pty
import signal
import subprocess
import threading
import time
import uuid

import pytest
import requests

import processes
from processes import BUILD, ROOT, wait_for, weir

SAMPLE = ROOT / "data" / "events-sample.jsonl.gz"
NOBODY = "127.0.0.1:1"


def fnv_guid(text):
    """The GUID that a load makes from an id that is none: version 8 of a 128-bit FNV-1a hash."""
    value = 0x6C62272E07BB014262B821756295C58D
    for byte in text.encode():
        value = (value ^ byte) * 0x1000000000000000000013B % (1 << 128)
    value = value & ~(0xF << 76) | 8 << 76
    return str(uuid.UUID(int=value & ~(0x3 << 62) | 2 << 62))


def on_terminal(*arguments):
    """Runs weir with a terminal as stdout and stderr: what it shows, and its exit status."""
    child, terminal = pty.fork()
    if child == 0:
        os.execv(BUILD / "cli" / "weir", ["weir", *map(str, arguments)])
    shown = b""
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        shown += part
    os.close(terminal)
    return shown.decode().replace("\r\n", "\n"), os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def refused(expected_status, *arguments, **more):
    """The one line on stderr of a command that must end with that status."""
    done = weir(*arguments, check=False, **more)
    assert done.returncode == expected_status, (done.stdout, done.stderr)
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("weir")
    return lines[0]


@pytest.mark.parametrize("arguments, words", [
    (["up", "more"], "too many"),
    (["up", "--set", "eventd.prot=1"], "port"),
    (["up", "--set", "kafka.brokers=x:1"], "--brokers"),
    (["up", "--load", "no-such-file"], "no-such-file"),
    (["up", "--data", "/proc/nowhere"], "/proc/nowhere"),
    (["up", "--data", "data", "--set", "eventd.address=192.0.2.1"], "192.0.2.1"),
    (["up", "--data", "data", "--set", "eventd.port=8099", "--set", "indexer.port=8099"], "8099"),
    (["up", "--dta", "x"], "--data"),
    (["up", "--data"], "--data needs a value"),
    (["up", "--verbose=yes"], "takes no value"),
    (["load"], "usage: weir load"),
    (["load", "a", "b"], "too many"),
    (["load", "no-such-file"], "no-such-file"),
    (["load", "/"], "folder"),
    (["load", "x", "--rate", "fast"], "--rate fast"),
    (["load", "x", "--rate", "0"], "--rate 0"),
    (["load", "x", "--brokers", "a:1"], "--kafka"),
    (["load", "/dev/null", "--kafka", "--set", "kafka.rdkafka.acks=some"], "acks"),
    (["search", "--filter", "price"], "name=value"),
    (["search", "--nosuch"], "--nosuch"),
    (["search", "x", "--url", "gopher://127.0.0.1"], "rotocol"),
    (["lag", "--config", "no-such.conf"], "no-such.conf"),
    (["lag", "x"], "too many"),
    (["tail", "x"], "too many"),
    (["tail", "--set", "x"], "section.key=value"),
    (["topics"], "usage: weir topics"),
    (["topics", "drop"], "create, list"),
    (["topics", "create", "--partitions", "0"], "--partitions 0"),
    (["topics", "create", "--replication", "9999999"], "--replication"),
    (["plugin"], "usage: weir plugin"),
    (["plugin", "info"], "usage: weir plugin"),
    (["plugin", "info", "nosuch"], "nosuch"),
    (["plugin", "info", "./no.so"], "./no.so"),
    (["config"], "usage: weir config"),
    (["config", "wrong"], "sample, reference, check"),
    (["config", "check", "--set", "indexer.batch_time=50"], "batch_time"),
    (["config", "check", "--set", "backend.xapian.pth=x"], "path"),
])
def test_wrong_use_is_one_line_and_status_2(arguments, words, tmp_path):
    assert words in refused(2, *arguments, cwd=tmp_path)


@pytest.mark.parametrize("arguments", [[], ["fly", "far"], ["serch"], ["--nosuch"]])
def test_unknown_commands_get_the_list(arguments):
    done = weir(*arguments, check=False)
    assert done.returncode == 2
    for name in ("up", "load", "search", "lag", "tail", "dlq", "topics", "verify", "plugin", "config"):
        assert f"\n  {name} " in done.stderr
    assert "did you mean search" in done.stderr or arguments != ["serch"]


@pytest.mark.parametrize("command", ["up", "load", "search", "lag", "tail", "dlq", "topics", "verify", "plugin", "config"])
def test_every_command_has_help(command):
    shown = weir(command, "--help").stdout
    assert shown.startswith(f"weir {command}")
    assert weir("help", command).stdout == shown == weir(command, "-h").stdout
    assert f"  {command} " in weir("help").stdout
    assert all(len(line) <= 110 for line in shown.splitlines())


def test_version():
    assert weir("--version").stdout.startswith("weir 0.")


@pytest.mark.parametrize("arguments", [
    ["search", "x", "--url", "http://127.0.0.1:1"],
    ["lag", "--url", "http://127.0.0.1:1"],
    ["topics", "list", "--brokers", NOBODY],
    ["topics", "create", "--brokers", NOBODY],
    ["tail", "--brokers", NOBODY],
    ["load", SAMPLE, "--quiet", "--kafka", "--brokers", NOBODY],
])
def test_what_is_away_is_status_3(arguments):
    done = weir(*arguments, check=False)
    assert done.returncode == 3, (done.stdout, done.stderr)
    assert "127.0.0.1:1" in done.stderr


def test_full_stdout_is_told():
    with open("/dev/full", "w") as full:
        done = subprocess.run([BUILD / "cli" / "weir", "config", "sample"], stdout=full,
                              stderr=subprocess.PIPE, text=True)
    assert done.returncode == 3 and "could not be written" in done.stderr


def test_plugin_list_and_info():
    listed = weir("plugin", "list").stdout
    rows = {line.split()[0]: line for line in listed.splitlines()}
    assert "GPL-2.0-or-later" in rows["xapian"] and "search" in rows["xapian"]
    assert "MIT" in rows["null"] and rows["null"].endswith("weir_null.so")
    info = weir("plugin", "info", "xapian").stdout
    assert "[backend.xapian]" in info and "path (path, default weir-data/index)" in info
    library = rows["xapian"].split()[-1]
    assert "[backend.xapian]" in weir("plugin", "info", library).stdout


def test_plugin_list_says_what_does_not_load(tmp_path):
    (tmp_path / "weir_bad.so").write_text("no library")
    done = weir("plugin", "list", "--set", f"backend.plugin_dir={tmp_path}", check=False)
    assert done.returncode == 1 and "weir_bad.so" in done.stderr
    assert "there is no" in refused(1, "plugin", "list", "--set", f"backend.plugin_dir={tmp_path / 'none'}")


def test_config_sample_is_good_and_check_reads_it(tmp_path):
    sample = weir("config", "sample").stdout
    (tmp_path / "weir.conf").write_text(sample)
    assert weir("config", "check", "--config", tmp_path / "weir.conf").stdout == "the configuration is good\n"
    (tmp_path / "weir.conf").write_text("[eventd]\nprt = 1\n")
    assert "weir.conf:2" in refused(2, "config", "check", "--config", tmp_path / "weir.conf")
    assert weir("config", "reference").stdout.startswith("# Options")


@pytest.mark.parametrize("page, verb", [("options.md", "reference"), ("weir.conf", "sample")])
def test_docs_are_what_config_prints(page, verb):
    assert (ROOT / "docs" / page).read_text() == weir("config", verb).stdout


# --- load --------------------------------------------------------------------------------------


@pytest.fixture
def eventd(make_system):
    """eventd with Kafka away: a load needs no more."""
    daemon = make_system(NOBODY).eventd.start()
    wait_for(daemon.alive, "eventd to live")
    return daemon


def load(*arguments, **more):
    return weir("load", *arguments, **more)


def all_events(daemon):
    events, cursor = {}, None
    while True:
        page = requests.get(f"{daemon.url}/api/v1/events",
                            params={"limit": 1000, **({"cursor": cursor} if cursor else {})}).json()
        events.update({event["id"]: event for event in page["events"]})
        cursor = page.get("nextCursor")
        if not cursor:
            return events


def write_lines(path, lines):
    path.write_text("".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines))
    return path


def test_load_of_the_sample_twice(eventd):
    done = load(SAMPLE, "--url", eventd.url)
    assert done.stdout == "" and len(done.stderr.splitlines()) == 1
    assert "2000 events loaded" in done.stderr and "currency (263 times)" in done.stderr
    with gzip.open(SAMPLE, "rt") as lines:
        sent = {fnv_guid(event["id"]): event for event in map(json.loads, lines)}
    stored = all_events(eventd)
    assert stored.keys() == sent.keys()
    for event_id, event in stored.items():
        for name in ("title", "description", "category", "location", "city", "country", "price"):
            assert event.get(name) == sent[event_id][name]
    again = load(SAMPLE, "--url", eventd.url)
    assert "0 events loaded" in again.stderr and "2000 already there" in again.stderr
    assert all_events(eventd) == stored


def test_load_keeps_digits_and_ids(eventd, tmp_path):
    guid = str(uuid.uuid4())
    write_lines(tmp_path / "events", [
        '{"id": "{%s}", "title": "a", "price": 12.50, "createdBy": "me", "version": 7}\n' % guid.upper(),
        '{"id": 4711, "title": "numbered"}\n', "\n", "  \r\n",
        '{"title": "no id", "city": null, "sponsor": {"x": [1, 2.50]}}'])
    done = load(tmp_path / "events", "--url", eventd.url)
    assert "3 events loaded" in done.stderr
    assert "version (1 times), sponsor (1 times)" in done.stderr
    text = requests.get(f"{eventd.url}/api/v1/events/{guid}").text
    assert '"price":12.50' in text and '"createdBy":"me"' in text
    assert requests.get(f"{eventd.url}/api/v1/events/{fnv_guid('4711')}").json()["title"] == "numbered"
    assert load(tmp_path / "events", "--url", eventd.url, "--quiet").stderr == ""


def test_load_from_stdin(eventd):
    for data in (b'{"id": "x", "title": "plain"}', gzip.compress(b'{"id": "y", "title": "packed"}\n')):
        subprocess.run([BUILD / "cli" / "weir", "load", "-", "--url", eventd.url], input=data, check=True)
    assert {event["title"] for event in all_events(eventd).values()} == {"plain", "packed"}


def test_load_counts_bad_lines_and_keeps_the_good(eventd, tmp_path):
    lines = [{"id": str(n), "title": f"event {n}"} for n in range(30)]
    lines[3] = '{"title": "cut off\n'
    lines[4] = '["a list"]\n'
    lines[7] = {"id": "7", "title": " "}
    lines[8] = {"id": "8", "title": "dates", "startDate": "2026-02-01", "endDate": "2026-01-01"}
    lines[9] = json.dumps({"id": "9", "title": "long", "description": "x" * (1 << 20)}) + "\n"
    done = load(write_lines(tmp_path / "events", lines), "--url", eventd.url, check=False)
    assert done.returncode == 1
    assert "25 events loaded" in done.stderr and "5 bad lines" in done.stderr
    for number, reason in ((4, "JSON"), (5, "object"), (8, "title: is blank"), (9, "endDate: is before"),
                           (10, "longer than")):
        assert any(f"line {number}: " in line and reason in line for line in done.stderr.splitlines())
    assert len(all_events(eventd)) == 25


def test_load_shows_ten_bad_lines(eventd, tmp_path):
    done = load(write_lines(tmp_path / "events", ["{\n"] * 5000), "--url", eventd.url, check=False)
    assert done.returncode == 1 and "5000 bad lines" in done.stderr
    assert len(done.stderr.splitlines()) == 12


def test_load_of_a_file_that_ends_too_early(eventd, tmp_path):
    (tmp_path / "events.gz").write_bytes(SAMPLE.read_bytes()[:50000])
    done = load(tmp_path / "events.gz", "--url", eventd.url, check=False)
    assert done.returncode == 2 and "ends in the middle" in done.stderr


def test_load_keeps_to_the_rate(eventd, tmp_path):
    lines = [{"title": f"event {n}"} for n in range(60)]
    start = time.monotonic()
    load(write_lines(tmp_path / "events", lines), "--url", eventd.url, "--rate", 50)
    assert time.monotonic() - start >= 59 / 50


def test_load_draws_a_bar_on_a_terminal(eventd):
    shown, status = on_terminal("load", SAMPLE, "--url", eventd.url, "--rate", 3000)
    assert status == 0
    assert "[#" in shown and "%" in shown and "/s" in shown and " left" in shown
    assert "2000 events loaded" in shown.splitlines()[-1]


def test_load_without_eventd_says_so():
    done = load(SAMPLE, "--url", "http://127.0.0.1:1", check=False)
    assert done.returncode == 3
    assert "http://127.0.0.1:1" in done.stderr.splitlines()[-1] and "is it running" in done.stderr


def test_load_waits_for_eventd_to_come(make_system):
    daemon = make_system(NOBODY).eventd
    results = []
    loading = threading.Thread(target=lambda: results.append(load(SAMPLE, "--url", daemon.url, check=False)))
    loading.start()
    daemon.start()
    loading.join(60)
    assert results[0].returncode == 0 and "2000 events loaded" in results[0].stderr


def test_load_goes_on_after_eventd_was_killed(make_system, tmp_path):
    lines = [{"id": f"e{n}", "title": f"event {n}"} for n in range(20000)]
    path = write_lines(tmp_path / "events", lines)
    daemon = make_system(NOBODY).eventd.start()
    wait_for(daemon.alive, "eventd to live")
    results = []
    loading = threading.Thread(
        target=lambda: results.append(load(path, "--url", daemon.url, "--rate", 8000, check=False)))
    loading.start()
    wait_for(lambda: requests.get(f"{daemon.url}/api/v1/events?limit=1").json()["events"], "the first events")
    daemon.kill()
    daemon.start()
    loading.join(120)
    assert results[0].returncode == 0, results[0].stderr
    assert all_events(daemon).keys() == {fnv_guid(line["id"]) for line in lines}


class Busy(http.server.BaseHTTPRequestHandler):
    """An eventd that says 503 with Retry-After first, then stores half of a batch, then the rest."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode().splitlines()
        self.server.calls.append((time.monotonic(), len(body)))
        if len(self.server.calls) == 1:
            self.send_response(503)
            self.send_header("Retry-After", "1")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        half = len(body) // 2 if len(self.server.calls) == 2 else 0
        answer = "".join(json.dumps({"status": 503 if n < half else 201}) + "\n" for n in range(len(body)))
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer.encode())

    def log_message(self, *arguments):
        pass


def test_load_honours_retry_after(tmp_path):
    server = http.server.HTTPServer(("127.0.0.1", 0), Busy)
    server.calls = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    path = write_lines(tmp_path / "events", [{"title": str(n)} for n in range(10)])
    done = load(path, "--url", f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    assert "10 events loaded" in done.stderr
    assert [count for _, count in server.calls] == [10, 10, 5]
    assert server.calls[1][0] - server.calls[0][0] >= 0.95


def test_load_at_something_that_is_not_eventd(tmp_path):
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    path = write_lines(tmp_path / "events", [{"title": "x"}])
    done = load(path, "--url", url, check=False)
    assert done.returncode == 3 and f"{url} answered 501" in done.stderr
    done = weir("search", "x", "--url", url, check=False)
    server.shutdown()
    assert done.returncode == 3


# --- over Kafka and the whole system -------------------------------------------------------------


def test_topics_create_and_list(own_kafka):
    own_kafka.delete_topics()
    done = weir("topics", "list", "--brokers", own_kafka.brokers, check=False)
    assert done.returncode == 1 and done.stdout.count("missing") == 4
    made = weir("topics", "create", "--brokers", own_kafka.brokers, "--partitions", 5).stdout
    assert made.count("made, 5 partitions") == 4
    wait_for(lambda: len(own_kafka.admin().list_topics(timeout=10).topics) == 4, "the topics")
    again = weir("topics", "create", "--brokers", own_kafka.brokers).stdout
    assert again.count("exists, 5 partitions") == 4
    rows = [line.split() for line in weir("topics", "list", "--brokers", own_kafka.brokers).stdout.splitlines()]
    assert ["events.dlq", "5", "1"] in rows
    own_kafka.delete_topics()
    assert "the topic" in refused(3, "topics", "create", "--brokers", own_kafka.brokers, "--replication", 3)


def test_load_over_kafka_lag_search_and_tail(system, kafka, tmp_path):
    tail = processes.Process("tail", [BUILD / "cli" / "weir", "tail", "--brokers", kafka.brokers,
                                      "--from-beginning"], tmp_path).start()
    done = load(SAMPLE, "--kafka", "--brokers", kafka.brokers)
    assert "2000 events produced" in done.stderr
    system.wait_total(2000)
    path = write_lines(tmp_path / "events", ['{"title": "x", "startDate": "soon"}\n', '{"price": 1}\n',
                                             '{"id": "t", "title": "Ti\\u0007tle", "price": "12.50"}\n'])
    done = load(path, "--kafka", "--brokers", kafka.brokers, check=False)
    assert done.returncode == 1 and "1 events produced" in done.stderr and "2 bad lines" in done.stderr
    system.wait_total(2001)
    message = [m for m in kafka.read_all("events.created") if m.key().decode() == fnv_guid("t")][0]
    headers = {name: value.decode() for name, value in message.headers()}
    assert headers["EventType"] == "EventCreatedEvent" and int(headers["Version"]) > 0
    assert headers["Timestamp"].endswith("Z")
    assert b'"Price":12.50' in message.value() and b'"Title":"Ti\\u0007tle"' in message.value()

    kafka.produce("events.updated", fnv_guid("t"), json.dumps({"EventId": fnv_guid("t"), "City": None, "Title": "New"}))
    kafka.produce("events.deleted", fnv_guid("t"), json.dumps({"EventId": fnv_guid("t")}))
    kafka.produce("events.created", "k", "{not\x1b[31m json")
    wait_for(lambda: len(tail.log().splitlines()) == 2004, "tail to show everything")
    shown = tail.log()
    assert f'created  {fnv_guid("t")} "Ti\\u0007tle"' in shown
    assert f'updated  {fnv_guid("t")} city=null title="New"' in shown
    assert f"deleted  {fnv_guid('t')}" in shown
    assert "unreadable: " in shown and "\x1b" not in shown
    tail.child.send_signal(signal.SIGINT)
    assert tail.wait() == 0

    assert len(lag_rows(system)) == 9
    wait_for(lambda: sum(int(row[2]) for row in lag_rows(system) if row[2] != "-") == 2004, "the index to be at the end")
    wait_for(lambda: all(row[4] == "0" for row in lag_rows(system)), "no lag")
    positions = json.loads(weir("lag", "--json", "--url", system.indexer.url).stdout)["positions"]
    assert {p["topic"] for p in positions} == set(processes.TOPICS)


@pytest.mark.slow
def test_tail_outlives_its_broker_and_sees_new_partitions(own_kafka, tmp_path):
    own_kafka.delete_topics()
    own_kafka.create_topics(["events.created", "events.updated"])
    tail = processes.Process("tail", [BUILD / "cli" / "weir", "tail", "--brokers", own_kafka.brokers], tmp_path).start()
    wait_for(lambda: "no topic events.deleted yet" in tail.log(), "tail to say what is missing")
    own_kafka.kill()
    wait_for(lambda: "no broker answers" in tail.log(), "tail to say that the broker is away")
    own_kafka.start()
    wait_for(lambda: "a broker answers again" in tail.log(), "tail to say that it is back")
    own_kafka.create_topics(["events.deleted"])
    own_kafka.produce("events.deleted", "gone", '{"EventId": "gone"}')
    wait_for(lambda: "deleted  gone" in tail.log(), "the message of the new topic")
    assert tail.stop() == 0


def test_tail_ends_quietly_with_its_reader(own_kafka):
    for n in range(3):
        own_kafka.produce("events.created", str(n), json.dumps({"EventId": str(n), "Title": "x" * 100}))
    shell = f"'{BUILD}/cli/weir' tail --from-beginning --brokers {own_kafka.brokers} | head -n 1"
    done = subprocess.Popen(["bash", "-c", shell], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert "created" in done.stdout.readline()
    own_kafka.produce("events.created", "more", json.dumps({"EventId": "more", "Title": "x"}))
    assert done.communicate(timeout=60) == ("", "")


def lag_rows(system):
    lines = weir("lag", "--url", system.indexer.url).stdout.splitlines()
    assert lines[0] == "group eventsearch-group"
    return [line.split() for line in lines[2:]]


def test_search_table_json_and_statuses(system):
    for n in range(3):
        assert system.post({"title": f"Con\u202ecert {n} \u65e5\u672c\u8a9e " + "x" * (200 * n), "category": "Music",
                            "price": n + 10}).status_code == 201
    system.wait_total(3)
    url = ["--url", system.searchd.url]
    answer = json.loads(weir("search", "category:music", "--sort=-price", "--limit", 2, *url).stdout)
    assert answer["total"] == 3 and [hit["event"]["price"] for hit in answer["hits"]] == [12, 11]
    assert weir("search", "category:music", "-nothing", "--filter", "price=11..12", *url).returncode == 0
    shown, status = on_terminal("search", "category:music", "--sort", "price", *url)
    lines = shown.splitlines()
    assert status == 0 and len(lines) == 6 and lines[5].startswith("3 of 3, ")
    assert lines[0].split() == ["title", "category", "city", "startDate", "price"]
    assert "\u202e" not in shown and "\u2026" in lines[3]
    assert all(len(line) + 3 <= 103 for line in lines[:4])
    assert on_terminal("search", "--fields", "id,price", "--limit", 1, *url)[0].splitlines()[0].split() == ["id", "price"]
    assert json.loads(on_terminal("search", "--json", *url)[0])["total"] == 3
    shown, status = on_terminal("search", "nothing_like_this", *url)
    assert status == 1 and shown.startswith("0 of 0")
    assert weir("search", "nothing_like_this", *url, check=False).returncode == 1
    assert "column 1" in refused(2, "search", '"open', *url)
    assert "nosuch" in refused(2, "search", "--filter", "nosuch=1", *url)
    assert "nosuch" in refused(2, "search", "--sort", "nosuch", *url)
