"""Fuzz `xpnn.data.read_idx`."""

from harness import fuzz, one_input


def TestOneInput(data: bytes) -> None:
    one_input("idx", data)


if __name__ == "__main__":
    fuzz("idx", TestOneInput)
