"""The way back: which there is, carrying it out, and putting right one that was killed."""
