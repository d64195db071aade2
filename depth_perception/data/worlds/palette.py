"""Materials of houses and streets, with random colours."""

from __future__ import annotations

from .scene import Scene, darker, hsv
from .textures import Texture


def wood(scene: Scene) -> int:
    """Planks from pale birch to dark walnut."""
    if scene.fine:
        colour = scene.colour((0.05, 0.11), (0.15, 0.65), (0.25, 0.9))
        own = scene.pick((0.0, 0.0, scene.uniform(0, 1)))
        return scene.photo(
            "wood", colour, scene.uniform(0.5, 2.0), own, gloss=scene.uniform(0, 0.2)
        )
    base = scene.colour((0.05, 0.11), (0.25, 0.65), (0.3, 0.85))
    scale = scene.uniform(0.8, 2.0), scene.uniform(0.06, 0.2)
    return scene.material(Texture.PLANKS, base, 0.8, scale=scale, gloss=scene.uniform(0, 0.15))


def fabric(scene: Scene) -> int:
    """Cloth: plain, striped, chequered or mottled."""
    if scene.fine:
        vivid = scene.colour((0, 1), (0.0, 0.75), (0.08, 0.95))
        muted = scene.colour((0.5, 1.1), (0.0, 0.35), (0.04, 0.6))
        colour = scene.pick((vivid, muted, muted))
        return scene.photo("cloth", colour, scene.uniform(0.15, 0.9), scene.uniform(0, 0.4))
    base = scene.colour((0, 1), (0.05, 0.75), (0.2, 0.9))
    second = scene.colour((0, 1), (0.05, 0.6), (0.3, 0.9))
    texture = scene.pick(
        (Texture.PLAIN, Texture.PLAIN, Texture.NOISE, Texture.STRIPES, Texture.CHECKER)
    )
    size = scene.uniform(0.03, 0.12)
    return scene.material(texture, base, second, scale=size, grain=0.2, grain_size=0.03)


def paint(scene: Scene, saturation: float = 0.35) -> int:
    """Paint of any colour."""
    if scene.fine:
        colour = scene.colour((0, 1), (0, saturation), (0.2, 0.97))
        gloss = scene.uniform(0, 0.3)
        return scene.photo("plaster", colour, scene.uniform(1, 4), gloss=gloss, mirror=gloss * 0.3)
    colour = scene.colour((0, 1), (0, saturation), (0.35, 0.95))
    return scene.plain(colour, grain=0.05, gloss=scene.uniform(0, 0.1))


def metal(scene: Scene) -> int:
    """Grey to black metal."""
    if scene.fine:
        colour = scene.colour((0.05, 0.65), (0, 0.15), (0.05, 0.85))
        return scene.photo("metal", colour, scene.uniform(0.3, 1.5), gloss=0.4)
    return scene.plain(scene.colour(0.6, (0, 0.15), (0.1, 0.7)), grain=0.05, gloss=0.4)


def white(scene: Scene) -> int:
    """Almost white."""
    if scene.fine:
        colour = scene.colour((0.08, 0.6), (0, 0.08), (0.75, 0.99))
        if scene.chance(0.5):
            return scene.plain(colour, grain=scene.uniform(0, 0.03))
        return scene.photo("plaster", colour, scene.uniform(1.5, 5))
    return scene.plain(scene.colour((0.08, 0.15), 0.05, (0.85, 0.97)), grain=0.03)


def room_wall(scene: Scene) -> int:
    """Painted plaster, wallpaper, bricks, tiles or panels."""
    if scene.fine:
        group = scene.pick(("plaster",) * 8 + ("brick", "wood", "tile", "stone", "cloth"))
        pale = scene.colour((0, 1), (0, 0.12), (0.6, 0.98))
        colour = scene.pick((pale, pale, scene.colour((0, 1), (0.05, 0.6), (0.2, 0.95))))
        if group == "plaster" and scene.chance(0.5):
            return scene.plain(colour, grain=scene.uniform(0, 0.04), grain_size=0.5)
        own = scene.uniform(0, 0.5) if group != "plaster" else scene.uniform(0, 0.15)
        return scene.photo(
            group, colour, scene.uniform(1.2, 4.0), own, gloss=scene.uniform(0, 0.05)
        )
    hue = scene.uniform(0, 1)
    base = hsv(hue, scene.uniform(0.02, 0.4), scene.uniform(0.6, 0.96))
    texture = scene.pick(
        (Texture.PLAIN,) * 4
        + (Texture.NOISE, Texture.WALLPAPER, Texture.WALLPAPER)
        + (Texture.BRICKS, Texture.TILES, Texture.STRIPES, Texture.PLANKS)
    )
    second = darker(base, scene.uniform(0.75, 0.95))
    line = hsv(hue + 0.05, 0.1, scene.uniform(0.4, 0.9))
    scale = {
        Texture.PLAIN: 1.0,
        Texture.NOISE: scene.uniform(0.2, 0.8),
        Texture.WALLPAPER: scene.uniform(0.12, 0.4),
        Texture.BRICKS: (0.24, 0.08),
        Texture.TILES: scene.uniform(0.15, 0.6),
        Texture.STRIPES: scene.uniform(0.06, 0.3),
        Texture.PLANKS: (2.5, scene.uniform(0.1, 0.25)),
    }[texture]
    if texture == Texture.BRICKS:
        base = scene.colour((0.0, 0.1), (0.2, 0.6), (0.4, 0.85))
        second = darker(base, 0.6)
    return scene.material(texture, base, second, line, scale, grain=0.06, grain_size=0.3)


def room_floor(scene: Scene) -> int:
    """Parquet, tiles, chequered stone, carpet or linoleum."""
    if scene.fine:
        group = scene.pick(("wood",) * 4 + ("tile",) * 3 + ("stone", "stone", "cloth", "plaster"))
        colour = scene.colour((0, 1), (0, 0.15), (0.1, 0.95))
        if group == "wood":
            colour = scene.colour((0.04, 0.11), (0.1, 0.65), (0.2, 0.85))
        polish = scene.pick((0.0, 0.0, scene.uniform(0.05, 0.5))) if group != "cloth" else 0.0
        size = scene.uniform(0.8, 3.0)
        return scene.photo(group, colour, size, scene.uniform(0, 0.4), gloss=polish, mirror=polish)
    style = scene.pick(("planks", "planks", "planks", "tiles", "checker", "noise", "plain"))
    if style == "planks":
        return wood(scene)
    base = scene.colour((0, 1), (0, 0.35), (0.35, 0.9))
    size = scene.uniform(0.2, 0.7)
    if style == "tiles":
        joint = scene.colour(0.1, 0.05, (0.2, 0.9))
        return scene.material(Texture.TILES, base, 0.85, joint, size, gloss=0.2, grain_size=0.1)
    if style == "checker":
        other = scene.colour((0, 1), 0.15, (0.15, 0.45))
        return scene.material(Texture.CHECKER, base, other, scale=size, gloss=0.2)
    if style == "noise":
        return scene.material(Texture.NOISE, base, 0.7, scale=0.08, grain=0.25, grain_size=0.03)
    return scene.plain(base, grain=0.1, grain_size=0.5, gloss=0.1)


def facade(scene: Scene) -> int:
    """A house front with windows."""
    wall = scene.colour((0, 0.17), (0.02, 0.5), (0.4, 0.95))
    if scene.chance(0.2):
        wall = scene.colour((0.3, 0.7), (0.05, 0.3), (0.5, 0.9))
    frame = hsv(scene.uniform(0, 0.2), 0.1, scene.pick((0.25, 0.6, 0.95, 0.95)))
    pane = scene.colour((0.08, 0.6), 0.3, (0.15, 0.5))
    scale = scene.uniform(1.5, 3.2), scene.uniform(2.8, 3.5)
    return scene.material(Texture.FACADE, wall, frame, pane, scale, grain_size=0.6, gloss=0.05)


def roof(scene: Scene) -> int:
    """Roof tiles."""
    if scene.fine:
        base = scene.colour((0.0, 0.08), (0.1, 0.65), (0.2, 0.65))
        return on_ground(scene, "brick", base, 2.0)
    base = scene.colour((0.0, 0.08), (0.1, 0.65), (0.3, 0.65))
    return scene.material(Texture.BRICKS, base, 0.7, scale=(0.3, 0.25), grain=0.15)


def pavement(scene: Scene) -> int:
    """Flagstones, setts or gravel."""
    if scene.fine:
        base = scene.colour((0.02, 0.15), (0.0, 0.2), (0.3, 0.8))
        group = scene.pick(("tile", "tile", "brick", "stone", "ground", "plaster"))
        return on_ground(scene, group, base, scene.uniform(0.8, 4.0), scene.uniform(0, 0.3))
    base = scene.colour((0.05, 0.15), (0.02, 0.15), (0.5, 0.75))
    size = scene.uniform(0.12, 0.6)
    texture = scene.pick((Texture.TILES, Texture.BRICKS, Texture.BRICKS, Texture.NOISE))
    if texture == Texture.NOISE:
        return scene.material(texture, base, 0.7, scale=0.3, grain=0.3, grain_size=0.05)
    return scene.material(texture, base, 0.8, 0.5, size, grain=0.12)


def grass(scene: Scene) -> int:
    """A lawn, fresh or dry."""
    if scene.fine:
        base = scene.colour((0.14, 0.34), (0.3, 0.75), (0.25, 0.7))
        return on_ground(scene, "grass", base, scene.uniform(0.8, 5.0), scene.uniform(0, 0.3))
    base = scene.colour((0.18, 0.32), (0.4, 0.7), (0.35, 0.65))
    return scene.material(Texture.NOISE, base, 0.6, scale=0.5, grain=0.4, grain_size=0.06)


def asphalt(scene: Scene, marked: bool) -> int:
    """A road surface, with lane marks or without."""
    if scene.fine:
        base = scene.colour((0.05, 0.65), (0, 0.07), (0.2, 0.6))
        if marked and scene.ground == "dry":
            mark = scene.colour(0.12, (0, 0.6), 0.9)
            return scene.material(Texture.ROAD, base, 0.9, mark, 1.5, grain=0.15, grain_size=0.08)
        return on_ground(scene, scene.pick(("ground", "plaster")), base, scene.uniform(1.5, 5))
    base = scene.colour(0.6, (0, 0.06), (0.3, 0.5))
    texture, mark = Texture.ROAD if marked else Texture.NOISE, hsv(0.12, 0.03, 0.9)
    return scene.material(texture, base, 0.9, mark, 1.5, grain=0.15, grain_size=0.08)


def foliage(scene: Scene, leaf: float = 0.25) -> int:
    """Leaves of a tree or a hedge."""
    if scene.fine:
        base = scene.colour((0.16, 0.38), (0.2, 0.7), (0.15, 0.55))
        if scene.chance(0.1):
            base = scene.colour((0.0, 0.14), (0.4, 0.8), (0.4, 0.85))
        return scene.photo("leaf", base, leaf * scene.uniform(3, 9), scene.uniform(0, 0.3))
    base = scene.colour((0.16, 0.38), (0.4, 0.8), (0.35, 0.7))
    if scene.chance(0.1):
        base = scene.colour((0.02, 0.12), 0.7, 0.7)
    return scene.material(Texture.FOLIAGE, base, 0.22, scale=leaf, grain=0.3, grain_size=0.05)


def bark(scene: Scene) -> int:
    """Bark of a trunk."""
    if scene.fine:
        base = scene.colour((0.05, 0.1), (0.1, 0.4), (0.12, 0.5))
        return scene.photo("ground", base, scene.uniform(0.3, 1.0))
    base = scene.colour((0.05, 0.1), 0.35, (0.25, 0.5))
    return scene.material(Texture.NOISE, base, 0.5, scale=0.1, grain=0.3)


def skin(scene: Scene) -> int:
    """Skin, pale to dark."""
    return scene.plain(scene.colour((0.04, 0.08), (0.3, 0.6), (0.3, 0.95)))


def on_ground(
    scene: Scene, group: str, colour: tuple[float, float, float], size_m: float, own: float = 0.0
) -> int:
    """A surface under the sky, wet or snowy as the ground of the scene."""
    if scene.ground == "snow" and scene.chance(0.85):
        white = scene.colour((0.55, 0.62), (0, 0.06), (0.85, 0.99))
        return scene.photo("plaster", white, scene.uniform(2, 6))
    if scene.ground == "wet":
        wet = scene.uniform(0.15, 0.7) if group != "grass" else 0.0
        return scene.photo(group, darker(colour, 0.6), size_m, own, gloss=0.3, mirror=wet)
    return scene.photo(group, colour, size_m, own)
