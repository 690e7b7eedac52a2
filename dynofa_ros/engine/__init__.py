"""One frame through one network: decoding, preprocessing, back ends, resident sub-networks, profiles."""
