"""`python -m orfeas` is the command `orfeas`."""

from orfeas.cli import main

if __name__ == "__main__":
    main()
