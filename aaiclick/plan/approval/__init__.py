"""An approved plan against the one that would be carried out now."""
