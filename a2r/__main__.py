"""`python -m a2r` is the same as `a2r`."""

from a2r.cli import main

main()
