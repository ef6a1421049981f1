"""The forms of a few operations that XLA's CPU backend computes fastest.

Networks and learners are written in plain JAX. Four functions of theirs are `Replaceable`: in programs that
`imitax.compiled` compiles for the CPU, a kernel of this package computes them; `cpu.py` lists which. Values and
gradients agree with the plain function to rounding, so nobody has to read a kernel to understand an algorithm.

Kernels define their own reverse-mode derivatives, of every order, and JAX then refuses forward mode (`jax.jvp`,
`jax.jacfwd`, `jax.hessian`). Outside those programs everything is plain: a policy or a reward can be differentiated in
any way, exported, or compiled by the caller. A loss that needs forward mode in training wraps it in
`kernels.disabled()`. The environment variable IMITAX_KERNELS=0 turns all kernels off.
"""

from imitax.kernels.switch import Replaceable, disabled, enabled

__all__ = ["Replaceable", "disabled", "enabled"]
