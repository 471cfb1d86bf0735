"""Unique names of layers and models within each model, in Keras' style: `Scope` and `Namer`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any


def snake_case(name: str) -> str:
    """``"MyDense"`` -> ``"my_dense"``: a layer's name from its class' name."""
    name = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower().lstrip("_") or "layer"


class Scope:
    """The layers of one model, or of one layer, and their unique names in it."""

    def __init__(self) -> None:
        self._namer = Namer()
        self.names: dict[Any, str] = {}

    def name(self, layer: Any) -> str:
        """The layer's name in this scope; a layer that is new here gets one."""
        if layer not in self.names:
            self.add([layer])
        return self.names[layer]

    def add(self, layers: Sequence[Any]) -> None:
        """Adds layers and gives them names. Names that users gave must differ. If two layers got the same name in
        other scopes, the later one has another name here. A layer without a name keeps the first that it gets."""
        others = []
        for layer in layers:
            if layer.name and not layer.name_is_automatic:
                self._namer.take(layer.name)
                self.names[layer] = layer.name
            else:
                others.append(layer)
        for layer in sorted(others, key=lambda layer: not layer.name):  # layers without a name last
            stem = layer.name if layer.name and self._namer.is_free(layer.name) else snake_case(type(layer).__name__)
            self.names[layer] = self._namer.next(stem)
            if not layer.name:
                layer.name, layer.name_is_automatic = self.names[layer], True


class Namer:
    """Gives out unique names, Keras style: dense, dense_1, dense_2 …"""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def is_free(self, name: str) -> bool:
        return name not in self._taken

    def take(self, name: str) -> None:
        if name in self._taken:
            raise ValueError(f"name must be unique within a model, got {name!r} twice")
        self._taken.add(name)

    def next(self, stem: str) -> str:
        name, count = stem, 0
        while name in self._taken:
            count += 1
            name = f"{stem}_{count}"
        self._taken.add(name)
        return name
