"""How a search is shown: its tree laid out, drawn as SVG, and as a piece of HTML to read in."""
