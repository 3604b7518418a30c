"""ARI: answers callers, plays prompts, hears digits, hangs up."""
