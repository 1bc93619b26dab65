"""What is said where the packages of channels are missing."""

import importlib.util

import pytest

from corallite.device.channel.packages import require_packages
from corallite.device.system.errors import RequestError


def test_missing_package_is_named_with_its_extra(monkeypatch):
    require_packages("publish")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    sentence = r"publish needs tuf and cryptography; .*pip install '\.\[fleet\]'$"
    with pytest.raises(RequestError, match=sentence):
        require_packages("publish")
