"""The checks of `bridge doctor`: what is wrong with this node, and how to mend it. They need no running daemon."""
