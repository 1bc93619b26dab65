"""Measures many devices on one broker, which mosquitto is.

python benchmarks/fleet.py --devices=1000

Prints the memory of the broker and of `corallite fleet --watch`, the rates of messages,
and the time until a loss is seen: of devices whose process is killed, and of devices
that stop without closing their connection, as after a power cut. Then a few devices
run for a day of simulated time. Exit status 1 if memory grew during the day by more
than --max_growth_mb. Takes about six minutes.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import fleet_day
from absl import flags

from corallite.device.cli import program
from corallite.device.fleet.listener import Listener
from corallite.device.outputs.broker import Address, make_client
from corallite.device.system.errors import RequestError

_DEVICES = flags.DEFINE_integer(
    "devices", 1000, "Simulated devices.", lower_bound=20, upper_bound=10_000
)
_DAY_DEVICES = flags.DEFINE_integer(
    "day_devices",
    10,
    "Devices of the simulated day.",
    lower_bound=1,
    upper_bound=100,
)
_MAX_GROWTH_MB = flags.DEFINE_float(
    "max_growth_mb", 1.0, "Largest growth of memory between an hour and a day."
)
_WATCHED_S = 70.0
_RAMP_LIMIT_S = 180.0
_LOSS_LIMIT_S = 90.0
_ROUNDS = 5
_HERE = Path(__file__).parent


class Watch:
    """`corallite fleet --watch --json` in a process, and when it writes what.

    Attributes:
        process: The process.
        seen_s: Time of the last line about each topic and condition.
    """

    def __init__(self, port: int) -> None:
        """Starts it."""
        command = [sys.executable, "-m", "corallite.device.cli.fleet_main"]
        flags_ = [f"--mqtt=mqtt://127.0.0.1:{port}/fleet", "--watch", "--json"]
        self.process = subprocess.Popen([*command, *flags_], stdout=subprocess.PIPE)
        self.seen_s: dict[tuple[str, str], float] = {}
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            device = json.loads(line)
            self.seen_s[device["name"], device["condition"]] = time.monotonic()

    def times(self, condition: str, names: Sequence[str]) -> list[float]:
        """Returns when devices were seen in a condition, of those that were."""
        return [x for name in names if (x := self.seen_s.get((name, condition)))]


def main(argv: Sequence[str]) -> int:
    """Measures everything."""
    program.reject_arguments(argv)
    with ExitStack() as stack:
        port, broker = stack.enter_context(_broker())
        print(f"broker: {_megabytes(broker.pid):.1f} MB before any device")
        _measure_fleet(stack, port, broker.pid)
    with _broker() as (port, broker):
        return _measure_day(port, broker.pid)


def _measure_fleet(stack: ExitStack, port: int, broker: int) -> None:
    count, few = _DEVICES.value, _DEVICES.value // 20
    watch = Watch(port)
    stack.callback(_end, watch.process)
    groups = [(0, count - 2 * few), (count - 2 * few, few), (count - few, few)]
    processes = [_start(stack, port, *group) for group in groups]
    everyone = [f"{n:05d}" for n in range(count)]
    _await(lambda: len(watch.times("online", everyone)) == count, _RAMP_LIMIT_S)
    used_s = _processor_s(watch.process.pid)
    rate = _count_messages(port) / _WATCHED_S
    share = (_processor_s(watch.process.pid) - used_s) / _WATCHED_S
    print(
        f"{count} devices: broker {_megabytes(broker):.1f} MB, corallite fleet "
        f"{_megabytes(watch.process.pid):.1f} MB and {share:.1%} of a core; "
        f"{rate:.1f} messages/s to the broker"
    )
    _measure_burst(port, processes, count)
    for how, number, process, (first, size) in (
        ("killed", signal.SIGKILL, processes[1], groups[1]),
        ("stopped", signal.SIGSTOP, processes[2], groups[2]),
    ):
        start_s = time.monotonic()
        process.send_signal(number)
        late_s = [x - start_s for x in _await_loss(watch, everyone[first:][:size])]
        print(f"{size} {how}: lost after {min(late_s):.2f} to {max(late_s):.2f} s")


def _await_loss(watch: Watch, names: Sequence[str]) -> list[float]:
    """Returns when devices were seen to be lost."""
    _await(lambda: len(watch.times("lost", names)) == len(names), _LOSS_LIMIT_S)
    return watch.times("lost", names)


def _measure_burst(port: int, processes: list[subprocess.Popen], count: int) -> None:
    """Prints how long the listener takes if all devices publish at once."""
    with closing(Listener(Address("127.0.0.1", port, "fleet"))) as listener:
        seconds = [_measure_round(listener, processes) for _ in range(_ROUNDS)]
    longest = max(seconds)
    print(f"all at once: {longest:.1f} s at most, {count / longest:.0f} states/s")


def _measure_round(listener: Listener, processes: list[subprocess.Popen]) -> float:
    time.sleep(2)
    start_s = time.monotonic()
    for process in processes:
        process.send_signal(signal.SIGUSR1)

    def are_new() -> bool:
        age_s = time.monotonic() - start_s
        ages_s = [device.age_s for device in listener.list()]
        return all(x is not None and x < age_s for x in ages_s)

    _await(are_new, _LOSS_LIMIT_S)
    return time.monotonic() - start_s


def _measure_day(port: int, broker: int) -> int:
    noted: dict[int, tuple[float, float]] = {}

    def note(minute: int) -> None:
        if minute in (60, fleet_day.MINUTES):
            noted[minute] = _megabytes(os.getpid()), _megabytes(broker)

    messages, seconds = fleet_day.live(
        port, _DAY_DEVICES.value, fleet_day.MINUTES, note
    )
    hour, day = noted[60], noted[fleet_day.MINUTES]
    grown = max(x - y for x, y in zip(day, hour, strict=True))
    print(
        f"a day of {_DAY_DEVICES.value} devices: {messages} results and states in "
        f"{seconds:.0f} s; devices and listener {hour[0]:.1f} MB after an hour, "
        f"{day[0]:.1f} MB after the day; broker {hour[1]:.1f} and {day[1]:.1f} MB"
    )
    return program.EXIT_CHECK_FAILED if grown > _MAX_GROWTH_MB.value else 0


@contextmanager
def _broker() -> Iterator[tuple[int, subprocess.Popen]]:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
    mosquitto = shutil.which("mosquitto", path=path)
    if mosquitto is None:
        raise RequestError("mosquitto is missing; run: apt-get install mosquitto")
    with socket.socket() as probe, tempfile.TemporaryDirectory() as folder:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        config = Path(folder) / "mosquitto.conf"
        listener = f"listener {port} 127.0.0.1\nallow_anonymous true\n"
        config.write_text(f"user root\n{listener}")
        broker = subprocess.Popen([mosquitto, "-c", config], stderr=subprocess.DEVNULL)
        try:
            time.sleep(1)
            yield port, broker
        finally:
            _end(broker)


def _start(stack: ExitStack, port: int, first: int, count: int) -> subprocess.Popen:
    command = [sys.executable, str(_HERE / "fleet_devices.py")]
    process = subprocess.Popen([*command, *map(str, (port, first, count))])
    stack.callback(_end, process)
    return process


def _end(process: subprocess.Popen) -> None:
    process.kill()
    process.wait()


def _await(condition, limit_s: float) -> None:  # type: ignore[no-untyped-def]
    end_s = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end_s:
            raise RequestError("It took too long; close other programs.")
        time.sleep(0.02)


def _count_messages(port: int) -> int:
    """Counts what is published during _WATCHED_S, as another listener."""
    messages = 0

    def count(client: Any, data: Any, message: Any) -> None:
        nonlocal messages
        messages += not message.retain

    client = make_client(Address("127.0.0.1", port, "fleet"))
    client.on_message = count
    client.connect("127.0.0.1", port)
    client.subscribe("fleet/#")
    client.loop_start()
    time.sleep(_WATCHED_S)
    client.disconnect()
    client.loop_stop()
    return messages


def _megabytes(pid: int) -> float:
    """Returns the resident memory of a process in 10**6 bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _processor_s(pid: int) -> float:
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    program.run(main)
