"""Fuzz a fit that goes on from a checkpoint."""

from harness import fuzz, one_input


def TestOneInput(data: bytes) -> None:
    one_input("checkpoint", data)


if __name__ == "__main__":
    fuzz("checkpoint", TestOneInput)
