"""`python -m zoo` is the command `zoo`."""

from zoo.cli import main
from zoo.runtime import processes

try:
    main()
except SystemExit as end:
    if processes.are_many():
        processes.leave(int(end.code or 0))
    raise
