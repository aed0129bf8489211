"""`python -m finest.cli`: the same as `finest`."""

from finest.cli import main

if __name__ == "__main__":
    main()
