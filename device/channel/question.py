"""What the process that follows a channel asks the one that polls it."""

import json
from collections.abc import Mapping
from typing import NamedTuple

from corallite.device.channel.status import UNREACHABLE
from corallite.device.system.process.isolated import try_python

_CODE = "from corallite.device.channel.poll import main; main()"
# For all downloads of a poll: 4 MB at 5 kB/s.
_LIMIT_S = 900.0


class Question(NamedTuple):
    """What a device tells of itself, all of which stays on it.

    Attributes:
        url: Of the channel's `channel.json`.
        folder: Where the device keeps the channel's files.
        device: The device's id.
        version: Of the Corallite that runs here.
        refused: The digests of models that failed here, with the reasons.
        current: The digest of the model in use; "" without.
        parent: The id of the process that asks.
    """

    url: str
    folder: str
    device: str
    version: str
    refused: Mapping[str, str]
    current: str
    parent: int


class Reply(NamedTuple):
    """What a channel has for this device.

    Attributes:
        state: That of `Choice`, or FAILED, UNREACHABLE, UNTRUSTED or EXPIRED.
        reason: Part of a sentence; "" if the newest release is for this device.
        newest: The number of the newest release; 0 if unknown.
        number: The number of the release for this device; 0 for none.
        digest: The model's, whose files are in the store; "" for none.
    """

    state: str
    reason: str = ""
    newest: int = 0
    number: int = 0
    digest: str = ""


def ask(question: Question, limit_s: float = _LIMIT_S) -> Reply:
    """Polls in another process, which is killed after `limit_s`.

    So python-tuf takes neither memory nor turns of this process's interpreter, and
    a server that sends a byte a second does not hold it.
    """
    outcome = try_python(_CODE, json.dumps(question._asdict()), timeout_s=limit_s)
    if outcome.failure:
        return Reply(UNREACHABLE, f"the poll has failed: {outcome.failure}")
    return Reply(**json.loads(outcome.output))
