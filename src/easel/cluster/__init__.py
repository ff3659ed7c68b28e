"""Floor 6: many machines behind one client, by Ray; knows nothing of what a request means."""
