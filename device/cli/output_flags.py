"""Flags for where results go, and the sinks that they describe."""

import contextlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from absl import flags

from corallite.device.camera.frame import FrameStream
from corallite.device.cli.flags import mqtt_flags
from corallite.device.engine.base import Engine
from corallite.device.model.manifest import Manifest
from corallite.device.model.refusal import UNKNOWN
from corallite.device.outputs.lines import Sink, Sinks
from corallite.device.system.errors import RequestError

if TYPE_CHECKING:
    from corallite.device.loop.count.counter import BoxCounter

flags.adopt_module_key_flags(mqtt_flags)
_ON_LABEL = flags.DEFINE_multi_string(
    "on_label",
    [],
    "Run the command of --run when this label becomes active (without --threshold: "
    "when it is the label); unknown: when there is no label. Repeat both flags for "
    "more labels.",
)
_RUN = flags.DEFINE_multi_string(
    "run",
    [],
    "The command for an --on_label: a program and arguments, without a shell. It gets "
    "CORALLITE_LABEL, _PROBABILITY, _SOURCE and _FRAME in its environment.",
)
_RUN_TIMEOUT = flags.DEFINE_float(
    "run_timeout", 30.0, "Seconds after which a command is killed.", lower_bound=0.1
)
_RUN_PAUSE = flags.DEFINE_float(
    "run_pause", 10.0, "Minimum seconds between starts of a command.", lower_bound=0.0
)
_COUNT = flags.DEFINE_multi_string(
    "count",
    [],
    "Count the boxes with this label, in --zone or everywhere, and those that cross "
    "--line. Repeat it for more labels. Only with a detector.",
)
_ZONE = flags.DEFINE_string(
    "zone",
    None,
    "X,Y X,Y X,Y ...: the corners of the zone, as shares (0 to 1) of the frame's width "
    "and height; a box counts if the middle of its lower edge is inside.",
)
_LINE = flags.DEFINE_string(
    "line",
    None,
    "X,Y X,Y: two points as in --zone; counts boxes that pass between them to the left "
    "and to the right, seen from the first point to the second.",
)


@contextlib.contextmanager
def open_sinks(
    engine: Engine,
    frames: FrameStream,
    *first: Sink,
    facts: Sequence[mqtt_flags.Fact] = (),
) -> Iterator[Sinks]:
    """Opens the sinks of the flags; closes them and `first` after the block.

    Args:
        engine: Makes the results.
        frames: Where their frames are from.
        first: Other sinks, which get each result earlier.
        facts: More fields of the state of --mqtt.

    Raises:
        RequestError: A flag has an invalid value, or a package is missing.
    """
    with contextlib.ExitStack() as stack:
        sinks: list[Sink] = []
        for sink in itertools.chain(first, _make_sinks(engine, frames, facts)):
            stack.callback(sink.close)
            sinks.append(sink)
        yield Sinks(sinks)


def make_counter(manifest: Manifest) -> "BoxCounter | None":
    """Creates what counts; None without --count.

    Raises:
        RequestError: A flag has an invalid value, or the model does not give such
            boxes.
    """
    places = {"zone": _ZONE.value, "line": _LINE.value}
    if not _COUNT.value:
        for name, value in places.items():
            if value is not None:
                raise RequestError(
                    f"--{name}: needs --count; give the label of what to count."
                )
        return None
    require_counted(manifest)
    # Imported late, as sinks are.
    from corallite.device.loop.count.areas import parse_line, parse_zone
    from corallite.device.loop.count.counter import BoxCounter

    zone = None if _ZONE.value is None else parse_zone(_ZONE.value)
    line = None if _LINE.value is None else parse_line(_LINE.value)
    return BoxCounter(_COUNT.value, zone, line)


def require_labels(manifest: Manifest) -> None:
    """Raises `RequestError` if a new model lacks a label that a flag waits for."""
    _require_labels(manifest.all_labels)
    if _COUNT.value:
        require_counted(manifest)


def require_counted(manifest: Manifest) -> None:
    """Raises `RequestError` if the model gives no boxes of a label of --count."""
    labels = manifest.boxes.labels if manifest.boxes else ()
    for label in _COUNT.value:
        if not labels:
            raise RequestError(
                f"--count={label}: counts boxes, but the model gives none; give a "
                "detector, or leave it out."
            )
        if label not in labels:
            raise RequestError(
                f"--count={label}: is not a label of this model's boxes, which are "
                f"{', '.join(labels[:10])}{' ...' if len(labels) > 10 else ''}."
            )


def refuse_without_source(**others: object) -> None:
    """Raises `RequestError` if a flag needs frames.

    Args:
        others: Values of flags of other modules that do, by name.
    """
    counting = {"count": _COUNT.value, "zone": _ZONE.value, "line": _LINE.value}
    _refuse(
        "needs frames, but there is no source; give a --source.",
        {**_sinks(), **counting, **others},
    )


def refuse_sinks(why: str) -> None:
    """Raises `RequestError` if a flag names a sink.

    Args:
        why: The end of a sentence that begins with the flag.
    """
    _refuse(why, _sinks())


def _sinks() -> dict[str, object]:
    return {**mqtt_flags.values(), "on_label": _ON_LABEL.value, "run": _RUN.value}


def _refuse(why: str, values: Mapping[str, object]) -> None:
    for name, value in values.items():
        # A list or a switch is false if its flag was not given; an empty text is not.
        if value or value == "":
            raise RequestError(f"--{name}: {why}")


def require_named(background: str) -> None:
    """Raises `RequestError` if a command waits for a class that is never named."""
    if background not in ("", UNKNOWN) and background in _ON_LABEL.value:
        raise RequestError(
            f"--on_label={background}: is the class of what is no class, which is "
            f"never named; give --on_label={UNKNOWN}, or a --threshold."
        )


def _make_sinks(
    engine: Engine, frames: FrameStream, facts: Sequence[mqtt_flags.Fact]
) -> Iterator[Sink]:
    mqtt_flags.require_broker()
    # Imported late: they would slow down each start.
    if _ON_LABEL.value or _RUN.value:
        from corallite.device.outputs import command_hook

        for label, command in _pair_commands(engine.manifest.all_labels):
            arguments = command_hook.parse_command(command)
            limits = {"timeout_s": _RUN_TIMEOUT.value, "pause_s": _RUN_PAUSE.value}
            yield command_hook.Hook(label, arguments, **limits)
    sink = mqtt_flags.make_sink(engine, frames, facts)
    if sink is not None:
        yield sink


def _pair_commands(labels: Sequence[str]) -> list[tuple[str, str]]:
    names, commands = _ON_LABEL.value, _RUN.value
    if len(names) != len(commands):
        raise RequestError(
            f"--on_label was given {len(names)} times and --run {len(commands)} times; "
            "give one --run for each --on_label."
        )
    # Without labels, the model is taught later, and may get these.
    if labels:
        _require_labels(labels)
    return list(zip(names, commands, strict=True))


def _require_labels(labels: Sequence[str]) -> None:
    for name in _ON_LABEL.value:
        if name not in (*labels, UNKNOWN):
            raise RequestError(
                f"--on_label={name}: is not a label of this model; its labels are "
                f"{', '.join(labels[:10])}{' ...' if len(labels) > 10 else ''}."
            )
