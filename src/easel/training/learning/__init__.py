"""How anything learns: one loop, its checkpoints and reports, optimisers, objectives. Knows no network and no data."""
