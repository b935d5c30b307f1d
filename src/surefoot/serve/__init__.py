"""Searches over HTTP: a gateway that answers as the OpenAI chat API does."""
