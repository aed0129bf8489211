"""`python -m finest.cli`: the same as `finest`."""

from finest.cli import main

main()
