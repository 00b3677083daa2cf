"""Tab completes commands and options, in a real shell."""

import subprocess

import pytest
from copybandit.experiments.completion import CompletionOptions, run_completion


def completed(*words: str) -> list[str]:
    """What bash offers for the last word."""
    line = " ".join(f"'{word}'" for word in words)
    ask = f"COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _copybandit; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    script = f"{run_completion(CompletionOptions())}\n{ask}"
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["copybandit", "lo"], ["loop"]),
        (["copybandit", "compare", "--writers"], ["--writers"]),
        (["copybandit", "loop", "--seed", "1", "--ppo.kl-t"], ["--ppo.kl-target"]),
        (["copybandit", "loop", "cata"], []),
        (["copybandit", "nothing", "--"], []),
    ],
)
def test_the_shell_offers_what_there_is(words, offered):
    assert completed(*words) == offered


def test_zsh_reads_the_same():
    zsh = run_completion(CompletionOptions("zsh"))
    assert zsh.startswith("autoload") and zsh.endswith(run_completion(CompletionOptions()))
