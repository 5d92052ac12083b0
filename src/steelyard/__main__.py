"""``python -m steelyard`` is the program ``steelyard``."""

from steelyard.cli import main

if __name__ == "__main__":
    main()
