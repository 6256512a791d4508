"""Fuzz `xpnn.load`, and what is loaded."""

from harness import fuzz, one_input


def TestOneInput(data: bytes) -> None:
    one_input("model", data)


if __name__ == "__main__":
    fuzz("model", TestOneInput)
