"""The table of stage kinds: each with its verb, its parents and its model file."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from corallite.train.runs.recipe import PRUNE, QUANTIZE, SLIM, TRAIN, Recipe

_EXPORTS = "exports/"
# What a training recorded before it could have a teacher.
UNTAUGHT = {"teacher": None, "unlabelled": None, "teacher_loss": "dist"}


@dataclasses.dataclass(frozen=True)
class StageKind:
    """One kind of stage.

    Attributes:
        name: Also the stage's folder in the run.
        verb: The verb of `corallite` that makes it.
        parents: Kinds that it can be made from; none for the first stage of a run.
        artifact: Its model file; "" if only its record names the files.
        runner: How it is measured: "litert" (a Keras model is exported as a float
            TFLite file first); "keras" for a Keras model without a file for a device;
            None if this machine cannot run it.
        is_quantized: Its Keras model has quantizers, so `convert` needs no calibration.
        recipe: Defaults of the verb's training flags; None if it does not train.
        settings: Defaults of the verb's other flags, by their name in the record.
        flag_names: Those flags that have another name than in the record.
        prefix: Of the training flags in `corallite pipeline`.
        files_key: Key of the list of files in the record of a stage with several.
        suggestion: What to do if the stage loses accuracy: one sentence.
        target: The --to of `convert` that makes it; "" for its default and other verbs.
    """

    name: str
    verb: str
    parents: tuple[str, ...]
    artifact: str = "model.h5"
    runner: str | None = "litert"
    is_quantized: bool = False
    recipe: Recipe | None = None
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    flag_names: Mapping[str, str] = dataclasses.field(default_factory=dict)
    prefix: str = ""
    files_key: str = "files"
    suggestion: str = "Make this stage again with other settings."
    target: str = ""

    @property
    def is_keras(self) -> bool:
        """Whether its artifact is a Keras model."""
        return self.artifact.endswith(".h5")

    @property
    def is_export(self) -> bool:
        """Whether it is a copy for another runtime, and not a step to the device."""
        return bool(self.target)

    @property
    def method(self) -> str:
        """The default --method of `convert` for it."""
        return self.name if self.is_quantized else "ptq"


_ROWS = (
    StageKind(
        "float",
        "train",
        (),
        recipe=TRAIN,
        suggestion="Run `corallite train` with more --epochs, a smaller --batch_size "
        "or another --learning_rate, or add photos, and check that each is in the "
        "folder of its class.",
    ),
    StageKind(
        "slim",
        "prune",
        ("float",),
        recipe=SLIM,
        prefix="slim_",
        settings={
            "method": "magnitude",
            "max_latency_ms": None,
            "max_macs": None,
            "max_bytes": None,
            "board": None,
        },
        suggestion="Remove fewer channels or train longer: a higher --max_latency_ms "
        "or more --epochs of `corallite prune --method=channels` (--slim_epochs of "
        "`corallite pipeline`).",
    ),
    StageKind(
        "pruned",
        "prune",
        ("float", "slim"),
        recipe=PRUNE,
        prefix="prune_",
        settings={"sparsity": None},
        suggestion="Prune less or longer: a lower --sparsity or more --epochs of "
        "`corallite prune` (--prune_epochs of `corallite pipeline`).",
    ),
    StageKind(
        "qat",
        "quantize",
        ("float", "slim", "pruned"),
        runner="keras",
        is_quantized=True,
        recipe=QUANTIZE,
        prefix="quantize_",
        settings={"granularity": "channel"},
        suggestion="Train longer for int8: more --epochs of `corallite quantize` "
        "(--quantize_epochs of `corallite pipeline`).",
    ),
    StageKind(
        "int8",
        "convert",
        ("float", "slim", "pruned", "qat"),
        artifact="model_int8.tflite",
        settings={
            "source": None,
            "method": None,
            "granularity": "channel",
            "calibration_count": 500,
            "precision": 0.95,
            "background_class": None,
        },
        suggestion="Convert with --method=auto, which tries quantization-aware "
        "training too, or calibrate on more images: --calibration_count of "
        "`corallite convert`.",
    ),
    StageKind(
        "edgetpu",
        "compile",
        ("int8",),
        artifact="model_int8_edgetpu.tflite",
        runner=None,
        settings={
            "timeout_s": 300.0,
            "retries": 2,
            "multiple_subgraphs": False,
            "show_operations": False,
            "search_delegate": False,
            "num_segments": 1,
            "min_runtime_version": None,
            "open_batch": False,
        },
        flag_names={"multiple_subgraphs": "enable_multiple_subgraphs"},
        files_key="compiled",
    ),
)
KINDS = {kind.name: kind for kind in _ROWS}
ETHOS_U = f"{_EXPORTS}ethos_u"
# Exports that another verb than `convert` makes too.
_COMPILED = {
    ETHOS_U: StageKind(
        ETHOS_U,
        "compile",
        ("int8",),
        artifact="model_int8_vela.tflite",
        runner=None,
        settings={
            "accelerator": None,
            "vela_config": "",
            "system_config": "",
            "memory_mode": "",
        },
        flag_names={"accelerator": "target"},
    )
}
# Of export targets, beside those of int8.
_EXPORT_SETTINGS = {"layout": "nhwc", "opset": 17, "symmetric": False}


def find_kind(name: str) -> StageKind:
    """Returns the kind of that name; `exports/NAME` is not in the table.

    Raises:
        KeyError: There is no such kind.
    """
    if name in _COMPILED:
        return _COMPILED[name]
    if not name.startswith(_EXPORTS):
        return KINDS[name]
    int8 = KINDS["int8"]
    return StageKind(
        name,
        int8.verb,
        (*int8.parents, int8.name),
        artifact="",
        runner=None,
        settings={**int8.settings, **_EXPORT_SETTINGS},
        target=name.removeprefix(_EXPORTS),
    )


def export_stage(target: str) -> str:
    """Returns the name of the stage that an export target makes."""
    return target if target in KINDS else f"{_EXPORTS}{target}"


def depth(name: str) -> int:
    """Returns the length of the longest way from a first stage to this one."""
    return 1 + max(map(depth, find_kind(name).parents), default=-1)
