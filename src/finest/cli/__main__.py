"""Run the command line as `python -m finest.cli`."""

from finest.cli import main

if __name__ == "__main__":
    main()
