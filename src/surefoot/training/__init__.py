"""Turn labelled traces into reward models, and text into policies."""
