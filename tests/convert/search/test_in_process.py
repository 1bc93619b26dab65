"""Work in a process of its own: results, errors, and what ends it."""

import os
import signal
import threading
import time

import pytest

from corallite.convert.search.in_process import DiedError, do_in_process
from corallite.device.system.errors import RequestError


def test_the_result_comes_back_from_another_process():
    assert do_in_process(os.getpid) != os.getpid()


def test_an_error_of_the_user_keeps_its_message():
    def refuse():
        raise RequestError("The disk is full; free some space.")

    with pytest.raises(RequestError, match="The disk is full"):
        do_in_process(refuse)


def test_a_process_that_is_killed_is_reported():
    with pytest.raises(DiedError, match="status -9"):
        do_in_process(lambda: os.kill(os.getpid(), signal.SIGKILL))


def test_an_interruption_is_passed_on_once_and_waited_for(tmp_path, default_signals):
    log = tmp_path / "log"

    def work():
        log.write_text("begun ")
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            time.sleep(0.3)  # As if the state was saved.
            log.write_text(f"{log.read_text()}saved")
            raise

    def interrupt():
        while not log.exists() or not log.read_text():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        do_in_process(work)
    assert log.read_text() == "begun saved"
