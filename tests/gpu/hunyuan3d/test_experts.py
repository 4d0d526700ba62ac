"""The mixture of experts against its definition."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the extra `ml` is not installed")

from orfeas.gpu.hunyuan3d.experts import MixtureOfExperts  # noqa: E402


def mixture(num_experts: int = 5, top_k: int = 2, *, width: int = 16) -> MixtureOfExperts:
    torch.manual_seed(0)
    module = MixtureOfExperts(width, 4 * width, num_experts, top_k).requires_grad_(requires_grad=False)
    for parameter in module.parameters():
        parameter.normal_(std=0.3)
    return module


def defined(module: MixtureOfExperts, x: Any) -> Any:
    """Every expert for every token, weighted by the probabilities of the chosen ones as they are."""
    probabilities = module.gate(x).softmax(dim=-1)
    kept = probabilities >= probabilities.topk(module.top_k).values[..., -1:]
    shares = torch.where(kept, probabilities, 0)
    out = module.shared_experts(x)
    for i, expert in enumerate(module.experts):
        out = out + shares[..., i : i + 1] * expert(x)
    return out


@pytest.mark.parametrize("grouped", [True, False])
@pytest.mark.parametrize("num_experts, top_k", [(5, 2), (8, 2), (3, 1), (4, 4), (1, 1)])
@pytest.mark.parametrize("shape", [(1, 1), (2, 7), (3, 40)])
def test_the_routed_sum_is_its_definition(grouped: bool, num_experts: int, top_k: int, shape: tuple[int, int]) -> None:
    module, x = mixture(num_experts, top_k), torch.randn(*shape, 16)
    expected = defined(module, x)
    module.fuse()
    module.grouped = grouped
    torch.testing.assert_close(module(x), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("favourite", [0, 2, 4])
def test_experts_without_tokens_are_no_trouble(favourite: int) -> None:
    module = mixture(top_k=1)
    module.gate.weight.zero_()[favourite] = 10.0
    x = torch.rand(2, 9, 16) + 0.1
    expected = module.shared_experts(x) + module.gate(x).softmax(dim=-1).amax(-1, keepdim=True) * module.experts[
        favourite
    ](x)
    module.fuse()
    torch.testing.assert_close(module(x), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_grouped_experts_are_plain_experts_in_half_precision(dtype: Any) -> None:
    module = mixture().to(dtype)
    module.fuse()
    x = torch.randn(2, 30, 16, dtype=dtype)
    grouped = module(x)
    module.grouped = False
    assert grouped.dtype == dtype
    torch.testing.assert_close(grouped, module(x), atol=0.05, rtol=0.02)


def test_a_token_does_not_depend_on_its_neighbours() -> None:
    module = mixture()
    module.fuse()
    x = torch.randn(2, 30, 16)
    together = module(x)
    torch.testing.assert_close(module(x[1:, 4:5]), together[1:, 4:5], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(module(x.flip(1)), together.flip(1), atol=1e-5, rtol=1e-5)


def test_fusing_keeps_the_number_of_parameters_and_none_of_the_originals() -> None:
    module = mixture()
    before = sum(parameter.numel() for parameter in module.parameters())
    module.fuse()
    assert sum(parameter.numel() for parameter in module.parameters()) == before
    assert not hasattr(module, "experts")


@pytest.mark.gpu
def test_grouped_experts_do_not_wait_for_the_device() -> None:
    module = mixture(width=64).to("cuda", torch.bfloat16)
    module.fuse()
    x = torch.randn(2, 30, 64, device="cuda", dtype=torch.bfloat16)
    grouped = module(x)
    torch.cuda.set_sync_debug_mode("error")
    try:
        module(x)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    module.grouped = False
    torch.testing.assert_close(grouped, module(x), atol=0.05, rtol=0.02)
