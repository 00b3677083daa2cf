"""Give my shell the words: commands and options, completed by Tab."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

WORDS = Path(__file__).with_name("help.json")
"""Names of all commands and options, as `docs/write_options.py` wrote them down."""
ZSH = "autoload -U +X bashcompinit && bashcompinit\n"
"""By which zsh reads what is written for bash."""


@dataclass(frozen=True)
class CompletionOptions:
    """Options of `copybandit completion`."""

    shell: Annotated[Literal["bash", "zsh"], tyro.conf.Positional] = "bash"
    """Whose: `eval "$(copybandit completion bash)"` in its start-up file."""


def run_completion(options: CompletionOptions) -> str:
    """`copybandit completion SHELL`: a script for the shell to read; where no option begins, files are completed."""
    told = json.loads(WORDS.read_text(encoding="utf-8"))
    names: dict[str, set[str]] = {}
    for title, texts in told.items():
        names.setdefault(title.split()[0], {"help", "help-all"}).update(texts["names"])
    cases = "\n".join(
        f"    {command}) words='{' '.join(f'--{name}' for name in sorted(own))}' ;;" for command, own in names.items()
    )
    script = f"""\
_copybandit() {{
  local word="${{COMP_WORDS[COMP_CWORD]}}" words=''
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '{" ".join(names)}' -- "$word"))
    return
  fi
  case "$word" in -*) ;; *) return ;; esac
  case "${{COMP_WORDS[1]}}" in
{cases}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -o default -F _copybandit copybandit"""
    return (ZSH if options.shell == "zsh" else "") + script
