"""The status of a followed channel."""

from typing import NamedTuple

# Beside those of `release`.
STARTING = "starting"
TRYING = "trying"
ROLLED_BACK = "rolled_back"
UNREACHABLE = "unreachable"
UNTRUSTED = "untrusted"
EXPIRED = "expired"
FAILED = "failed"
SHARED = "shared"


class ChannelStatus(NamedTuple):
    """The status of a channel, in plain fields for JSON.

    Attributes:
        channel_version: The number of the release in use; "" without, or if it is
            not known.
        channel_latest: The number of the newest release that is known; "" without.
        channel_state: "starting" before the first poll; "current"; "waiting" if the
            newest release is not for this device; "trying"; "refused" if it failed its
            trial; "rolled_back" if it crashed and is tried again; "unreachable",
            "untrusted", "expired", "failed"; or "shared" if another process of this
            device follows. "" without a channel.
        channel_reason: Why it is not "current"; part of a sentence.
    """

    channel_version: str = ""
    channel_latest: str = ""
    channel_state: str = ""
    channel_reason: str = ""
