# SPDX-License-Identifier: MIT
"""Brokers that do not let us in, or cannot be found where they say they are: a clear line, health, no
spinning, and going on by itself once it is mended."""
import json
import shutil
import subprocess

import pytest
import requests

from processes import Kafka, free_port, kafka_missing, wait_for
from test_weather_log import produce

GROUP = 3
TLS = ["UNKNOWN", "EXPIRED", "ELSEWHERE"]
PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"


def openssl(folder, *arguments):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def make_certificates(folder):
    """A CA, and the broker's file for each listener: what it is at first, and what it should be."""
    folder.mkdir()
    for authority in ("ca", "other-ca"):
        openssl(folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{authority}.key", "-out", f"{authority}.pem",
                "-subj", f"/CN={authority}", "-days", "2")
    openssl(folder, "req", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "request.pem", "-subj", "/CN=broker")
    for name, authority, days, where in (("GOOD", "ca", 2, "DNS:localhost"), ("UNKNOWN", "other-ca", 2, "DNS:localhost"),
                                         ("EXPIRED", "ca", -1, "DNS:localhost"), ("ELSEWHERE", "ca", 2, "DNS:elsewhere.example")):
        (folder / "names").write_text(f"subjectAltName={where}\n")
        openssl(folder, "x509", "-req", "-in", "request.pem", "-CA", f"{authority}.pem", "-CAkey", f"{authority}.key", "-CAcreateserial",
                "-days", str(days), "-extfile", "names", "-out", "certificate.pem")
        (folder / f"{name}.pem").write_text((folder / "key.pem").read_text() + (folder / "certificate.pem").read_text())
    return folder


def use_certificate(kafka, folder, listener, name):
    kafka.properties[f"listener.name.{listener.lower()}.ssl.keystore.type"] = "PEM"
    kafka.properties[f"listener.name.{listener.lower()}.ssl.keystore.location"] = folder / f"{name}.pem"


def set_users(kafka, **passwords):
    kafka.properties["listener.name.plain.plain.sasl.jaas.config"] = PLAIN + "".join(
        f' user_{user}="{password}"' for user, password in passwords.items()) + ";"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A broker with everything wrong: its certificates, one user's password, what users may do, and where it
    says one listener is."""
    missing = kafka_missing() or (None if shutil.which("openssl") else "no openssl on this machine")
    if missing:
        pytest.skip(missing)
    folder = tmp_path_factory.mktemp("guarded")
    certificates = make_certificates(folder / "tls")
    kafka = Kafka(folder / "kafka", listeners={**{name: "SSL" for name in TLS}, "PLAIN": "SASL_PLAINTEXT", "LOST": "PLAINTEXT"},
                  authorizer__class__name="org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                  super__users="User:ANONYMOUS", sasl__enabled__mechanisms="PLAIN")
    for name in TLS:
        use_certificate(kafka, certificates, name, name)
    set_users(kafka, late="another one", stranger="secret", reader="secret")
    # by name, so that certificates have one; and LOST is nowhere
    kafka.properties["advertised.listeners"] = kafka.addresses("CONTROLLER", LOST=free_port()).replace("127.0.0.1", "localhost")
    kafka.properties["advertised.listeners"] = kafka.properties["advertised.listeners"].replace(
        f"PLAINTEXT://localhost:{kafka.port}", f"PLAINTEXT://127.0.0.1:{kafka.port}")
    kafka.start()
    kafka.create_topics()
    kafka.allow("reader", 2, "events.")
    yield kafka
    kafka.stop()


def mend(kafka):
    kafka.stop()
    for name in TLS:
        use_certificate(kafka, kafka.folder.parent / "tls", name, "GOOD")
    set_users(kafka, late="secret", stranger="secret", reader="secret")
    kafka.properties["super.users"] = "User:ANONYMOUS;User:stranger;User:reader;User:late"
    kafka.properties["advertised.listeners"] = kafka.addresses("CONTROLLER").replace("127.0.0.1", "localhost").replace(
        f"PLAINTEXT://localhost:{kafka.port}", f"PLAINTEXT://127.0.0.1:{kafka.port}")
    kafka.start()


def plain(user):
    return {"security__protocol": "SASL_PLAINTEXT", "sasl__mechanism": "PLAIN", "sasl__username": user, "sasl__password": "secret"}


# Of each: the listener, the client's properties, and what health and log say.
WRONG = {
    "unknown CA": ("UNKNOWN", {"security__protocol": "SSL"}, "certificate is of no CA that is known here"),
    "expired": ("EXPIRED", {"security__protocol": "SSL"}, "certificate has expired"),
    "another host": ("ELSEWHERE", {"security__protocol": "SSL"}, "certificate is for another host name"),
    "wrong password": ("PLAIN", plain("late"), "Authentication failed"),
    "topics not allowed": ("PLAIN", plain("stranger"), "Topic authorization failed"),
    "advertised elsewhere": ("LOST", {}, "Connection refused"),
}


def health(daemon):
    return json.dumps(requests.get(f"{daemon.url}/health/ready", timeout=5).json())


def seconds_used(daemon):
    """Of processor time."""
    numbers = open(f"/proc/{daemon.child.pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(numbers[11]) + int(numbers[12])) / 100


@pytest.mark.slow  # what is tested is what librdkafka says
def test_each_reason_is_said_nothing_spins_and_all_go_on_when_it_is_mended(guarded, make_system):
    systems = {}
    for name, (listener, properties, _) in {**WRONG, "group not allowed": ("PLAIN", plain("reader"), None)}.items():
        settings = {f"kafka__rdkafka__{key}": value for key, value in properties.items()}
        if properties.get("security__protocol") == "SSL":
            settings["kafka__rdkafka__ssl__ca__location"] = guarded.folder.parent / "tls" / "ca.pem"
        systems[name] = make_system(f"localhost:{guarded.ports[listener]}", **settings)
        systems[name].indexer.start()
    wrong = {name: systems[name] for name in WRONG}
    relay = systems["wrong password"]
    wait_for(relay.eventd.start().alive, "eventd")
    assert relay.post({"title": "Written while nobody let us in"}).status_code == 201
    for name, system in wrong.items():
        wait_for(system.indexer.alive, "the indexer to live")
        wait_for(lambda: WRONG[name][2] in health(system.indexer), f"health to say: {name}")
        wait_for(lambda: any(WRONG[name][2] in line and "event=kafka" in line for line in system.indexer.log().splitlines()),
                 f"the log to say: {name}")
        assert not system.indexer.ready()
    assert guarded.properties["advertised.listeners"].rsplit(":", 1)[1] in health(systems["advertised elsewhere"].indexer)
    # One that may not commit the group's offsets reads all the same, and says so.
    reader = systems["group not allowed"].indexer.wait_ready()
    produce(guarded, 3)
    wait_for(lambda: "Group authorization failed" in health(reader), "health to say that the group is not allowed")
    assert reader.ready() and reader.log().count("event=group_commit") == 1
    for name, system in systems.items():
        assert len(system.indexer.log().splitlines()) < 15, system.indexer.log()
    assert any("Authentication failed" in line for line in relay.eventd.log().splitlines())
    used = {name: seconds_used(system.indexer) for name, system in systems.items()}
    # They try about once a second each.
    assert all(each < 3 for each in used.values()), used
    mend(guarded)
    for name, system in systems.items():
        wait_for(system.indexer.ready, f"the indexer to go on when it is mended: {name}")
        wait_for(lambda: system.indexer.metric("weir_indexer_messages_total") == 4, f"all to be read: {name}")
        assert len(system.indexer.log().splitlines()) < 30, system.indexer.log()
    wait_for(lambda: "Group authorization failed" not in health(reader), "the group's offsets to be committed again")
