"""What measures accuracy and speed, and prints the tables of the README."""
