"""What was said: types, text to steps, our own store, foreign formats."""
