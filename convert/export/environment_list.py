"""The environments of tools whose packages disagree with ours, with exact versions."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Environment:
    """What an environment consists of.

    Attributes:
        name: Key in ENVIRONMENTS.
        requirements: Each package with its version, as pip takes it.
        megabytes: Room on the disk that it takes, about.
        pythons: Versions of Python that the packages exist for, such as "3.11", the
            best first; none if any will do.
    """

    name: str
    requirements: tuple[str, ...]
    megabytes: int
    pythons: tuple[str, ...] = ()


# The versions that pip chose for the first, which is the one that is used.
_MEDIAPIPE = Environment(
    "mediapipe",
    (
        "mediapipe==1.2.3",
        "absl-py==2.5.1",
        "certifi==2026.10.19.post1",
        "cffi==2.1.1",
        "contourpy==1.3.3",
        "cycler==0.12.1",
        "flatbuffers==25.12.19",
        "fonttools==4.68.0",
        "kiwisolver==1.5.1",
        "matplotlib==3.11.2",
        "numpy==2.4.6",
        "opencv-contrib-python==5.1.0.95",
        "packaging==26.4",
        "pillow==13.0.0",
        "pycparser==3.12",
        "pyparsing==3.3.3",
        "python-dateutil==4.0.0",
        "sounddevice==0.5.6",
        "tzdata==2026.6",
    ),
    megabytes=700,
    pythons=("3.11", "3.12", "3.13"),
)

ENVIRONMENTS = {x.name: x for x in (_MEDIAPIPE,)}
