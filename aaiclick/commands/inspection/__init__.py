"""Looking before anything is done: what is there, what is declared, and what follows from both."""
