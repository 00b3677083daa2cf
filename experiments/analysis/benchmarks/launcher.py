"""Starts one program and says what it took; small itself, because Linux hands a starter's peak of memory on.

`python -I -S launcher.py WORD PROGRAM [ARGUMENT ...]` leaves one JSON on standard output. The peak in `getrusage` of a
program is at least that of the process that started it (execve keeps the greater of both), and this one has no more
than a bare interpreter. Only the standard library is imported, and nothing of Copybandit.
"""

import json
import os
import signal
import sys
import time


def launched(command: list[str], word: str) -> dict[str, object]:
    """Runs a program to its end.

    Args:
        command: what is run, and its arguments; it is looked for on the path.
        word: one that ends it (SIGINT) as soon as it prints a line with it, for what would never end; "" for none.

    Returns:
        `code` (its exit code, negative for a signal), `seconds` (to its end, or to the line with the word),
        `cpu_seconds` (of it and of what it started and waited for), `peak_bytes` (resident memory of the largest of
        these at its height), `said` (its standard output).
    """
    reads, writes = os.pipe()
    begun = time.perf_counter()
    out = [(os.POSIX_SPAWN_DUP2, writes, 1)]
    # What a shell starts in the background ignores SIGINT, and would hand that on.
    child = os.posix_spawnp(command[0], command, os.environ, file_actions=out, setsigdef=[signal.SIGINT])
    os.close(writes)
    said, seconds = [], 0.0
    with os.fdopen(reads, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            said.append(line)
            if word and word in line and not seconds:
                seconds = time.perf_counter() - begun
                os.kill(child, signal.SIGINT)
    _, status, used = os.wait4(child, 0)
    return {
        "code": os.waitstatus_to_exitcode(status),
        "seconds": seconds or time.perf_counter() - begun,
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "peak_bytes": used.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        "said": "".join(said),
    }


if __name__ == "__main__":
    json.dump(launched(sys.argv[2:], sys.argv[1]), sys.stdout)
