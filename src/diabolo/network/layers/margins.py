"""Margins of the axes of space: zeros around them, and places cut off."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from diabolo.errors import ShapeError
from diabolo.network.layers.base import Layer, Step
from diabolo.network.layers.space import space
from diabolo.network.tensors import KerasLayer
from diabolo.parts import Shape

if TYPE_CHECKING:
    from diabolo.network.backends.onnx.graph import Constants, Graph


@dataclass(frozen=True, kw_only=True)
class Margins(Layer):
    """The base of both: so many places before and after the axes of space."""

    before: Shape
    after: Shape

    needs_axes: ClassVar[bool] = True
    reshapes: ClassVar[bool] = True

    def check(self) -> None:
        """Refuse negative sizes, and another number of them before than after."""
        sizes = all(0 <= size < 1 << 20 for size in (*self.before, *self.after))
        self.require(
            sizes and 1 <= len(self.before) == len(self.after) <= 2,
            "one or two sizes from 0 to below 2**20, as many before as after",
        )

    def sides(self, input_shape: Shape) -> list[tuple[int, int, int]]:
        """Return for each axis of space its size, and the places before and after it."""
        places = space(self, input_shape)
        if len(places) != len(self.before):
            raise ShapeError(
                f"layer {self.kind!r} ({self.name}) has sizes for {len(self.before)} axes, and the rows have "
                f"{len(places)}."
            )
        return list(zip(places, self.before, self.after, strict=True))

    @classmethod
    def from_keras(cls, layer: KerasLayer) -> Layer:
        """Take the margins of a Keras layer of the same name."""
        written = getattr(layer, "padding", None) or layer.cropping
        pairs = [written] if isinstance(written[0], int) else written
        return cls(before=tuple(pair[0] for pair in pairs), after=tuple(pair[1] for pair in pairs), name=layer.name)

    def _keras(self, one: Any, two: Any) -> Any:
        pairs = tuple(zip(self.before, self.after, strict=True))
        return one(pairs[0], name=self.name) if len(pairs) == 1 else two(pairs, name=self.name)


@dataclass(frozen=True, kw_only=True)
class Padding(Margins):
    """Zeros before and after the places of each axis of space."""

    kind: ClassVar[str] = "padding"
    keras_classes: ClassVar[tuple[str, ...]] = ("ZeroPadding1D", "ZeroPadding2D")

    def output_shape(self, input_shape: Shape) -> Shape:
        """(h, w, c) -> (before + h + after, before + w + after, c)."""
        return (*(before + size + after for size, before, after in self.sides(input_shape)), input_shape[-1])

    def mirror(self, input_shape: Shape) -> tuple[Layer, ...]:
        """Cut the margins off."""
        return (Cropping(before=self.before, after=self.after),)

    def to_keras(self, axes: int, seed: int) -> Any:
        """Return a Keras ZeroPadding1D or ZeroPadding2D."""
        import keras

        return self._keras(keras.layers.ZeroPadding1D, keras.layers.ZeroPadding2D)

    def to_onnx(self, graph: "Graph", step: Step, weights: "Constants") -> None:
        """Add Pad."""
        graph.add("Pad", graph.integers(0, *self.before, 0, 0, *self.after, 0))


@dataclass(frozen=True, kw_only=True)
class Cropping(Margins):
    """Places cut off before and after each axis of space."""

    kind: ClassVar[str] = "cropping"
    keras_classes: ClassVar[tuple[str, ...]] = ("Cropping1D", "Cropping2D")

    def output_shape(self, input_shape: Shape) -> Shape:
        """(h, w, c) -> (h - before - after, w - before - after, c)."""
        sizes = tuple(size - before - after for size, before, after in self.sides(input_shape))
        if min(sizes) < 1:
            raise ShapeError(f"layer 'cropping' ({self.name}) leaves nothing of {input_shape}: cut off less.")
        return (*sizes, input_shape[-1])

    def mirror(self, input_shape: Shape) -> tuple[Layer, ...]:
        """Put zeros in their place."""
        return (Padding(before=self.before, after=self.after),)

    def to_keras(self, axes: int, seed: int) -> Any:
        """Return a Keras Cropping1D or Cropping2D."""
        import keras

        return self._keras(keras.layers.Cropping1D, keras.layers.Cropping2D)

    def to_onnx(self, graph: "Graph", step: Step, weights: "Constants") -> None:
        """Add Slice."""
        sides = self.sides(step.input_shape)
        starts = graph.integers(*self.before)
        ends = graph.integers(*(size - after for size, _, after in sides))
        graph.add("Slice", starts, ends, graph.integers(*range(1, 1 + len(sides))))
