"""The times of the steps against recorded ones, and the rule of the steps."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the extra `ml` is not installed")

from orfeas.gpu.hunyuan3d.schedulers import schedule  # noqa: E402
from orfeas.gpu.hunyuan3d.settings import SchedulerSettings  # noqa: E402
from tests.gpu.hunyuan3d.golden import vectors  # noqa: E402

KINDS = {
    "euler_shift1": SchedulerSettings(),
    "euler_shift3": SchedulerSettings(shift=3.0),
    "pcm50": SchedulerSettings(pcm_timesteps=50),
    "pcm100": SchedulerSettings(pcm_timesteps=100),
}


@pytest.mark.parametrize("steps", [5, 30, 50])
@pytest.mark.parametrize("kind", KINDS)
def test_times_are_the_recorded_ones(kind: str, steps: int) -> None:
    expected = vectors("schedulers")
    plan = schedule(KINDS[kind], steps)
    assert plan.num_inference_steps == steps
    assert plan.sigmas.dtype == torch.float32
    torch.testing.assert_close(plan.sigmas, expected[f"{kind}_{steps}_sigmas"], atol=1e-6, rtol=0)
    torch.testing.assert_close(plan.timesteps, expected[f"{kind}_{steps}_timesteps"], atol=1e-6, rtol=1e-7)


@pytest.mark.parametrize("kind, evaluations", [("euler_shift1", 49), ("euler_shift3", 49), ("pcm100", 50)])
def test_only_the_euler_plan_wastes_its_last_step(kind: str, evaluations: int) -> None:
    plan = schedule(KINDS[kind], 50)
    assert plan.num_evaluations == evaluations
    assert (plan.widths[-1] == 0) == (evaluations == 49)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("steps", [1, 2, 3, 7, 100, 150, 1000])
def test_every_plan_goes_from_noise_to_data(kind: str, steps: int) -> None:
    plan = schedule(KINDS[kind], steps)
    assert (plan.sigmas[0], plan.sigmas[-1]) == (0, 1)
    assert all(width >= 0 for width in plan.widths)
    assert 1 <= plan.num_evaluations <= steps


def test_steps_along_a_constant_velocity_end_at_the_data() -> None:
    noise, data = torch.randn(2, 5, 3), torch.randn(2, 5, 3)
    latents, plan = noise, schedule(KINDS["pcm100"], 9)
    for i in range(9):
        latents = plan.step(latents, data - noise, i)
    torch.testing.assert_close(latents, data)


def test_a_step_is_taken_in_float32_whatever_the_velocity_is() -> None:
    plan = schedule(SchedulerSettings(), 1000)
    latents = plan.step(torch.ones(1, 1, 1), torch.ones(1, 1, 1, dtype=torch.bfloat16), 0)
    assert latents.dtype == torch.float32
    assert latents.item() == pytest.approx(1 + 1 / 999, abs=1e-7)


@pytest.mark.parametrize(
    "settings, steps",
    [
        (SchedulerSettings(), 0),
        (SchedulerSettings(), -1),
        (SchedulerSettings(pcm_timesteps=0), 5),
        (SchedulerSettings(pcm_timesteps=1001), 5),
        (SchedulerSettings(pcm_timesteps=100, shift=3.0), 5),
    ],
)
def test_what_has_no_plan_is_refused(settings: SchedulerSettings, steps: int) -> None:
    with pytest.raises(ValueError, match=r"num_inference_steps|consistency"):
        schedule(settings, steps)
