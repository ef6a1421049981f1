"""Tabular inverse RL on a discretised MountainCar: what IQ-Learn and ReCOIL learn on and off their demonstrations.

The transitions of Gymnasium's MountainCar-v0 on a grid of positions and velocities are deterministic: from the centre
of a cell an action is repeated for 200 / bins environment steps, long enough to leave the cell; the next state is the
cell that this reaches. One more state is the goal. Rewards are -1 and the discount is 0.99 per environment step. The
policies also act in Gymnasium's own environment, by the cell of their observation, with the same repetition.

The goal is modelled in two ways: as an ordinary state that leads to itself, where entropy still counts, and as an
absorbing state, whose value comes from the critic and which has no entropy.
"""
