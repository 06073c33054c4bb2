"""Images, (n, height, width) or (n, height, width, channels): as arrays, but one offset and scale a channel."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from diabolo.data.adapters.array import ArrayAdapter
from diabolo.data.adapters.rows import Rows
from diabolo.errors import DataError


@dataclass(frozen=True, kw_only=True)
class ImageAdapter(ArrayAdapter):
    """tensor = (image - offset) / scale, channel by channel; grey images get a channel axis for the network."""

    kind: ClassVar[str] = "image"

    @property
    def tensor_shape(self) -> tuple[int, ...]:
        """(height, width, channels), with one channel for grey images."""
        return self.row_shape if len(self.row_shape) == 3 else (*self.row_shape, 1)

    @property
    def gives_16_bits(self) -> bool:
        """Whether the images of fit() were uint16, and not only zeros and ones."""
        return self.dtype == "uint16" and not self.bounded

    def adapt_few(self, rows: Rows) -> None:
        """Images of another depth are refused: they need `check`."""

    def check_values(self, rows: Rows, *, where: str) -> None:
        """As the base; also for images of another depth than those of fit()."""
        if self.gives_bytes and rows.dtype == np.uint16 and rows.max() > 255:
            raise DataError(
                f"{where} expected bytes 0 to 255 as in fit(), got uint16 up to {int(rows.max()):,}: pass "
                f"(X / 257).round().astype('uint8')."
            )
        if self.gives_16_bits and rows.dtype != np.uint16 and 0 < rows.max() <= 1:
            raise DataError(
                f"{where} expected 0 to 65,535 as in fit(), got {rows.dtype} up to {float(rows.max()):.3g}: pass "
                f"(X * 65535).round().astype('uint16')."
            )
        super().check_values(rows, where=where)

    def _remedy(self, shape: tuple[int, ...]) -> str:
        first = (self.row_shape[-1], *self.row_shape[:-1]) if len(self.row_shape) == 3 else (1, *self.row_shape)
        if len(shape) != 3 or shape != first:
            return ""
        turned = "transpose(0, 2, 3, 1)" if len(self.row_shape) == 3 else "squeeze(1)"
        return f" Their channels are the first axis: pass X.{turned}."
