"""The decode loop in C++, where there is a compiler and a processor for it."""
