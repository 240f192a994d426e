"""What the drawn data sets draw with: soft edges, and random numbers that names decide."""
