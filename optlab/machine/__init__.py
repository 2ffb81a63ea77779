"""What this machine is and whose turn it is: cores, locks, how threads wait, an identity for timings. Torch-free."""
