"""Which networks exist: sub-network specifications, families, weights, extraction, training, search."""
