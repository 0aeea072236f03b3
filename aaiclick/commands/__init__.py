"""One file for each thing that a caller can ask for, from the first question to the answer."""
