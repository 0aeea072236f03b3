"""What the steps of a plan cost: time, room on disks, rows that a TTL deletes."""
