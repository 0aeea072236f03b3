"""Two forms of an object, and the changes from one to the other. Pure: nothing here asks a server."""
