"""Runs a command and tells what it took: `python launch.py LOG COMMAND ...`, one JSON line.

Linux counts the memory of the process that starts a command into the command's own peak, so the one
that starts it has to be as small as this.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time


def main() -> None:
    """Output of the command goes to the log."""
    log, *command = sys.argv[1:]
    started = time.perf_counter()
    with open(log, "wb") as file:  # noqa: PTH123 - pathlib would be most of this process
        process = subprocess.Popen(command, stdout=file, stderr=file)
        _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    answer = {
        "code": os.waitstatus_to_exitcode(status),
        "seconds": seconds,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_rss_mb": usage.ru_maxrss / 1024,
    }
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
