"""The commands. Each is a module; ``main`` holds the table of them."""
