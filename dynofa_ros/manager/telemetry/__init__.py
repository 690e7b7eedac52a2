"""What is known of the board and the applications, from what they report."""
