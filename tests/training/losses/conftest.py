"""Learning in its smallest form."""

import pytest
import torch


@pytest.fixture
def fit():
    """Numbers that minimise a loss, by a method of second order: `fit(shape, loss)`."""

    def learned(shape, loss):
        free = torch.zeros(shape, dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.LBFGS(
            [free],
            max_iter=200,
            tolerance_grad=1e-10,
            tolerance_change=1e-14,
            line_search_fn="strong_wolfe",
        )

        def closure():
            optimizer.zero_grad()
            found = loss(free)
            found.backward()
            return found

        optimizer.step(closure)
        return free.detach()

    return learned
