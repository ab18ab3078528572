"""`python -m gatechat` is the command line."""

from gatechat.cli import main

if __name__ == "__main__":
    main()
