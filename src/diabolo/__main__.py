"""`python -m diabolo` is `diabolo`."""

from diabolo.cli import main

if __name__ == "__main__":
    main()
