"""What a failed download says."""

import errno
import sys

import pytest

from corallite.device.system.errors import RequestError
from corallite.train.data import download


def test_a_failure_is_reported_with_its_reason(capsys):
    with pytest.raises(RequestError, match="not there: no route"):
        with download.reporting_failure("not there: {reason}"):
            print("10 %", file=sys.stdout)
            raise Exception("no route")
    assert capsys.readouterr() == ("", "10 %\n")


def test_a_full_disk_is_not_a_failed_download():
    with pytest.raises(OSError, match="No space left"):
        with download.reporting_failure("not there"):
            raise OSError(errno.ENOSPC, "No space left")
