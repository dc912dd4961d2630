"""From policy to a sealed pair of objects: one room a stage, each a pure function of the one before."""
