"""The network rearranged for inference on a CPU; start at `encoder.fast_encoder`."""
