"""Fuzz the command line's reader of tables and arrays."""

from harness import fuzz, one_input


def TestOneInput(data: bytes) -> None:
    one_input("table", data)


if __name__ == "__main__":
    fuzz("table", TestOneInput)
