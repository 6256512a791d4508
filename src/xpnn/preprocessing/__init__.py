"""Tables and pictures as rows of numbers that a network can learn from."""
