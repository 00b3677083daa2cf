"""YAML as people write it, read strictly: a key that stands twice is an error, and not the last word."""

from pathlib import Path
from typing import Any

import yaml

from .errors import InputError


class _Strict(yaml.SafeLoader):
    """Refuses repeated keys, which YAML forbids and the loader lets pass."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"'{key.value}' stands there a second time", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_strict_yaml(path: Path) -> Any:
    """What a YAML file says.

    Raises:
        InputError: it is none, or has a key twice; naming the row.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_Strict)  # a SafeLoader
    except UnicodeDecodeError as error:
        problem = f"not UTF-8 at byte {error.start}"
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        problem = str(error).splitlines()[0] if mark is None else f"row {mark.line + 1}: {error.problem}"
    except yaml.YAMLError as error:
        problem = str(error).splitlines()[0]
    raise InputError(f"{path}: not readable as YAML ({problem}); correct it")
