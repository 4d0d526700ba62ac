"""A mixture of experts: each token goes through the few experts that a gate chooses, and one that all share.

Source: N. Shazeer et al., "Outrageously large neural networks", arXiv 1701.06538; D. Dai et al., "DeepSeekMoE",
arXiv 2401.06066 (the shared expert). Module names are the keys of the released files.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from orfeas.gpu.hunyuan3d.layers import frozen, module_list


class ActivatedProjection(nn.Module):
    """A linear layer and GELU."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.proj = nn.Linear(width, hidden)

    def forward(self, x: Tensor) -> Tensor:
        """`[..., h]` to `[..., m]`."""
        return functional.gelu(self.proj(x))


class Expert(nn.Module):
    """An MLP of two layers."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.net = nn.Sequential(ActivatedProjection(width, hidden), nn.Identity(), nn.Linear(hidden, width))

    def forward(self, x: Tensor) -> Tensor:
        """`[..., h]` to `[..., h]`."""
        out: Tensor = self.net(x)
        return out

    @property
    def layers(self) -> tuple[nn.Linear, nn.Linear]:
        """The inner and the outer one."""
        inner, _, outer = self.net
        assert isinstance(inner, ActivatedProjection)
        assert isinstance(outer, nn.Linear)
        return inner.proj, outer


class MixtureOfExperts(nn.Module):
    """The feed-forward part of a block. `fuse` has to follow loading.

    Parameters
    ----------
    grouped
        Sort the tokens by expert, so that each takes a slice; in bfloat16 one grouped product does all of them without
        waiting for the device. Otherwise the experts pick their tokens by masks. Both give the same numbers.
    """

    def __init__(self, width: int, hidden: int, num_experts: int, top_k: int, *, grouped: bool = True) -> None:
        super().__init__()
        self.top_k = top_k
        self.grouped = grouped
        self.gate = nn.Linear(width, num_experts, bias=False)
        self.experts = module_list(Expert(width, hidden) for _ in range(num_experts))
        self.shared_experts = Expert(width, hidden)

    def fuse(self) -> None:
        """Replace the experts by their stacked weights: [E, m, h] and [E, h, m], and biases [E, m] and [E, h]."""
        inner, outer = zip(*(expert.layers for expert in self.experts), strict=True)
        self.weight_in, self.bias_in = _stacked(inner)
        self.weight_out, self.bias_out = _stacked(outer)
        del self.experts

    def forward(self, x: Tensor) -> Tensor:
        """`[B, S, h]` to `[B, S, h]`: shares of the chosen experts, which do not add up to 1, and the shared one."""
        tokens = x.flatten(0, 1)
        shares, chosen = self.gate(tokens).softmax(dim=-1, dtype=torch.float32).topk(self.top_k)
        shares = shares.to(x.dtype)
        route = self._route_grouped if self.grouped else self._route_plainly
        shared: Tensor = self.shared_experts(x)
        return shared + route(tokens, shares, chosen).view_as(x)

    def _route_grouped(self, tokens: Tensor, shares: Tensor, chosen: Tensor) -> Tensor:
        count = len(self.bias_in)
        experts, order = chosen.flatten().sort(stable=True)
        numbers = torch.arange(count, device=experts.device)
        ends = torch.searchsorted(experts, numbers, right=True, out_int32=True)
        rows = tokens[order // self.top_k]
        # The products are for this type alone: the compiler knows no other, and CUDA would wait for the ends.
        evaluate = self._in_one_product if rows.dtype == torch.bfloat16 else self._one_by_one
        routed = evaluate(rows, experts, ends)
        back = torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=order.device))
        mixed = (routed[back].view(*chosen.shape, -1) * shares[:, :, None]).sum(dim=1)
        # The outer biases are mixed by the shares as well, in a product with one column for each expert.
        every_share = shares.new_zeros(len(tokens), count).scatter_(1, chosen, shares)
        return torch.addmm(mixed, every_share, self.bias_out)

    def _in_one_product(self, rows: Tensor, experts: Tensor, ends: Tensor) -> Tensor:
        hidden = functional.grouped_mm(rows, self.weight_in.transpose(1, 2), offs=ends)
        hidden = functional.gelu(hidden + self.bias_in[experts])
        return functional.grouped_mm(hidden, self.weight_out.transpose(1, 2), offs=ends)

    def _one_by_one(self, rows: Tensor, experts: Tensor, ends: Tensor) -> Tensor:
        pieces = torch.split(rows, ends.diff(prepend=ends.new_zeros(1)).tolist())
        weights = zip(self.weight_in, self.bias_in, self.weight_out, strict=True)
        routed = [
            functional.linear(functional.gelu(functional.linear(piece, inner, bias)), outer)
            for piece, (inner, bias, outer) in zip(pieces, weights, strict=True)
        ]
        return torch.cat(routed)

    def _route_plainly(self, tokens: Tensor, shares: Tensor, chosen: Tensor) -> Tensor:
        mixed = torch.zeros_like(tokens)
        for expert in range(len(self.bias_in)):
            mine, slot = (chosen == expert).nonzero(as_tuple=True)
            hidden = functional.gelu(functional.linear(tokens[mine], self.weight_in[expert], self.bias_in[expert]))
            out = functional.linear(hidden, self.weight_out[expert], self.bias_out[expert])
            mixed = mixed.index_add(0, mine, out * shares[mine, slot, None])
        return mixed


def _stacked(layers: Sequence[nn.Linear]) -> tuple[nn.Parameter, nn.Parameter]:
    weights = torch.stack([layer.weight.detach() for layer in layers])
    return frozen(weights), frozen(torch.stack([layer.bias.detach() for layer in layers]))
