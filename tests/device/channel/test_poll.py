"""A device that polls: what it gets, and what an attacker does not get past it."""

import json
import shutil
import time
from datetime import datetime, timedelta, timezone

import pytest

from corallite.convert.publish import change, channel_folder, repository
from corallite.convert.publish import keys as key_files
from corallite.device.channel.release import is_in_rollout
from corallite.device.channel.store import Store

NOW = datetime.now(timezone.utc)


def answer_with(content, **headers):
    """Returns a function that answers a request with this content."""

    def answer(handler):
        handler.send_response(200)
        for name, value in {"Content-Length": len(content), **headers}.items():
            handler.send_header(name.replace("_", "-"), str(value))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def read(folder):
    """Returns the channel of a folder."""
    found = channel_folder.read(folder)
    assert found is not None
    return found


def copy(folder, place):
    return shutil.copytree(folder, place / "copy", dirs_exist_ok=True)


def model_of(device, reply):
    return (Store(device.folder).folder_of(reply.digest) / "model.tflite").read_bytes()


def test_model_arrives_as_it_was_published(channel, device, make_model):
    channel.publish("1")
    reply = device.poll()
    assert reply[:4] == ("current", "", 1, 1)
    assert model_of(device, reply) == make_model("1").read_bytes()


def test_poll_without_news_takes_two_requests(channel, device):
    channel.publish("1")
    reply = device.poll()
    channel.requests.clear()
    assert device.poll(current=reply.digest) == reply
    assert channel.requests == ["/metadata/2.root.json", "/metadata/timestamp.json"]


def test_new_release_and_the_former_one_again_arrive(channel, device, make_model):
    for number, version in enumerate(("1", "2", "1"), start=1):
        channel.publish(version)
        reply = device.poll()
        assert (reply.number, reply.newest) == (number, number)
        assert model_of(device, reply) == make_model(version).read_bytes()


def test_device_outside_of_the_rollout_keeps_the_former_release(channel, device):
    channel.publish("1")
    release = channel.publish("2", rollout=25)
    places = [f"device {number}" for number in range(40)]
    inside = [x for x in places if is_in_rollout(x, release.target, 25)]
    assert 0 < len(inside) < 40
    for name in places[:10]:
        reply = device.poll(device=name)
        assert reply.number == (2 if name in inside else 1)
        assert reply.state == ("current" if name in inside else "waiting")
    assert (
        "release 2 is for 25 % of the devices so far"
        in device.poll(device=next(x for x in places if x not in inside)).reason
    )
    channel.publish("2", rollout=100)
    assert all(device.poll(device=name).number == 2 for name in places[:5])


def test_device_with_an_old_corallite_keeps_the_former_release(channel, device):
    channel.publish("1")
    channel.publish("2", min_version="1.2")
    reply = device.poll(version="1.1.9")
    assert (reply.state, reply.number) == ("waiting", 1)
    assert reply.reason == "release 2 needs Corallite 1.2, not 1.1.9"
    assert device.poll(version="1.2.0").number == 2


def test_refused_model_is_not_offered_again(channel, device):
    channel.publish("1")
    bad = channel.publish("2")
    channel.requests.clear()
    reply = device.poll(refused={bad.digest: "it crashed"})
    assert (reply.state, reply.number) == ("refused", 0)
    assert not any("targets/" in path for path in channel.requests)


def test_old_metadata_replayed_is_refused(channel, device, tmp_path):
    channel.publish("1")
    old = copy(channel.folder, tmp_path)
    channel.publish("2")
    assert device.poll().number == 2
    shutil.rmtree(channel.folder)
    shutil.copytree(old, channel.folder)
    reply = device.poll()
    assert (reply.state, reply.number) == ("untrusted", 0)


def test_swapped_file_is_refused(channel, device, make_model):
    channel.publish("1")
    (path,) = (channel.folder / "targets").iterdir()
    other = make_model("2").read_bytes()
    assert len(other) == path.stat().st_size
    path.write_bytes(other)
    reply = device.poll()
    assert reply.state == "untrusted" and "were signed" in reply.reason
    assert not list((device.folder / "models").glob("[!.]*"))


def test_changed_metadata_is_refused(channel, device):
    channel.publish("1", rollout=0)
    path = channel.folder / "metadata" / "1.targets.json"
    path.write_bytes(path.read_bytes().replace(b'"rollout":0', b'"rollout":100'))
    assert device.poll().state == "untrusted"


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"<html>", b'{"signed": 1}'])
def test_channel_file_without_a_root_is_not_trusted(channel, device, text):
    channel.publish("1")
    channel.answers["/channel.json"] = answer_with(text)
    assert device.poll().state == "untrusted"
    channel.answers.clear()
    assert device.poll().state == "current"


def test_root_of_another_key_is_refused_after_the_first_contact(
    channel, device, tmp_path
):
    channel.publish("1")
    assert device.poll().number == 1
    channel.clear()
    channel.keys = tmp_path / "keys of an attacker"
    channel.publish("2")
    assert device.poll().state == "untrusted"


def test_given_root_is_trusted_and_no_other(channel, device, tmp_path):
    channel.publish("1")
    root = (channel.folder / "channel.json").read_bytes()
    Store(device.folder).pin_root(root)
    assert device.poll().number == 1
    assert "/channel.json" not in channel.requests
    channel.clear()
    channel.keys = tmp_path / "keys of an attacker"
    channel.publish("2")
    other = tmp_path / "another device"
    Store(other).pin_root(root)
    assert device.poll(folder=str(other)).state == "untrusted"


def test_device_follows_a_new_key(channel, device):
    channel.publish("1")
    assert device.poll().number == 1
    change.replace_key(channel.folder, channel.keys)
    assert device.poll().number == 1
    channel.publish("2")
    assert device.poll().number == 2


def test_device_that_was_off_follows_two_new_keys(channel, device):
    channel.publish("1")
    assert device.poll().number == 1
    for version in ("2", "3"):
        change.replace_key(channel.folder, channel.keys)
        channel.publish(version)
    assert device.poll().number == 3


def test_device_accepts_both_keys_until_the_new_root_is_there(channel, device):
    """As it sees a channel whose upload has not ended."""
    channel.publish("1")
    assert device.poll().number == 1
    change.replace_key(channel.folder, channel.keys)
    root = (channel.folder / "metadata" / "2.root.json").read_bytes()
    (channel.folder / "metadata" / "2.root.json").unlink()
    assert device.poll().state == "current"
    (channel.folder / "metadata" / "2.root.json").write_bytes(root)
    assert device.poll().state == "current"


def test_signature_of_a_revoked_key_alone_is_refused(channel, device):
    channel.publish("1")
    old_key = key_files.find(channel.keys, read(channel.folder).key_ids)
    change.replace_key(channel.folder, channel.keys)
    channel.publish("2")
    assert device.poll().number == 2
    forged = read(channel.folder)
    repository.sign(forged, [old_key], NOW)
    channel_folder.write(forged, channel.folder, {})
    assert device.poll().state == "untrusted"


def test_metadata_of_two_states_is_refused(channel, device):
    """Mix-and-match: the newest timestamp and snapshot, with an older list."""
    channel.publish("1")
    channel.publish("2")
    metadata = channel.folder / "metadata"
    newest = (metadata / "2.targets.json").read_bytes()
    shutil.copy(metadata / "1.targets.json", metadata / "2.targets.json")
    reply = device.poll()
    assert (reply.state, reply.number) == ("untrusted", 0)
    (metadata / "2.targets.json").write_bytes(newest)
    assert device.poll().number == 2


def test_fast_forward_attack_is_healed_by_a_new_key(channel, device, tmp_path):
    """With a stolen key, versions that no later publication reaches."""
    channel.publish("1")
    mine = copy(channel.folder, tmp_path)
    forged = read(channel.folder)
    for part in (forged.targets, forged.snapshot, forged.timestamp):
        part.signed.version = 10**9
    old_key = key_files.find(channel.keys, forged.key_ids)
    repository.sign(forged, [old_key], NOW)
    channel_folder.write(forged, channel.folder, {})
    assert device.poll().number == 1
    channel.clear()
    shutil.copytree(mine, channel.folder, dirs_exist_ok=True)
    channel.publish("2")
    assert device.poll().state == "untrusted"
    change.replace_key(channel.folder, channel.keys)
    assert device.poll().number == 2


@pytest.mark.parametrize("part", ["timestamp.json", "1.root.json", "model-1"])
def test_half_a_download_is_not_used(channel, device, part):
    channel.publish("1")
    if part == "1.root.json":
        part, path = "/channel.json", channel.folder / "channel.json"
    else:
        (path,) = channel.folder.rglob(f"*{part}*")
    content = path.read_bytes()
    half = answer_with(content[: len(content) // 2], Content_Length=len(content))
    channel.answers[part] = half
    reply = device.poll()
    assert reply.state in ("unreachable", "untrusted") and not reply.number
    channel.answers.clear()
    assert device.poll().number == 1


@pytest.mark.parametrize("part", ["/channel.json", "timestamp.json", "model-1"])
def test_endless_data_ends(channel, device, part):
    sent = []

    def answer(handler):
        handler.send_response(200)
        handler.end_headers()
        # Far more than the longest that is accepted, which is 512,000 bytes.
        for _ in range(200):
            sent.append(handler.wfile.write(bytes(10**6)))
            time.sleep(0.001)

    channel.publish("1")
    channel.answers[part] = answer
    reply = device.poll()
    assert reply.state == "untrusted"
    assert len(sent) < 200
    channel.answers.clear()
    assert device.poll().number == 1


def test_expired_metadata_is_refused_until_it_is_renewed(channel, device):
    long_ago = NOW - repository.VALIDITY - timedelta(days=1)
    channel.publish("1", now=lambda: long_ago)
    reply = device.poll()
    assert reply.state == "expired" and "corallite publish --renew" in reply.reason
    change.renew(channel.folder, channel.keys)
    assert device.poll().number == 1


@pytest.mark.parametrize("rollout", ["100", None, True])
def test_signed_fields_of_another_kind_are_refused(
    channel, device, rollout, monkeypatch
):
    fields = {"release": 1, "rollout": rollout, "min_version": "", "cpu": ""}
    monkeypatch.setattr(repository.Release, "to_custom", lambda release: fields)
    channel.publish("1")
    reply = device.poll()
    assert reply.state == "failed" and "update Corallite" in reply.reason


def test_redirection_of_the_first_contact_is_refused(channel, device):
    def redirect(handler):
        handler.send_response(302)
        handler.send_header("Location", "/metadata/1.root.json")
        handler.end_headers()

    channel.publish("1")
    channel.answers["/channel.json"] = redirect
    reply = device.poll()
    assert reply == ("unreachable", "the server answers 302", 0, 0, "")


def test_server_that_is_away_is_named(channel, device):
    channel.publish("1")
    assert device.poll().number == 1
    channel.close()
    reply = device.poll()
    assert reply.state == "unreachable" and "refused" in reply.reason


def test_full_disk_is_named_and_costs_nothing(channel, device, monkeypatch):
    channel.publish("1")

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", fail)
        reply = device.poll()
    assert reply.state == "failed" and "No space left" in reply.reason
    assert device.poll().number == 1


def test_record_of_the_channel_names_no_device(channel, device):
    channel.publish("1")
    device.poll(device="secret")
    told = json.dumps(channel.requests)
    assert "secret" not in told
