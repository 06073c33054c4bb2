"""229 real tables from $DIABOLO_DATA/tables: `python -m benchmarks.real_tables`, with one of four questions.

    (no option)        are they learnt by plain `diabolo fit FILE --epochs 1`, and does the advice of each refusal work?
    --kinds            is each column of tables-kinds.csv read as what it is, with the right values?
    --round-trip 100   do rows come back from fit, encode, decode, reconstruct --fill, save and load as they were?
    --doors            does the same table mean the same in every format and in every library?

Ends with 1 if something is wrong. tables-kinds.csv was made by eye from the text of the files. Its columns: kind (one
or several that are right: number, boolean, category, date, left_out), first, last, largest (present value; a percent
may be read as 45 or as 0.45), missing (cells, with marks such as "?"); an empty cell is not compared, `|` separates
what is right as well. "#3" is the third column of a file, for columns without a name.
"""

import argparse
import os
import sys
import time

from benchmarks.real_tables.commands import files
from benchmarks.real_tables.doors import through_doors
from benchmarks.real_tables.kinds import kinds
from benchmarks.real_tables.learnt import learnt
from benchmarks.real_tables.round_trip import round_trips


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", action="store_true")
    parser.add_argument("--round-trip", type=int, metavar="COUNT")
    parser.add_argument("--doors", action="store_true")
    parser.add_argument("--only", default="", help="files whose name holds this text; for --doors: real tables as well")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--sample", type=int, default=5, help="files that are fitted in a process of their own as well")
    settings = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    names, started = [file for file in files() if settings.only in file], time.perf_counter()
    if settings.kinds:
        right = kinds(names)
    elif settings.round_trip:
        right = round_trips(names, settings.round_trip, settings.processes)
    elif settings.doors:
        right = through_doors([file for file in names if file.endswith(".csv")] if settings.only else ())
    else:
        right = learnt(names, settings.processes, settings.sample)
    print(f"{'right' if right else 'wrong'}; {time.perf_counter() - started:.0f} s")
    sys.exit(0 if right else 1)


if __name__ == "__main__":
    main()
