"""Fuzz `xpnn.data.read_image`."""

from harness import fuzz, one_input


def TestOneInput(data: bytes) -> None:
    one_input("picture", data)


if __name__ == "__main__":
    fuzz("picture", TestOneInput)
