"""The network: tensors in, tensors out, parameters named as in the published checkpoints."""
