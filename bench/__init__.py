"""Side-by-side measurements of the embedded gateway: `make bench`."""
