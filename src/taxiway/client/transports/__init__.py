"""The protocols a client speaks."""
