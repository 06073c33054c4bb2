"""Gauss-Newton steps that refine a latent, as nodes of an ONNX graph: after them the decoder reconstructs a row better.

The loss gives its gradient and curvature (second derivative, or an upper bound of it) at every raw number, see
`Loss.local`. The Jacobian of the raw numbers with respect to the latent is estimated by decoding neighbours of the
latent, which works with any decoder. A step that does not lower the loss of a row is not taken.
"""

from collections.abc import Callable

import numpy as np

from diabolo.network.backends.onnx.values import Values
from diabolo.network.losses import Local

# Distance of the neighbours, as a share of the size of the latent. If it is smaller, rounding errors dominate; if it is
# larger, the curvature of the decoder does.
DISTANCE = 0.05
LEAST_DISTANCE = 1e-4
DAMPING = 0.1  # this share of the diagonal is added to it: the decoder is not linear, and full steps would be too long
MOST_ITERATIONS = 8  # of conjugate gradients; with 16 latents 4 are as good as the exact solution
NEAR_ZERO = 1e-30

LocalLoss = Callable[[Values, Values], Local]  # a target and raw numbers, (n, numbers) both


def refine(
    target: Values,
    latent: Values,
    decode: Callable[[Values], Values],
    local: LocalLoss,
    *,
    condition: Values | None,
    latents: int,
    given: int,
    numbers: int,
    steps: int,
) -> Values:
    """Return refined latents, (n, latents).

    Args:
        target: rows, (n, numbers).
        latent: where to begin, (n, latents).
        decode: (m, latents), followed by the condition if there is one -> raw numbers (m, numbers).
        local: the loss.
        condition: of the rows, (n, given); None: none.
        latents: size of a latent.
        given: size of the condition.
        numbers: in a row.
        steps: how many.
    """

    def complete(each: Values) -> Values:
        return each if condition is None else each.followed_by(condition, axis=1)

    raw = decode(complete(latent))
    for left in reversed(range(steps)):
        here = local(target, raw)
        distance = ((latent * latent).mean(1).sqrt() * DISTANCE + LEAST_DISTANCE).expand(2)
        neighbours = latent.expand(1) + distance * np.eye(latents)[None]
        if condition is not None:
            repeated = condition.expand(1) + np.zeros((1, latents, 1))
            neighbours = neighbours.followed_by(repeated, axis=2)  # (n, latents, latents + given)
        moved = decode(neighbours.reshape(-1, latents + given))
        jacobian = (moved.reshape(-1, latents, numbers) - raw.expand(1)) / distance  # (n, latents, numbers)
        hessian = (jacobian * here.curvature.expand(1)) @ jacobian.transposed()  # (n, latents, latents)
        step = _solved(hessian, jacobian @ (0.0 - here.gradient).expand(2), latents)
        candidate = latent + step.reshape(-1, latents)
        decoded = decode(complete(candidate))
        better = local(target, decoded).cost.sum(1) < here.cost.sum(1)  # false if either is NaN
        latent = candidate.where(better, latent)
        raw = decoded.where(better, raw) if left else raw
    return latent


def _solved(matrix: Values, right: Values, size: int) -> Values:
    """Return the solution of (matrix + damping) x = right, (n, size, 1), by preconditioned conjugate gradients."""
    diagonal = (matrix * np.eye(size)[None]).sum(2)  # (n, size, 1)
    preconditioner = diagonal * (1 + DAMPING) + NEAR_ZERO
    residual = right
    scaled = residual / preconditioner
    product = (residual * scaled).sum(1)
    solution = right * 0.0
    direction = scaled
    for left in reversed(range(min(size, MOST_ITERATIONS))):
        image = matrix @ direction + diagonal * direction * DAMPING
        length = product / ((direction * image).sum(1) + NEAR_ZERO)
        solution = solution + length * direction
        if left:
            residual = residual - length * image
            scaled = residual / preconditioner
            before, product = product, (residual * scaled).sum(1)
            direction = scaled + product / (before + NEAR_ZERO) * direction
    return solution
