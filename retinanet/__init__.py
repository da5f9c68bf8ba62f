"""Stages 1 and 2: the RetinaNets that find the display and its digits."""
