"""Emitters: each makes of a planned program a function for one target."""
