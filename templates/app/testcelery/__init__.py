"""What testcelery puts beside the modules of the test."""
