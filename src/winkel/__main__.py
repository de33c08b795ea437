"""`python -m winkel` is the `winkel` command."""

from winkel.cli.main import main

if __name__ == "__main__":
    main()
