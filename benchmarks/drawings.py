"""Pictures drawn for the gallery, the benchmarks and the tests: 512 px, RGBA, the same on every run."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from benchmarks.painter import SIDE, Painter, Point, gradient, noise


def bear() -> Image.Image:
    """A sitting bear cub, alpha."""
    p = Painter()
    fur, dark, light = (176, 118, 68), (150, 96, 54), (226, 186, 136)
    for x in (176, 336):
        p.ball((x, 86), (42, 42), fur)
        p.ball((x, 90), (24, 24), light)
    p.limb((160, 280), (100, 340), 42, dark, 32)
    p.limb((352, 280), (412, 340), 42, dark, 32)
    p.ball((256, 350), (122, 128), fur)
    p.ball((256, 366), (78, 88), light)
    for x in (150, 362):
        p.ball((x, 452), (58, 44), dark)
        p.ball((x, 456), (30, 22), light)
    p.ball((256, 160), (122, 104), fur)
    p.ball((256, 196), (54, 42), light)
    p.ball((256, 178), (20, 14), (60, 40, 34), gloss=0.5)
    for x in (208, 304):
        p.ball((x, 142), (13, 16), (40, 28, 26), gloss=0.7)
    return p.image()


def robot() -> Image.Image:
    """A toy robot on white paper."""
    p = Painter()
    steel, blue, yellow = (168, 178, 190), (64, 118, 180), (236, 190, 62)
    p.limb((256, 40), (256, 90), 5, steel)
    p.ball((256, 34), (15, 15), (214, 66, 56))
    for x in (196, 316):
        p.limb((x, 380), (x, 452), 28, steel)
        p.ball((x, 468), (46, 26), blue)
    for x, hand in ((140, 92), (372, 420)):
        p.limb((x, 240), (hand, 340), 22, steel)
        p.ball((hand, 352), (29, 29), yellow)
    p.box((146, 212), (366, 396), blue, 30)
    p.box((180, 250), (332, 340), (222, 228, 232), 12)
    for i, colour in enumerate([(214, 66, 56), (236, 190, 62), (92, 178, 96)]):
        p.ball((212 + 44 * i, 295), (15, 15), colour)
    p.limb((256, 180), (256, 200), 30, steel)
    p.box((166, 78), (346, 200), steel, 34)
    for x in (214, 298):
        p.ball((x, 132), (26, 26), (250, 250, 244))
        p.ball((x + 3, 135), (11, 11), (34, 42, 58), gloss=0.6)
    p.box((212, 172), (300, 182), (74, 84, 98), 5)
    return p.on(gradient((255, 255, 255), (255, 255, 255)))


def girl() -> Image.Image:
    """A standing child with arms out, plain colours with a dark outline, on light blue."""
    p = Painter()
    skin, hair, dress, shoe = (242, 196, 160), (112, 66, 40), (206, 72, 116), (70, 62, 92)
    _outlined(p, skin, hair, dress, shoe)
    return p.on(gradient((206, 226, 240), (206, 226, 240)))


def _outlined(p: Painter, skin: tuple[int, int, int], hair: tuple[int, int, int], dress: tuple[int, int, int],
              shoe: tuple[int, int, int]) -> None:  # fmt: skip
    line = (44, 32, 36)
    for grow, plain in ((5, True), (0, False)):

        def tint(colour: tuple[int, int, int], plain: bool = plain) -> tuple[int, int, int]:
            return line if plain else colour

        for x in (222, 290):
            p.limb((x, 380), (x, 456), 19 + grow, tint(skin))
            p.ball((x - 4 if x < 256 else x + 4, 474), (34 + grow, 18 + grow), tint(shoe))
        for x, hand in ((206, 104), (306, 408)):
            p.limb((x, 246), (hand, 306), 20 + grow, tint(skin), 15 + grow)
        top, bottom = 214 - grow, 400 + grow
        p.polygon([(212 - grow, top), (300 + grow, top), (358 + grow, bottom), (154 - grow, bottom)], tint(dress))
        p.ball((256, 124), (106 + grow, 102 + grow), tint(hair))
        for x in (152, 360):
            p.ball((x, 150), (30 + grow, 44 + grow), tint(hair))
        p.ball((256, 140), (82, 80), tint(skin))
    for x in (224, 288):
        p.disc((x, 140), 9, line)
    p.ball((256, 176), (18, 7), (198, 86, 86))


def duck() -> Image.Image:
    """A rubber duck from the side, alpha."""
    p = Painter()
    yellow, beak = (246, 202, 62), (232, 124, 44)
    p.polygon([(60, 260), (150, 300), (140, 380), (90, 350)], yellow)
    p.ball((250, 350), (180, 110), yellow)
    p.ball((330, 178), (98, 94), yellow)
    p.ball((432, 196), (52, 22), beak, 8)
    p.ball((356, 154), (16, 20), (250, 250, 246))
    p.ball((360, 156), (9, 12), (30, 26, 26), gloss=0.7)
    p.ball((220, 346), (92, 56), (232, 182, 46), -14)
    return p.image()


def mug() -> Image.Image:
    """A mug with a handle on a plain light ground."""
    p = Painter()
    p.ring((358, 272), (74, 86), 19, (206, 84, 62))
    t = np.clip((p.x - 110) / 240, 0, 1)
    shade = 0.62 + 0.5 * np.exp(-((t - 0.32) ** 2) / 0.08)
    body = np.minimum(p.x - 110, 350 - p.x)
    arch = np.sqrt(np.clip(1 - ((p.x - 230) / 120) ** 2, 0, 1)) * 26
    body = np.minimum(body, np.minimum(p.y - 126 + arch, 420 + arch - p.y))
    p.lay(body, np.array([206, 84, 62]) * shade[..., None])
    p.ball((230, 128), (110, 22), (92, 52, 40), gloss=0.0)
    return p.on(gradient((236, 234, 228), (236, 234, 228)))


def star() -> Image.Image:
    """A golden star with facets, alpha."""
    p = Painter()
    points = [_polar((256, 270), 236 if i % 2 == 0 else 98, -90 + 36 * i) for i in range(10)]
    for i in range(10):
        light = 1.0 if i % 2 == 0 else 0.82
        p.polygon(
            [(256, 270), points[i], points[(i + 1) % 10]],
            (round(248 * light), round(196 * light), round(58 * light)),
            0,
        )
    return p.image()


def _polar(centre: Point, radius: float, angle_deg: float) -> Point:
    return centre[0] + radius * np.cos(np.radians(angle_deg)), centre[1] + radius * np.sin(np.radians(angle_deg))


def logo() -> Image.Image:
    """A badge with four holes on white, one of them a shade off."""
    p = Painter()
    p.box((60, 100), (452, 412), (28, 96, 168), 70, 0)
    p.erase_disc((160, 256), 52)
    p.erase_polygon([(240, 300), (292, 190), (344, 300)])
    p.erase_disc((392, 180), 20)
    p.box((240, 330), (400, 352), (250, 250, 250), 8, 0)
    return p.on(gradient((255, 255, 255), (255, 255, 255)))


def key() -> Image.Image:
    """A brass key, alpha."""
    p = Painter()
    brass = (206, 164, 82)
    p.box((240, 220), (272, 488), brass, 6, 0.1)
    for y, width in ((396, 54), (430, 38), (462, 60)):
        p.box((262, y), (272 + width, y + 20), brass, 3, 0)
    p.disc((256, 126), 104, brass)
    p.erase_disc((256, 104), 46)
    return p.image()


def fur() -> Image.Image:
    """A ball of soft fur whose alpha fades to nothing."""
    p = Painter()
    rng = np.random.default_rng(5)
    angle = np.arctan2(p.y - 256, p.x - 256)
    hairs = np.interp(angle, np.linspace(-np.pi, np.pi, 720), rng.normal(0, 9, 720))
    radius = np.hypot(p.x - 256, p.y - 256)
    depth = np.sqrt(np.clip(1 - (radius / 225) ** 2, 0, 1))
    light = 0.6 + 0.45 * np.clip((-0.45 * (p.x - 256) - 0.55 * (p.y - 256)) / 225 + 0.7 * depth, 0, 1)
    texture = 0.9 + 0.2 * noise(3, 8)
    p.lay_covered(
        np.clip((212 + hairs - radius) / 44 + 0.5, 0, 1), np.array([196, 150, 196]) * (light * texture)[..., None]
    )
    for x in (206, 306):
        p.ball((x, 232), (22, 26), (30, 26, 36), gloss=0.7)
    return p.image()


def apple() -> Image.Image:
    """An apple on a ground that grows darker downwards and sideways."""
    p = Painter()
    p.limb((254, 190), (276, 76), 10, (96, 66, 42), 6)
    p.ball((316, 92), (54, 22), (104, 164, 70), -24)
    p.ball((200, 290), (128, 148), (206, 48, 44))
    p.ball((312, 290), (128, 148), (206, 48, 44))
    p.ball((256, 300), (150, 146), (212, 54, 48))
    return p.on(gradient((232, 232, 226), (150, 160, 172), 40))


def pole() -> Image.Image:
    """A long thin pole, alpha."""
    p = Painter()
    p.limb((256, 16), (256, 496), 9, (150, 152, 158))
    p.ball((256, 20), (13, 13), (198, 160, 72))
    return p.image()


def landscape() -> Image.Image:
    """Hills, a lake and a sun: scenery without a subject."""
    p = Painter()
    sky = gradient((92, 150, 214), (238, 214, 180))
    sky += 90 * np.exp(-(((p.x - 380) ** 2 + (p.y - 110) ** 2) / 1800))[..., None]
    sky += 22 * (noise(11, 64) - 0.5)[..., None]
    picture = sky
    for i, (base, height, colour) in enumerate(
        ((250, 90, (126, 142, 168)), (310, 70, (86, 118, 104)), (400, 60, (58, 92, 54)))
    ):
        ridge = base - height * (noise(20 + i, 86 - 16 * i)[40] + 0.4 * noise(30 + i, 22)[90] - 0.6)
        shade = 0.8 + 0.5 * noise(40 + i, 12 - 3 * i) - 0.25 * noise(50 + i, 48)
        below = np.clip(p.y - ridge[None, :] + 0.5, 0, 1)[..., None]
        picture = picture * (1 - below) + np.asarray(colour) * shade[..., None] * below
    return Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8), "RGB").convert("RGBA")


def portrait() -> Image.Image:
    """A head and shoulders before a wall, soft light: for lithophanes."""
    p = Painter()
    p.ball((256, 560), (220, 200), (62, 74, 104))
    p.limb((256, 330), (256, 400), 56, (196, 150, 122))
    p.ball((256, 196), (142, 168), (58, 40, 32))
    p.ball((256, 226), (108, 138), (224, 178, 148))
    for x in (214, 298):
        p.ball((x, 206), (20, 11), (246, 244, 240))
        p.ball((x, 206), (10, 10), (54, 66, 74))
        p.limb((x - 22, 180), (x + 22, 178), 4, (58, 40, 32))
    p.limb((256, 212), (252, 254), 8, (214, 166, 136), 15)
    p.ball((256, 304), (38, 10), (182, 92, 88))
    wall = gradient((190, 186, 176), (120, 118, 116), 30) + 14 * (noise(4, 12) - 0.5)[..., None]
    return p.on(wall)


def cherries() -> Image.Image:
    """Two separate parts, alpha."""
    p = Painter()
    p.ball((150, 330), (112, 112), (184, 30, 50), gloss=0.4)
    p.limb((156, 226), (206, 90), 7, (92, 128, 52))
    p.ball((382, 300), (98, 98), (198, 38, 54), gloss=0.4)
    p.limb((376, 206), (352, 76), 7, (92, 128, 52))
    return p.image()


def ring() -> Image.Image:
    """A gold ring from the front, alpha."""
    p = Painter()
    p.ring((256, 290), (164, 164), 26, (222, 178, 76))
    p.ball((256, 112), (44, 36), (122, 196, 226), gloss=0.6)
    return p.image()


def tree() -> Image.Image:
    """A broad tree, alpha."""
    p = Painter()
    rng = np.random.default_rng(8)
    p.limb((256, 492), (256, 300), 34, (112, 78, 52), 20)
    for end in ((150, 240), (360, 230), (256, 200)):
        p.limb((256, 330), end, 17, (112, 78, 52), 10)
    for x, y, r in [
        (*_polar((256, 180), 108 * np.sqrt(rng.random()), 360 * rng.random()), 40 + 26 * rng.random())
        for _ in range(34)
    ]:
        green = rng.random()
        p.ball((x, y), (r, r * 0.9), (round(62 + 50 * green), round(122 + 48 * green), round(50 + 20 * green)), gloss=0)
    return p.image()


def chair() -> Image.Image:
    """A chair with slats and gaps, on a light wall."""
    p = Painter()
    wood = (168, 112, 64)
    for x in (146, 366):
        p.limb((x, 44), (x, 488), 15, wood)
    for y in (70, 130, 190):
        p.box((146, y - 17), (366, y + 17), (186, 128, 76), 8)
    p.box((112, 276), (400, 322), (198, 140, 86), 14)
    p.box((146, 392), (366, 412), wood, 6)
    return p.on(gradient((238, 240, 242), (226, 228, 232)))


def car() -> Image.Image:
    """A small car from the side, alpha."""
    p = Painter()
    red = (204, 58, 54)
    p.polygon([(150, 240), (206, 156), (346, 156), (408, 240)], red, 0)
    p.polygon([(176, 236), (216, 174), (270, 174), (270, 236)], (170, 210, 228))
    p.polygon([(284, 236), (284, 174), (338, 174), (382, 236)], (170, 210, 228))
    p.box((34, 228), (478, 334), red, 40, 0.3)
    p.ball((466, 266), (12, 16), (252, 238, 176))
    for x in (136, 376):
        p.ball((x, 336), (58, 58), (48, 48, 54), gloss=0)
        p.ball((x, 336), (28, 28), (196, 198, 204))
    return p.image()


def vase() -> Image.Image:
    """A striped vase before a patterned, busy wall."""
    p = Painter()
    profile = np.interp(p.y, [90, 120, 200, 330, 450, 452], [70, 52, 62, 140, 84, 84])
    inside = np.minimum(profile - np.abs(p.x - 256), np.minimum(p.y - 90, 452 - p.y))
    across = np.clip((p.x - 256) / np.maximum(profile, 1), -1, 1)
    light = 0.55 + 0.5 * np.clip(-0.5 * across + 0.8 * np.sqrt(1 - across**2), 0, 1)
    stripes = np.where((p.y % 72 < 20)[..., None], np.array([238, 226, 196]), np.array([38, 98, 150]))
    p.lay(inside, stripes * light[..., None])
    wall = np.array([186, 150, 96]) * (0.7 + 0.6 * noise(61, 16))[..., None]
    return p.on(wall + 40 * (noise(62, 4) - 0.5)[..., None])


def leaf() -> Image.Image:
    """A maple-like leaf, alpha."""
    p = Painter()
    angles = np.linspace(0, 360, 240, endpoint=False)
    lobes = 120 + 96 * np.abs(np.cos(np.radians(angles * 2.5))) ** 1.6 + 12 * np.cos(np.radians(angles * 20))
    p.limb((256, 300), (256, 498), 7, (140, 74, 40))
    p.polygon(
        [_polar((256, 240), float(r), float(a) - 90) for r, a in zip(lobes, angles, strict=True)], (208, 104, 44), 0.3
    )
    for angle in (-90, -18, -162, 40, 140):
        p.limb((256, 250), _polar((256, 240), 160, angle), 4, (160, 74, 36), 1)
    return p.image()


def face() -> Image.Image:
    """A cat's face in plain colours with white eyes on a white page."""
    p = Painter()
    orange, pink = (232, 150, 72), (240, 170, 160)
    for points in ([(96, 60), (232, 120), (112, 240)], [(416, 60), (280, 120), (400, 240)]):
        p.polygon(points, orange)
    p.ball((256, 286), (190, 170), orange)
    p.ball((256, 350), (96, 70), (250, 226, 196))
    for x in (186, 326):
        p.ball((x, 250), (42, 46), (255, 255, 255), gloss=0)
        p.disc((x, 250), 36, (255, 255, 255))
        p.disc((x + 4, 254), 17, (30, 30, 34))
    p.polygon([(234, 316), (278, 316), (256, 342)], pink)
    return p.on(gradient((255, 255, 255), (255, 255, 255)))


DRAWINGS: dict[str, Callable[[], Image.Image]] = {
    function.__name__: function
    for function in (
        bear, robot, girl, duck, face, mug, star, logo, key, fur, apple, pole, cherries, ring, tree, leaf, chair, car,
        vase, landscape, portrait,
    )
}  # fmt: skip

__all__ = ["DRAWINGS", "SIDE", *sorted(DRAWINGS)]
