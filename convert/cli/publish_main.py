"""Publishes a model to all devices that follow a channel.

corallite publish --model=model_int8.tflite --channel=public/
corallite publish --model=model_int8.tflite --channel=public/ --rollout=25
corallite publish --channel=public/ --renew

A channel is a folder for any web server. Devices run corallite classify or serve with
--model=https://HOST/FOLDER/channel.json, and replace their model by the published one.
Everything is signed with a key that stays on this machine. Upload targets/ first,
then metadata/ without *.root.json, then all. The signatures are valid for 90 days:
publish or --renew at least once a month. To go back, publish the former model again.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from corallite.device.channel.packages import require_packages
from corallite.device.cli import program
from corallite.device.system.errors import RequestError

if TYPE_CHECKING:
    from corallite.convert.publish.change import Published

_MODEL = flags.DEFINE_string(
    "model", None, "The .tflite file to publish; --model= may be left out."
)
_CHANNEL = flags.DEFINE_string(
    "channel", None, "Folder of the channel, to upload.", required=True
)
_ROLLOUT = flags.DEFINE_integer(
    "rollout",
    100,
    "Percentage of the devices that get the model; publish it again with more.",
    lower_bound=0,
    upper_bound=100,
)
_MIN_VERSION = flags.DEFINE_string(
    "min_version",
    None,
    "Oldest version of Corallite that may run the model, such as 0.1.0.",
)
_RENEW = flags.DEFINE_boolean(
    "renew", False, "Sign the channel again if less than 45 days are left."
)
_ROTATE_KEY = flags.DEFINE_boolean(
    "rotate_key", False, "Replace the key of the channel by a new one."
)
_KEYS = flags.DEFINE_string(
    "keys", None, "Folder of the private keys; default, ~/.config/corallite/keys."
)


def main(argv: Sequence[str]) -> None:
    model = program.take_model(argv, _MODEL.value)
    if sum((model is not None, _RENEW.value, _ROTATE_KEY.value)) != 1:
        raise RequestError(
            "Expected one of --model, --renew and --rotate_key; give one of them."
        )
    _refuse_without_model(model)
    require_packages("publish")
    # Imported late: --help and the check above must work without the packages.
    from corallite.convert.publish import change
    from corallite.convert.publish.keys import default_folder

    channel = Path(_CHANNEL.value)
    keys = Path(_KEYS.value) if _KEYS.value else default_folder()
    if _RENEW.value:
        made = change.renew(channel, keys)
    elif _ROTATE_KEY.value:
        made = change.replace_key(channel, keys)
    else:
        limits = {"rollout": _ROLLOUT.value, "min_version": _MIN_VERSION.value}
        made = change.publish(Path(model or ""), channel, keys, **limits)
    until = f"signed until {made.expires:%Y-%m-%d}"
    unchanged = "" if made.is_changed else "; nothing to renew yet"
    print(f"{channel}: {_describe(made)}{until}{unchanged}")
    if made.is_new_key:
        print(f"new key {made.key}: keep a copy elsewhere, and never upload it")


def _refuse_without_model(model: str | None) -> None:
    for name in ("rollout", "min_version"):
        if model is None and flags.FLAGS[name].present:
            raise RequestError(
                f"--{name}: is for a model; give its file with --model, or leave "
                f"--{name} out."
            )


def _describe(made: "Published") -> str:
    """Returns what devices get, as the start of a line."""
    release = made.release
    least = f" with Corallite {release.min_version}" if release.min_version else ""
    size = "all" if release.rollout == 100 else f"{release.rollout} % of the"
    return f"release {release.number} for {size} devices{least}, "


if __name__ == "__main__":
    program.run(main)
