"""The files for systemd and containers fit this version."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd")
@pytest.mark.parametrize("verb", ["classify", "serve"])
def test_systemd_accepts_the_service(tmp_path, verb):
    text = (DEPLOY / "corallite@.service").read_text()
    unit = tmp_path / f"corallite@{verb}.service"
    unit.write_text(text.replace("/opt/corallite/venv/bin/corallite", sys.executable))
    command = ["systemd-analyze", "verify", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True)
    warnings = [line for line in done.stderr.splitlines() if unit.name in line]
    assert (done.returncode, warnings) == (0, [])


def test_service_restarts_without_limit_and_has_a_watchdog():
    text = (DEPLOY / "corallite@.service").read_text()
    settings = dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))
    assert settings["Restart"] == "always" and settings["StartLimitIntervalSec"] == "0"
    assert settings["Type"] == "notify" and int(settings["WatchdogSec"]) > 0
    assert settings["NoNewPrivileges"] == "yes"
    assert settings["ProtectSystem"] == "strict"


def test_files_that_the_container_copies_exist():
    root = DEPLOY.parent
    text = (DEPLOY / "Containerfile").read_text()
    copied = [line.split()[1:-1] for line in re.findall(r"(?m)^COPY [^-].*$", text)]
    names = [name for line in copied for name in line]
    assert names and all((root / name).exists() for name in names)
