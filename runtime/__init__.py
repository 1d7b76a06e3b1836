"""What the container needs to turn text into labels; it knows no training."""
