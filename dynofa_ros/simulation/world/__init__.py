"""The simulated world: chance, elements, frames, and the figures that judge a run."""
