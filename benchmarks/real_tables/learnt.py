"""Are the tables learnt by plain `diabolo fit FILE --epochs 1`, and does the advice of each refusal work?"""

import shlex
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.real_tables.commands import Ran, advised, beside, diabolo, in_pool, own_process

ENOUGH = 0.95  # of the files must be learnt without an option


class Fitted(NamedTuple):
    """The result of `diabolo fit` for one file, and of the command that its refusal advises."""

    file: str
    ran: Ran
    options: list[str]
    again: Ran | None


def fit(file: str, run: Callable[..., Ran] = diabolo) -> Fitted:
    """Fit one file for an epoch; where that is refused, do what the refusal says."""
    with beside(file):
        ran = run("fit", file, "--epochs", "1")
        options = advised(ran.message) if ran.code else []
        # The last --epochs counts.
        again = run("fit", file, *options, "--epochs", "1", "--force") if options else None
    return Fitted(file, ran, options, again)


def learnt(names: Sequence[str], processes: int, sample: int) -> bool:
    """Print every refusal and what became of its advice; return whether enough is learnt and all advice works."""
    results: list[Fitted] = []
    for each in in_pool(fit, names, processes):
        results.append(each)
        if not each.ran.code:
            continue
        print(f"{each.file}\n    refused ({each.ran.code}): {each.ran.message}", flush=True)
        if each.again is None:
            print("    names no option")
        else:
            result = "works" if each.again.code == 0 else f"does not work ({each.again.code}): {each.again.message}"
            print(f"    {shlex.join(each.options)} {result}")
    refused = [each for each in results if each.ran.code]
    worked = [each for each in refused if each.again is not None and each.again.code == 0]
    by_folder = Counter(Path(each.file).parts[0] for each in results)
    kept = Counter(Path(each.file).parts[0] for each in results if not each.ran.code)
    for name, count in by_folder.items():
        print(f"{name}: {kept[name]} of {count}")
    share = 1 - len(refused) / len(results)
    print(
        f"learnt by plain `diabolo fit FILE --epochs 1`: {len(results) - len(refused)} of {len(results)}, {share:.1%}"
    )
    print(f"refused: {len(refused)}; the advised command works for {len(worked)}")
    crashed = [each.file for each in results if 70 in (each.ran.code, each.again.code if each.again else 0)]
    print(f"crashed: {len(crashed)} {' '.join(crashed)}")
    same = True
    for each in results[:: max(1, len(results) // sample)][:sample] if sample else []:
        real = fit(each.file, own_process)
        if real.ran.code != each.ran.code or (each.ran.code and real.ran.message != each.ran.message):
            print(f"{each.file}: in a process of its own: exit code {real.ran.code}, {real.ran.message}")
            same = False
    if sample:
        print(f"in a process of its own {'as here' if same else 'NOT as here'}, for {sample} files")
    return share >= ENOUGH and len(worked) == len(refused) and not crashed and same
