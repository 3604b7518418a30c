"""`bridge doctor`: what is wrong with this node, and how to mend it. It looks at each part beside the daemon."""
