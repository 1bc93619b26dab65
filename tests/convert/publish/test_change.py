"""Publishing: what is in the folder, who may sign it, and until when."""

import json
import shutil
from datetime import datetime, timedelta, timezone

import pytest

from corallite.convert.publish import change, channel_folder
from corallite.device.channel.release import Release
from corallite.device.image.preprocess import Preprocessing
from corallite.device.model.manifest import Manifest
from corallite.device.model.write import attach_manifest
from corallite.device.system.errors import RequestError

MANIFEST = Manifest.of_classifier(
    "tiny", "1", ("red", "green", "blue"), Preprocessing((32, 32))
)
NOW = datetime(2027, 1, 1, tzinfo=timezone.utc)


@pytest.fixture
def make(tiny_models, tmp_path):
    """A function that returns the path of a model with this version."""

    def make(version):
        path = tmp_path / f"{version}.tflite"
        manifest = MANIFEST._replace(version=version)
        content = attach_manifest(tiny_models["uint8"].read_bytes(), manifest)
        path.write_bytes(content)
        return path

    return make


@pytest.fixture
def folders(tmp_path):
    return tmp_path / "public", tmp_path / "keys"


def read(folder):
    """Returns the channel of a folder."""
    found = channel_folder.read(folder)
    assert found is not None
    return found


def files_of(folder):
    return sorted(str(x.relative_to(folder)) for x in folder.rglob("*") if x.is_file())


def test_first_publication_makes_the_channel_and_its_key(make, folders):
    channel, keys = folders
    made = change.publish(make("1"), channel, keys)
    assert made.is_new_key and made.release.number == 1
    (key,) = keys.iterdir()
    assert key == made.key and key.stat().st_mode & 0o777 == 0o600
    assert keys.stat().st_mode & 0o777 == 0o700
    names = files_of(channel)
    (model,) = [name for name in names if name.startswith("targets/")]
    assert (channel / model).read_bytes() == make("1").read_bytes()
    signed = ["1.root.json", "1.snapshot.json", "1.targets.json", "timestamp.json"]
    assert [x for x in names if x != model] == [
        "channel.json",
        *(f"metadata/{name}" for name in signed),
    ]
    root = (channel / "metadata" / "1.root.json").read_bytes()
    assert (channel / "channel.json").read_bytes() == root


def test_nothing_of_the_key_is_in_the_channel(make, folders):
    channel, keys = folders
    change.publish(make("1"), channel, keys)
    change.replace_key(channel, keys)
    private = [line for key in keys.iterdir() for line in key.read_text().splitlines()]
    secrets = [line for line in private if "-----" not in line]
    text = "".join(x.read_text("latin-1") for x in channel.rglob("*") if x.is_file())
    assert len(secrets) == 2 and not any(secret in text for secret in secrets)


@pytest.mark.parametrize("inside", [".", "keys", "metadata/keys"])
def test_keys_inside_of_the_channel_are_refused(make, folders, inside):
    channel, _ = folders
    with pytest.raises(RequestError, match="inside the channel"):
        change.publish(make("1"), channel, channel / inside)
    assert not list(channel.rglob("*.pem"))


def test_link_of_keys_into_the_channel_is_refused(make, folders):
    channel, keys = folders
    (channel / "keys").mkdir(parents=True)
    keys.symlink_to(channel / "keys")
    with pytest.raises(RequestError, match="inside the channel"):
        change.publish(make("1"), channel, keys)


def test_newest_model_again_changes_only_whom_it_is_for(make, folders):
    first = change.publish(make("1"), *folders, rollout=25, min_version="0.2")
    again = change.publish(make("1"), *folders, rollout=50)
    assert again.release == first.release._replace(rollout=50)
    third = change.publish(make("1"), *folders, min_version="")
    assert third.release == first.release._replace(rollout=100, min_version="")


def test_releases_stay_until_a_newer_one_is_for_all(make, folders):
    def numbers():
        return [x.number for x in read(folders[0]).releases]

    change.publish(make("1"), *folders)
    change.publish(make("2"), *folders, rollout=25)
    change.publish(make("3"), *folders, min_version="9")
    assert numbers() == [1, 2, 3]
    change.publish(make("4"), *folders, rollout=99)
    assert numbers() == [1, 2, 3, 4]
    change.publish(make("4"), *folders)
    assert numbers() == [4]


def test_channel_does_not_grow(make, folders):
    channel, _ = folders
    for number in range(12):
        change.publish(make(f"{number % 3}"), *folders)
    names = files_of(channel)
    # The newest release, and the one before for devices that are downloading it.
    assert sum(name.startswith("targets/") for name in names) == 2
    # Three versions of targets and of snapshot, timestamp, one root and its copy.
    assert len(names) == 2 + 2 * 3 + 3


def test_releases_that_are_never_for_all_do_not_grow(make, folders):
    for number in range(23):
        change.publish(make(f"{number % 3}"), *folders, rollout=1)
    assert len(read(folders[0]).releases) == 20


def test_signatures_last_90_days_and_renewal_begins_in_the_second_half(make, folders):
    made = change.publish(make("1"), *folders, now=lambda: NOW)
    assert made.expires == NOW + timedelta(days=90)
    before = files_of(folders[0])
    early = change.renew(*folders, now=lambda: NOW + timedelta(days=44))
    assert not early.is_changed and files_of(folders[0]) == before
    late = NOW + timedelta(days=46)
    made = change.renew(*folders, now=lambda: late)
    assert made.is_changed and made.expires == late + timedelta(days=90)
    assert made.release == read(folders[0]).releases[-1]


def test_root_is_renewed_in_its_second_year(make, folders):
    change.publish(make("1"), *folders, now=lambda: NOW)
    later = NOW + timedelta(days=366)
    change.renew(*folders, now=lambda: later)
    root = read(folders[0]).root.signed
    assert (root.version, root.expires) == (2, later + timedelta(days=730))


def test_publishing_with_another_machines_key_is_refused(make, folders, tmp_path):
    channel, keys = folders
    change.publish(make("1"), channel, keys)
    before = files_of(channel)
    with pytest.raises(RequestError, match="does not have the key of this channel"):
        change.publish(make("2"), channel, tmp_path / "other")
    assert files_of(channel) == before and not (tmp_path / "other").exists()


def test_damaged_key_is_refused(make, folders):
    channel, keys = folders
    made = change.publish(make("1"), channel, keys)
    made.key.write_text("no key")
    with pytest.raises(RequestError, match="is not the Ed25519 key of its name"):
        change.publish(make("2"), channel, keys)


def test_replaced_key_signs_alone_from_the_next_time_on(make, folders):
    channel, keys = folders
    old = change.publish(make("1"), channel, keys).key
    new = change.replace_key(channel, keys).key
    assert new != old and read(channel).key_ids == [new.stem]
    assert set(read(channel).timestamp.signatures) == {old.stem, new.stem}
    assert set(read(channel).root.signatures) == {old.stem, new.stem}
    old.unlink()
    change.publish(make("2"), channel, keys)
    assert set(read(channel).timestamp.signatures) == {new.stem}


@pytest.mark.parametrize("act", [change.renew, change.replace_key])
def test_folder_without_a_channel_is_refused(folders, act):
    with pytest.raises(RequestError, match="is not a channel; publish a model"):
        act(*folders)
    assert not folders[0].exists()


def test_damaged_channel_is_refused(make, folders):
    channel, _ = folders
    change.publish(make("1"), *folders)
    (channel / "metadata" / "1.targets.json").write_text("{}")
    with pytest.raises(RequestError, match="metadata: is damaged"):
        change.publish(make("2"), *folders)


@pytest.mark.parametrize("lost", ["timestamp.json", "1.root.json", "*.targets.json"])
def test_channel_that_lacks_a_file_is_not_made_anew(make, folders, lost):
    channel, keys = folders
    change.publish(make("1"), *folders)
    (path,) = (channel / "metadata").glob(lost)
    path.unlink()
    before = files_of(channel)
    with pytest.raises(RequestError, match=f"{path.name}: is missing; copy the folder"):
        change.publish(make("2"), *folders)
    assert files_of(channel) == before and len(list(keys.iterdir())) == 1


@pytest.mark.parametrize(
    "name", ["1.root.json", "1.targets.json", "timestamp.json", "channel.json"]
)
def test_interrupted_first_publication_is_finished_by_the_same_command(
    make, folders, monkeypatch, name
):
    channel, keys = folders
    written = channel_folder.files.write_bytes

    def end(path, content):
        if path.name == name:
            raise KeyboardInterrupt
        written(path, content)

    with monkeypatch.context() as patched:
        patched.setattr(channel_folder.files, "write_bytes", end)
        with pytest.raises(KeyboardInterrupt):
            change.publish(make("1"), *folders)
    made = change.publish(make("1"), *folders)
    assert made.release.number == 1 and read(channel).releases == [made.release]
    assert read(channel).key_ids == [made.key.stem]
    root = (channel / "metadata" / "1.root.json").read_bytes()
    assert (channel / "channel.json").read_bytes() == root
    if name not in ("1.root.json", "channel.json"):
        assert made.is_new_key and list(keys.iterdir()) == [made.key]


def test_interrupted_first_publication_needs_its_key(make, folders):
    channel, keys = folders
    made = change.publish(make("1"), *folders)
    (channel / "metadata" / "timestamp.json").unlink()
    (channel / "channel.json").unlink()
    made.key.unlink()
    with pytest.raises(RequestError, match="does not have the key of this channel"):
        change.publish(make("1"), *folders)
    assert not list(keys.iterdir())


def test_lost_model_is_reported_and_written_again(make, folders):
    channel, _ = folders
    change.publish(make("1"), *folders)
    (path,) = (channel / "targets").iterdir()
    path.write_bytes(b"torn")
    with pytest.raises(RequestError, match=r"1\.tflite: is missing or damaged"):
        change.renew(*folders)
    with pytest.raises(RequestError, match=r"1\.tflite: is missing or damaged"):
        change.publish(make("2"), *folders, rollout=5)
    assert change.publish(make("1"), *folders).release.number == 1
    assert path.read_bytes() == make("1").read_bytes()
    path.unlink()
    assert change.publish(make("2"), *folders).release.number == 2


@pytest.mark.parametrize("act", [change.renew, change.replace_key, change.publish])
def test_signing_before_the_former_signature_is_refused(make, folders, act):
    change.publish(make("1"), *folders, now=lambda: NOW)
    model = [make("2")] if act is change.publish else []
    early = NOW - timedelta(minutes=1)
    with pytest.raises(RequestError, match="correct the date of this machine"):
        act(*model, *folders, now=lambda: early)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_key_that_others_may_read_is_refused(make, folders, mode):
    change.publish(make("1"), *folders).key.chmod(mode)
    with pytest.raises(RequestError, match="other users .* may read .* chmod 600"):
        change.publish(make("2"), *folders)


def test_key_in_the_channel_is_refused(make, folders):
    channel, _ = folders
    made = change.publish(make("1"), *folders)
    copy = shutil.copy(made.key, channel / "metadata" / "copy.pem")
    with pytest.raises(RequestError, match=f"{copy}: may be a private key"):
        change.renew(*folders)


@pytest.mark.parametrize("content", [b"", b"text", bytes(5000)])
def test_file_of_another_kind_is_not_published(folders, tmp_path, content):
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    with pytest.raises(RequestError, match="model.tflite"):
        change.publish(path, *folders)
    assert not folders[0].exists()


def test_file_of_another_runtime_is_not_published(make, folders):
    other = shutil.copy(make("1"), make("1").with_name("other.onnx"))
    with pytest.raises(RequestError, match="is not a .tflite file"):
        change.publish(other, *folders)


def test_model_without_labels_is_not_published(tiny_models, folders, tmp_path):
    path = tmp_path / "plain.tflite"
    path.write_bytes(tiny_models["uint8"].read_bytes())
    with pytest.raises(RequestError, match="has no labels inside"):
        change.publish(path, *folders)


def test_version_of_another_form_is_refused(make, folders):
    with pytest.raises(RequestError, match="--min_version=v1: is not a version"):
        change.publish(make("1"), *folders, min_version="v1")


def test_model_for_the_edgetpu_goes_with_its_fallback(make, folders, monkeypatch):
    contents = [b"compiled", b"fallback"]
    monkeypatch.setattr(change, "_read_files", lambda model: contents)
    made = change.publish(make("1"), *folders)
    assert made.release.targets == ("model-1.tflite", "cpu-1.tflite")
    stored = {x.read_bytes() for x in (folders[0] / "targets").iterdir()}
    assert stored == set(contents)


def test_a_write_that_fails_leaves_the_former_state(make, folders, monkeypatch):
    channel, _ = folders
    change.publish(make("1"), *folders)
    written = channel_folder.files.write_bytes
    before = read(channel).releases

    def fail(path, content):
        if path.name == "timestamp.json":
            raise OSError(28, "No space left on device")
        written(path, content)

    with monkeypatch.context() as patched:
        patched.setattr(channel_folder.files, "write_bytes", fail)
        with pytest.raises(OSError, match="No space"):
            change.publish(make("2"), *folders)
    assert read(channel).releases == before
    assert change.publish(make("2"), *folders).release.number == 2


def test_what_devices_read_has_the_release(make, folders):
    made = change.publish(make("1"), *folders, rollout=25, min_version="0.1.0")
    signed = json.loads((folders[0] / "metadata" / "1.targets.json").read_text())
    (target,) = signed["signed"]["targets"].values()
    fields = {"release": 1, "rollout": 25, "min_version": "0.1.0", "cpu": ""}
    assert target["custom"] == fields == Release.to_custom(made.release)
