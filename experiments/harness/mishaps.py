"""What a machine refuses a command: room, rights, memory. Each in one line that says what to do."""

import errno

from ...simulation.data.errors import one_line, out_of_memory

_SAID = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), ("no space left", "make room and run again")),
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), ("may not be written", "choose another --out")),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), ("too many open files", "raise the limit (ulimit -n)")),
    errno.EIO: ("the disk failed", "look at it, and run again on another"),
    errno.ENAMETOOLONG: ("the name is too long", "choose a shorter one"),
    errno.ENOTDIR: ("not a folder", "choose another --out"),
    errno.ENOMEM: ("out of memory", "close what else runs, or give smaller sizes"),
}
_LIGHTER = {
    "loop": "--users, --samples, --place-impressions or the tuner's batch (--raft.batch)",
    "tune": "--users, --samples or the tuner's batch (--raft.batch, --ppo.batch)",
    "pareto": "--users, --samples or the tuner's batch (--ppo.batch)",
    "compare": "--users, --creatives, --batch or --jobs",
    "case-study": "--users or --log-impressions",
    "headlines": "--repetitions, or a shorter archive",
    "offline": "--draws, or a shorter log",
    "calibrate": "--users, or a shorter log or archive",
    "pretrain": "--products, --size.width or --pretrain.batch",
    "reader": "--products or --width",
    "benchmark": "--worlds, or run one part at a time",
}


def told(error: BaseException, command: str) -> str | None:
    """One line on an error that is no fault of the program; None for any other error."""
    if isinstance(error, OSError) and error.errno in _SAID:
        what, remedy = _SAID[error.errno]
        return one_line(f"{error.filename or 'the disk'}: {what}; {remedy}")
    if out_of_memory(error):
        return f"out of memory; give smaller values: {_LIGHTER.get(command, 'bring smaller files')}"
    return None
