"""A model in two stages on two devices, trained by micro-batches."""
