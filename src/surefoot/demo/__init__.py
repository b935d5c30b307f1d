"""The whole loop on the built-in world."""
