"""What is right: answers and step checkers."""
