"""`python -m gendata`: the same as the `gendata` command."""

from gendata.cli import main

if __name__ == "__main__":
    main()
