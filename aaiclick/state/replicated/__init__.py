"""What is written down of copies on replicas, for all hosts."""
