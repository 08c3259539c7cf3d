"""`python -m zoo` is the command `zoo`."""

from zoo import processes
from zoo.cli import main

try:
    main()
except SystemExit as end:
    if processes.are_many():
        processes.leave(int(end.code or 0))
    raise
