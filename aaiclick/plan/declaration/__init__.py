"""What is wrong with a declaration that only the engine can tell, told before the first statement."""
