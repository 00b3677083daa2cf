"""YAML as people write it, read strictly: a key that stands twice is an error, and not the last word."""

from pathlib import Path
from typing import Any

import yaml

from .errors import InputError

MOST_BYTES, MOST_NODES = 2**20, 100_000
"""Of a file, and of what it says when every alias is written out."""


class _Strict(yaml.SafeLoader):
    """Refuses repeated keys, which YAML forbids and the loader lets pass, and what only seems small."""

    def get_single_node(self) -> Any:
        node = super().get_single_node()
        if node is not None and _size(node, {}) > MOST_NODES:
            self.refuse(node, f"with its aliases written out it has more than {MOST_NODES:,} values")
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                if key.value in seen:
                    self.refuse(key, f"'{key.value}' stands there a second time")
                seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_scalar(self, node: Any) -> Any:
        value = super().construct_scalar(node)
        if any(sign == "\0" or "\ud800" <= sign <= "\udfff" for sign in value):
            self.refuse(node, "a zero character, or half a character")
        return value

    def construct_whole(self, node: yaml.ScalarNode) -> int:
        value = self.construct_yaml_int(node)
        if not -(2**63) <= value < 2**64:
            self.refuse(node, "a number of more than 64 bits")
        return value

    def refuse(self, node: yaml.Node, problem: str) -> None:
        raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


_Strict.add_constructor("tag:yaml.org,2002:int", _Strict.construct_whole)


def read_strict_yaml(path: Path) -> Any:
    """What a YAML file says.

    Raises:
        InputError: there is none, it is no YAML, has a key twice, or is too large; naming the row.
    """
    try:
        if (size := path.stat().st_size) > MOST_BYTES:
            raise InputError(f"{path}: {size:,} bytes, at most {MOST_BYTES:,} are read; is it the right file?")
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_Strict)  # a SafeLoader
    except UnicodeDecodeError as error:
        problem = f"not UTF-8 at byte {error.start}"
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        problem = str(error).splitlines()[0] if mark is None else f"row {mark.line + 1}: {error.problem}"
    except yaml.YAMLError as error:
        problem = str(error).splitlines()[0]
    except OSError as error:
        raise InputError(f"{path}: cannot be opened ({error.strerror}); correct the path") from None
    except RecursionError:
        problem = "nested too deeply, or in itself"
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        # What tags such as !!int and dates such as 2026-99-99 come to.
        problem = str(error) or type(error).__name__
    raise InputError(f"{path}: not readable as YAML ({problem}); correct it")


def _size(node: Any, known: dict[int, int]) -> int:
    """Values in a node when aliases are written out; more than all where it holds itself."""
    if id(node) not in known:
        known[id(node)] = MOST_NODES + 1  # as long as it is being counted
        parts = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else node.value
        inside = 0 if isinstance(node, yaml.ScalarNode) else sum(_size(part, known) for part in parts)
        known[id(node)] = 1 + inside
    return known[id(node)]
