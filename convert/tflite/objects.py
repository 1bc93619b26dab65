"""Reads and writes TFLite files as objects of the schema that LiteRT generates.

It trusts the file: let `reader.decode` check one that is not our own first.
"""

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

from corallite.device.model import identifiers


def unpack(content: bytes) -> schema.ModelT:
    """Returns the model in a TFLite file."""
    return schema.ModelT.InitFromPackedBuf(content, 0)


def pack(model: schema.ModelT) -> bytes:
    """Returns a TFLite file of a model."""
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), identifiers.MODEL)
    return bytes(builder.Output())
