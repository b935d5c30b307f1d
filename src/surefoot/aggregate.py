"""Turn the scores of a trace's steps into one number.

Every rule takes a list of floats, a NumPy array or a torch tensor of shape ``(..., S)`` (S steps; leading axes are a
batch) and an optional boolean mask of the same shape that is true where a step counts. It reduces the last axis. Lists
give a float; arrays give arrays; tensors give tensors and keep their gradient.

`minimum`, `product`, `last`, `mean`, `geometric` and `total` are rewards: higher is better. `nll` is a loss: lower is
better.

References: product, Lightman et al. 2023 (arXiv:2305.20050, section 2.5, neutral steps counted as positive); minimum,
Wang et al. 2024, Math-Shepherd (arXiv:2312.08935, section 3.4); last, Snell et al. 2024 (arXiv:2408.03314, section 5).
"""
