"""The camera: where it stands (pose), the light, and what lens, sensor and JPEG do to the picture."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from reader.image import through_jpeg
from synthesis.paint import multiply, polygon, smooth_noise, white_noise


@dataclass(frozen=True)
class Pose:
    """A pinhole camera looking at a meter.

    Attributes:
        matrix: (3, 4) float64; maps face pixels (x, y, z, 1), z pointing away from the camera, to photo pixels.
    """

    matrix: np.ndarray

    @property
    def homography(self) -> np.ndarray:
        """(3, 3) map from the plane of the face (z = 0) to photo pixels."""
        return self.matrix[:, [0, 1, 3]]

    def project(self, points: np.ndarray, z: float | np.ndarray = 0.0) -> np.ndarray:
        """Map (n, 2) face points at depth z to (n, 2) float32 photo pixels."""
        points = np.asarray(points, np.float64)
        deep = np.broadcast_to(np.asarray(z, np.float64), (len(points),))
        mapped = np.column_stack([points, deep, np.ones(len(points))]) @ self.matrix.T
        return (mapped[:, :2] / mapped[:, 2:]).astype(np.float32)


def look_at(
    anchor: tuple[float, float],
    target: tuple[float, float],
    scale: float,
    roll: float,
    yaw: float,
    pitch: float,
    focal: float,
) -> Pose:
    """Place the camera.

    Args:
        anchor: the face point to look at, face pixels.
        target: where it comes to lie on the photo, photo pixels.
        scale: photo pixels per face pixel there.
        roll: turn of the meter on the photo, degrees clockwise.
        yaw: degrees by which the face is turned to the side.
        pitch: degrees by which the face is tipped back or forth.
        focal: focal length in photo pixels; short ones make strong perspective.
    """
    a, b, c = np.radians([roll, yaw, pitch])
    roll_m = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    yaw_m = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    pitch_m = np.array([[1, 0, 0], [0, np.cos(c), -np.sin(c)], [0, np.sin(c), np.cos(c)]])
    turn = pitch_m @ yaw_m @ roll_m
    shift = np.array([0, 0, focal / scale]) - turn @ np.array([anchor[0], anchor[1], 0.0])
    lens = np.array([[focal, 0, target[0]], [0, focal, target[1]], [0, 0, 1]])
    return Pose(lens @ np.column_stack([turn, shift]))


def edge_homography(homography: np.ndarray) -> np.ndarray:
    """Turn a map between pixel-edge coordinates (ours) into one between pixel centres (OpenCV's warps)."""
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1.0]])
    return np.linalg.inv(half) @ homography @ half


@dataclass(frozen=True)
class Shot:
    """How one photo is taken; every strength is drawn before, so that a photo can be taken again more gently.

    Attributes:
        exposure: brightness factor of the middle of the photo.
        falloff: how much darker the corners are than the middle, 0 to 1.
        cast: gains of red, green and blue.
        gamma: tone curve; over 1 deepens shadows.
        saturation: 0 grey, 1 as it is.
        defocus: deviation of the lens blur in pixels.
        motion: length of the motion blur in pixels, and its angle in radians.
        noise: deviation of the sensor noise in grey levels, before the tone curve.
        sharpen: strength of the phone's sharpening.
        jpeg: JPEG quality, 1 to 100.
    """

    exposure: float = 1.0
    falloff: float = 0.0
    cast: tuple[float, float, float] = (1.0, 1.0, 1.0)
    gamma: float = 1.0
    saturation: float = 1.0
    defocus: float = 0.0
    motion: tuple[float, float] = (0.0, 0.0)
    noise: float = 0.0
    sharpen: float = 0.0
    jpeg: int = 95

    def gentler(self) -> Shot:
        """Return settings that keep more of the digits."""
        length, angle = self.motion
        return replace(
            self,
            exposure=min(max(self.exposure * 1.7, 0.5), 1.0),
            falloff=self.falloff * 0.5,
            gamma=min(self.gamma, 1.0),
            saturation=max(self.saturation, 0.7),
            defocus=self.defocus * 0.4,
            motion=(length * 0.4, angle),
            noise=self.noise * 0.5,
            jpeg=max(self.jpeg, 70),
        )

    def harsher(self) -> Shot:
        """Return settings that lose more of the digits."""
        return replace(
            self, exposure=self.exposure * (0.5 if self.exposure < 0.3 else 1.3), defocus=self.defocus * 1.5 + 1
        )


_CASTS = (
    (1.0, 1.0, 1.0),
    (1.12, 1.0, 0.82),
    (1.22, 0.98, 0.66),
    (0.9, 1.0, 1.1),
    (0.9, 1.06, 0.92),
    (1.05, 0.95, 1.02),
    (0.8, 0.95, 1.2),
)


def random_shot(rng: np.random.Generator, digit_height: float) -> Shot:
    """Draw the settings of a legible photo; blur is bounded by the height of the digits (pixels)."""
    dim = rng.random() < 0.2
    exposure = float(rng.uniform(0.28, 0.6) if dim else np.clip(rng.normal(1.06, 0.18), 0.6, 1.5))
    cast = np.asarray(_CASTS[int(rng.choice(len(_CASTS), p=(0.34, 0.2, 0.12, 0.1, 0.1, 0.07, 0.07)))])
    cast = cast * rng.normal(1, 0.03, 3)
    blur = digit_height * float(rng.choice((0.0, 0.02, 0.05, 0.085), p=(0.35, 0.3, 0.22, 0.13))) * rng.uniform(0.5, 1.2)
    shaken = rng.random() < 0.15
    motion = digit_height * rng.uniform(0.05, 0.2) if shaken else 0.0
    grain = float(rng.choice((0.6, 2.0, 4.0, 8.0), p=(0.35, 0.35, 0.22, 0.08)) * rng.uniform(0.6, 1.3))
    noise = grain * (1.5 if dim else 1.0)
    return Shot(
        exposure=exposure,
        falloff=float(rng.choice((0.0, 0.3, 0.75), p=(0.35, 0.35, 0.3)) * rng.uniform(0.6, 1.2)),
        cast=(float(cast[0]), float(cast[1]), float(cast[2])),
        gamma=float(np.exp(rng.normal(0.05, 0.18))),
        saturation=float(np.clip(rng.normal(0.9, 0.25), 0.0, 1.5)) if rng.random() > 0.05 else 0.0,
        defocus=float(blur * (0.4 if shaken else 1.0)),
        motion=(float(motion), float(rng.uniform(0, np.pi))),
        noise=noise,
        sharpen=float(rng.choice((0.0, 0.5, 1.0), p=(0.5, 0.3, 0.2)) * rng.uniform(0.5, 1.2)),
        jpeg=int(rng.integers(38, 97)),
    )


def _motion_kernel(length: float, angle: float) -> np.ndarray:
    n = int(np.ceil(length)) | 1
    n = max(3, n)
    kernel = np.zeros((n, n), np.float32)
    c = (n - 1) / 2
    dx, dy = np.cos(angle) * length / 2, np.sin(angle) * length / 2
    for t in np.linspace(-1, 1, 4 * n):
        kernel[
            round(c + dy * t) if 0 <= round(c + dy * t) < n else int(c),
            round(c + dx * t) if 0 <= round(c + dx * t) < n else int(c),
        ] += 1
    return kernel / kernel.sum()


def _light_field(rng: np.random.Generator, h: int, w: int, shot: Shot) -> np.ndarray:
    """Return the (h, w) brightness over the photo: flash or lamp brightest somewhere, unevenness, soft shadows."""
    gh, gw = 36, max(8, round(36 * w / h))
    y, x = np.mgrid[0:gh, 0:gw].astype(np.float32)
    cy, cx = gh * rng.uniform(0.3, 0.7), gw * rng.uniform(0.3, 0.7)
    r2 = ((y - cy) / gh) ** 2 + ((x - cx) / gw) ** 2
    field = 1.0 - np.float32(shot.falloff) * np.clip(r2 * rng.uniform(1.6, 3.5), 0, 1)
    angle = rng.uniform(0, 2 * np.pi)
    field *= 1.0 + np.float32(rng.normal(0, 0.22)) * ((x / gw - 0.5) * np.cos(angle) + (y / gh - 0.5) * np.sin(angle))
    if rng.random() < 0.3:
        shadow = np.zeros((gh, gw), np.float32)
        edge = rng.uniform(-0.3, 1.3, 2)
        slope = rng.uniform(-0.8, 0.8)
        shadow[(y / gh) > edge[0] + slope * (x / gw - 0.5)] = 1
        if rng.random() < 0.4:
            shadow *= (y / gh) < edge[0] + rng.uniform(0.1, 0.4) + slope * (x / gw - 0.5)
        shadow = cv2.GaussianBlur(shadow, (0, 0), rng.uniform(0.4, 4))
        field *= 1.0 - np.float32(rng.uniform(0.2, 0.6)) * shadow
    return cv2.resize(
        np.clip(field * shot.exposure, 0.0, 3.0).astype(np.float32), (w, h), interpolation=cv2.INTER_LINEAR
    )


def take(rng: np.random.Generator, scene: np.ndarray, shot: Shot, glow: np.ndarray | None = None) -> np.ndarray:
    """Photograph a scene: light, lens, sensor, tone curve, sharpening, JPEG.

    Args:
        rng: source of chance.
        scene: uint8 (H, W, 3) RGB under even white light; not changed.
        shot: the settings.
        glow: uint8 (H, W), 255 where the scene shines by itself however dark the room (a backlit display).

    Returns:
        uint8 (H, W, 3) RGB.
    """
    h, w = scene.shape[:2]
    img = scene.copy()
    if shot.defocus > 0.2:
        img = cv2.GaussianBlur(img, (0, 0), shot.defocus)
    if shot.motion[0] > 1.0:
        img = cv2.filter2D(img, -1, _motion_kernel(*shot.motion))
    field = _light_field(rng, h, w, shot)
    gains = cv2.merge([field * np.float32(g) for g in shot.cast])
    if glow is not None:
        gains = _shine(img, gains, glow, float(rng.uniform(0.75, 1.15)))
    multiply(img, gains)
    if shot.noise > 0.3:
        img = _add_noise(rng, img, shot.noise)
    img = _tone(img, shot)
    if shot.sharpen > 0.1:
        soft = cv2.GaussianBlur(img, (0, 0), 1.1)
        img = cv2.addWeighted(img, 1 + shot.sharpen, soft, -shot.sharpen, 0)
    if shot.jpeg < 100:
        img = through_jpeg(img, shot.jpeg)
    return np.ascontiguousarray(img)


def _shine(img: np.ndarray, gains: np.ndarray, glow: np.ndarray, strength: float) -> np.ndarray:
    """Return the gains with those of a self-lit part raised, and its coloured light on what is around it."""
    h, w = glow.shape
    colour = np.asarray(cv2.mean(img, glow)[:3], np.float32) / 255
    halo = cv2.GaussianBlur(cv2.resize(glow, (w // 8 + 1, h // 8 + 1), interpolation=cv2.INTER_AREA), (0, 0), w / 90)
    halo = cv2.resize(halo, (w, h), interpolation=cv2.INTER_LINEAR).astype(np.float32)[..., None] * (0.45 / 255)
    own = glow.astype(np.float32)[..., None] * (strength / 255)
    return np.maximum(gains + halo * colour, own)


def _add_noise(rng: np.random.Generator, img: np.ndarray, deviation: float) -> np.ndarray:
    """Add grain: one part in all channels together, one part coloured and blotchy as phones leave it."""
    h, w = img.shape[:2]
    common = np.ascontiguousarray(white_noise(rng, h, w))
    grain = cv2.merge(
        [cv2.addWeighted(common, 1.0, np.ascontiguousarray(white_noise(rng, h, w)), 1.0, 0) for _ in range(3)]
    )
    if rng.random() < 0.5:
        grain = cv2.GaussianBlur(grain, (0, 0), 0.7) * 1.8
    return cv2.add(img, grain * np.float32(deviation * 0.7), dtype=cv2.CV_8U)


def _tone(img: np.ndarray, shot: Shot) -> np.ndarray:
    levels = np.arange(256, dtype=np.float32) / 255
    curve = np.clip(levels**shot.gamma * 255, 0, 255).astype(np.uint8)
    img = cv2.LUT(img, curve)
    if abs(shot.saturation - 1) > 0.05:
        s = np.float32(shot.saturation)
        grey = (1 - s) * np.array([[0.299, 0.587, 0.114]] * 3, np.float32)
        img = cv2.transform(img, grey + s * np.eye(3, dtype=np.float32))
    return img


def add_light(img: np.ndarray, spot: np.ndarray, colour: tuple[int, int, int]) -> None:
    """Add a uint8 (h, w) map of light of the given colour to a picture, in place, with saturation."""
    cv2.add(img, cv2.merge([cv2.convertScaleAbs(spot, alpha=c / 255) for c in colour]), dst=img)


def glare_spot(
    shape: tuple[int, int], centre: tuple[float, float], radii: tuple[float, float], angle: float, strength: float
) -> np.ndarray:
    """Return a uint8 (h, w) map of one bright reflection: a hot core in a wide halo."""
    h, w = shape
    small_h, small_w = max(2, h // 4), max(2, w // 4)
    y, x = np.mgrid[0:small_h, 0:small_w].astype(np.float32)
    dx, dy = x * 4 + 2 - centre[0], y * 4 + 2 - centre[1]
    c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    d2 = ((dx * c + dy * s) / radii[0]) ** 2 + ((dy * c - dx * s) / radii[1]) ** 2
    light = 255 * strength * (1.5 * np.exp(-d2 * 2) + 0.25 * np.exp(-np.sqrt(d2) * 0.9))
    return cv2.resize(np.clip(light, 0, 255).astype(np.uint8), (w, h), interpolation=cv2.INTER_LINEAR)


def window_reflection(
    rng: np.random.Generator, shape: tuple[int, int], centre: tuple[float, float], size: float, strength: float
) -> np.ndarray:
    """Return a uint8 (h, w) map of the reflection of a window or a lamp: a skewed bright field, perhaps with bars."""
    light = np.zeros(shape, np.uint8)
    turn = rng.uniform(-0.6, 0.6)
    wide, high = size * rng.uniform(0.3, 1.0), size * rng.uniform(0.3, 1.2)
    corners = np.array(
        [[-wide, -high], [wide, -high], [wide * rng.uniform(0.7, 1.2), high], [-wide * rng.uniform(0.7, 1.2), high]]
    )
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    polygon(light, corners @ matrix.T + np.asarray(centre), (int(255 * strength),) * 3)
    if rng.random() < 0.5:
        bar = np.array([[-wide * 0.06, -high], [wide * 0.06, -high], [wide * 0.06, high], [-wide * 0.06, high]])
        polygon(light, bar @ matrix.T + np.asarray(centre), (0, 0, 0))
    mottled = 1.0 + 0.25 * smooth_noise(rng, *shape, max(8.0, size * 0.5))
    return cv2.GaussianBlur(
        np.clip(light * mottled, 0, 255).astype(np.uint8), (0, 0), max(0.8, size * rng.uniform(0.01, 0.12))
    )
