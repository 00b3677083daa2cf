"""A page to play with a finished run, in a browser on this machine: type a product, see ads, and who is shown what."""

import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from .harness.options import Device, Flat, refuse_below, torch_device
from .harness.rules import RulesOptions


@dataclass(frozen=True)
class ServeOptions:
    """Options of `copybandit serve`."""

    run: Annotated[Path, tyro.conf.Positional]
    """Directory of a finished `loop` or `tune` run."""
    publishing: Flat[RulesOptions] = field(default_factory=RulesOptions)
    port: int = 0
    """On 127.0.0.1; 0 takes a free one."""
    device: Device = "auto"
    """Where the writer writes; auto takes a CUDA device when there is one."""

    def __post_init__(self) -> None:
        refuse_below(self, port=0)


def run_serve(options: ServeOptions) -> str:
    """`copybandit serve RUN`: serves the page until it is stopped (Ctrl-C). Nothing leaves the machine.

    Raises:
        InputError: no finished run, or the port is taken.
    """
    from .playground.answers import Answers
    from .playground.server import make_server

    answers = Answers.of(options.run, torch_device(options.device), options.publishing)
    token = secrets.token_urlsafe(24)
    server = make_server(answers, token, options.port)
    try:
        print(f"http://127.0.0.1:{server.server_address[1]}/?token={token}", flush=True)
        print("open this address in a browser on this machine; Ctrl-C ends it", flush=True)
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()
    return "stopped"
