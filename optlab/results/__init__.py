"""What a run asks for and what it answers: one frozen, versioned type for every kind of spec and result.

Producers return these types, the store keeps their JSON, and every reader takes them from `from_json`; nobody else
spells a key. Torch-free and low in the house, so that pages read what workers wrote.
"""
