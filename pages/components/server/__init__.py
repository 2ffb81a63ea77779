"""Who may reach the server: which names it answers to, what it asks for, what it tells browsers."""
