"""What a log says afterwards: worked out again, explained in words, measured. Needs no running node."""
