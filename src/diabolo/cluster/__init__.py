"""More than one machine, by Ray: training of one model, search, and bulk work on the parts of a data set.

Each is also an option of the command line, `--cluster ADDRESS`. Ray, the extra `cluster`, is imported only when one of
these functions is called; each starts the work from the process that calls it, and ends what it started.
"""

from diabolo.cluster.bulk import bulk
from diabolo.cluster.check import check
from diabolo.cluster.connection import connected
from diabolo.cluster.training import engine

__all__ = ["bulk", "check", "connected", "engine"]
