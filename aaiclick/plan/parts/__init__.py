"""A rehearsal on parts that the live table really has, by hard link: an empty table is refused less than a full one."""
