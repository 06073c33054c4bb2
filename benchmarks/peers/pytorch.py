"""PyTorch by hand: tensors in memory, a permutation an epoch, no DataLoader."""

import torch

from benchmarks.task import Laps, Task


def network(task: Task) -> torch.nn.Sequential:
    """Return the network, rows -> logits."""
    layers: list[torch.nn.Module] = []
    width = task.sizes[0]
    for units in task.layers:
        layers += [torch.nn.Linear(width, units), torch.nn.ReLU()]
        width = units
    return torch.nn.Sequential(*layers[:-1])


def epochs(task: Task) -> list[float]:
    torch.manual_seed(0)
    rows, model = torch.from_numpy(task.scaled), network(task)
    optimizer = torch.optim.Adam(model.parameters(), 0.001)
    laps = Laps()
    for _ in range(task.epochs):
        order = torch.randperm(len(rows))
        for start in range(0, len(rows), task.batch_size):
            batch = rows[order[start : start + task.batch_size]]
            optimizer.zero_grad()
            cross_entropy = torch.nn.functional.binary_cross_entropy_with_logits(model(batch), batch, reduction="sum")
            (cross_entropy / len(batch)).backward()
            optimizer.step()
        laps.lap()
    return laps.seconds
