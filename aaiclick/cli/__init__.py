"""The command line. typer and rich are imported when it runs, never by ``import aaiclick``."""
