"""Captures in other people's formats: readers into ours, writers out of it, one camera convention between them."""
