"""Steps that several papers improve a policy with: soft actor-critic, weighted cloning, the model-based step."""
