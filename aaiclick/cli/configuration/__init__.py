"""What a project says once, in ``aaiclick.toml`` or ``pyproject.toml``.

Read by the command line only, never by the library.
"""
