"""What views of texts learned, as a state that can be written, and the views again. Nothing is pickled."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...simulation.data.errors import InputError
from ...simulation.text.ngrams import Ngrams
from .text_views import Alike, Array, Remembered, Skeleton, SparseView, Style, Vectors, View

Encoder = Callable[[str], Callable[[Sequence[str]], Array]]
"""From the name of a layer to its vectors of texts, as `Encoder.layer`."""


def state_of(views: Mapping[str, View | SparseView]) -> dict[str, Any]:
    """What `views_of` makes the same views of; vectors that several read are in it once.

    Raises:
        InputError: one is of a kind that cannot be kept.
    """
    layers: dict[str, Any] = {}
    return {"views": {name: _kept(view, layers) for name, view in views.items()}, "layers": layers}


def _kept(view: Any, layers: dict[str, Any]) -> dict[str, Any]:
    view = view.view if isinstance(view, Remembered) else view
    if isinstance(view, Ngrams):
        skeleton = sorted(view.cut.frequent) if isinstance(view.cut, Skeleton) else None
        return {"kind": "ngrams", **view.state(), "skeleton": skeleton}
    if isinstance(view, Style):
        return {"kind": "style", "mean": view.mean, "spread": view.spread}
    if isinstance(view, Vectors) and view.name:
        layers[view.name] = {"mean": view.mean, "directions": view.directions}
        return {"kind": "vectors", "layer": view.name}
    if isinstance(view, Alike):
        of = [_kept(inner, layers)["layer"] for inner in view.views]
        return {"kind": "alike", "layers": of, "scale": view.scale, "landmarks": view.landmarks, "turn": view.turn}
    raise InputError(f"a view of texts of the kind {type(view).__name__} cannot be kept")


def views_of(state: Mapping[str, Any], encoder: Encoder | None = None) -> dict[str, View | SparseView]:
    """The views of a state.

    Args:
        state: from `state_of`.
        encoder: gives the vectors that some views are made of.

    Raises:
        InputError: views are made of vectors, and there is no encoder.
    """
    if state["layers"] and encoder is None:
        raise InputError("it reads sentence vectors: pip install 'copybandit[encoder]'")
    layers = {} if encoder is None else {name: _layer(name, kept, encoder) for name, kept in state["layers"].items()}
    return {name: _view(kept, layers) for name, kept in state["views"].items()}


def _layer(name: str, kept: Mapping[str, Any], encoder: Encoder) -> Remembered:
    again = Vectors.__new__(Vectors)
    again.of, again.name, again.mean, again.directions = encoder(name), name, kept["mean"], kept["directions"]
    return Remembered(again)


def _view(kept: Mapping[str, Any], layers: Mapping[str, Remembered]) -> View | SparseView:
    if kept["kind"] == "ngrams":
        return Ngrams.restored(kept, None if kept["skeleton"] is None else Skeleton.of(kept["skeleton"]))
    if kept["kind"] == "vectors":
        return layers[kept["layer"]]
    if kept["kind"] == "style":
        style = Style.__new__(Style)
        style.mean, style.spread = kept["mean"], kept["spread"]
        return Remembered(style)
    alike = Alike.__new__(Alike)
    alike.views, alike.scale = [layers[name] for name in kept["layers"]], kept["scale"]
    alike.landmarks, alike.turn = kept["landmarks"], kept["turn"]
    return alike
