"""A command in a process of its own that need not wait for its imports: what all commands load is loaded once.

Only a server that ran nothing is ever forked, so that no command finds what another one left.
"""

from multiprocessing import get_context
from multiprocessing.context import ForkServerContext
from pathlib import Path
from runpy import run_path
from subprocess import CompletedProcess

# The command line first: it sets what transformers and tokenizers read once, when they are imported.
LOADED = ["copybandit.experiments.cli", "copybandit.experiments.loop", "copybandit.experiments.compare"]
SCRIPT = Path(__file__).with_name("command.py")


def loaded_once() -> ForkServerContext:
    """Processes that begin with the commands' modules loaded."""
    context = get_context("forkserver")
    context.set_forkserver_preload(LOADED)
    return context


def run_loaded(context: ForkServerContext, folder: Path, arguments: list[str], seconds: float) -> CompletedProcess[str]:
    """Runs `copybandit ARGUMENTS` in a folder, as the console script does.

    Raises:
        TimeoutError: it was not done in time, and has been ended.
    """
    out, err = folder / ".stdout", folder / ".stderr"
    given = {"folder": folder, "arguments": arguments, "out": out, "err": err}
    process = context.Process(target=run_path, args=(str(SCRIPT), given, "__main__"))
    process.start()
    process.join(seconds)
    if process.exitcode is None:
        process.kill()
        raise TimeoutError(f"{' '.join(arguments)}: not done after {seconds} s\n{err.read_text(encoding='utf-8')}")
    said, told = out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8")
    return CompletedProcess(["copybandit", *arguments], process.exitcode, said, told)
