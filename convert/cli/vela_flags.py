"""The flags of Vela, the compiler for Ethos-U."""

from absl import flags

from corallite.convert.ethos_u.vela_program import Options

# --help then lists the flags among those of the program that calls `define`.
flags.disclaim_key_flags()

NAMES = ("vela_config", "system_config", "memory_mode")
_MEANINGS = (
    "file of Vela's with the clocks and memories of a board.",
    "clocks and bandwidths, a section of that file.",
    "what is in which memory, a section of that file.",
)


def define() -> None:
    """Defines the flags."""
    for name, meaning in zip(NAMES, _MEANINGS, strict=True):
        flags.DEFINE_string(name, "", f"Ethos-U: {meaning}")


def read_options(accelerator: str, timeout_s: float) -> Options:
    """Returns the options that the flags give."""
    values = {name: flags.FLAGS[name].value for name in NAMES}
    return Options(accelerator, timeout_s=timeout_s, **values)
