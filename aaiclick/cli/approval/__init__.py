"""Plans that somebody approves: as a file, in a pull request, at the terminal."""
