"""YAML as people write it, read strictly: a key that stands twice is an error, and not the last word."""

from typing import Any

import yaml


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


def parse_yaml(text: str) -> Any:
    """What a YAML text says.

    Raises:
        yaml.YAMLError: it is none, or has a key twice.
    """
    return yaml.load(text, Loader=_Strict)  # a SafeLoader


def yaml_problem(error: yaml.YAMLError) -> str:
    """What is wrong, in one line that names the row."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        return f"row {error.problem_mark.line + 1}: {error.problem}"
    return str(error).splitlines()[0]
