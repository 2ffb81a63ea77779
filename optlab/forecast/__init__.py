"""What work takes, before it starts: bytes of the result, memory, disk and seconds, from shapes and rates.

Torch-free. Bytes follow from shapes; seconds need what was measured here (`rates`).
"""
