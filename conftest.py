"""Keeps pytest away from the user's own scripts in the root, whose names begin with test_ but which are no tests."""

collect_ignore_glob = ["test_*.py"]
