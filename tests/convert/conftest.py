"""Fixtures that tests of this package share."""

from fixtures.edgetpu_compiler import docker, network, stand_in
from fixtures.model_writer import (
    check_cut,
    content,
    make_writer,
    status_of_last,
    write_file,
    writer,
)
from fixtures.partly_mapped import partly_mapped

__all__ = [
    "check_cut",
    "content",
    "docker",
    "make_writer",
    "network",
    "partly_mapped",
    "stand_in",
    "status_of_last",
    "write_file",
    "writer",
]
