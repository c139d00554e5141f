"""A small drawing surface, and a figure's own place on it.

    canvas = Canvas(64)                     (0, 0) is the upper left corner, (1, 1) the lower right one
    frame = Frame(canvas, x, foot, height)  x forward, y up from the ground that the figure stands on, in units of its height
    canvas.pixels()                         anti-aliased, because everything is drawn larger and then shrunk

Colours are (red, green, blue) of 0 to 255. Solids are lit from the upper left.
"""

import colorsys

import numpy as np
from PIL import Image, ImageDraw

_SCALE = 4          # drawn this many times larger than asked for


class Canvas:
    """See the module."""

    def __init__(self, size):
        self.side = size * _SCALE
        self.image = Image.new("RGB", (self.side, self.side))
        self._draw = ImageDraw.Draw(self.image)

    def pixels(self):
        """(size, size, 3) float32 between 0 and 1."""
        return np.asarray(self.image.reduce(_SCALE), dtype=np.float32) / 255

    def gradient(self, top, bottom, above, below):
        """A band over the whole width, from the colour `above` at its top to the colour `below` at its bottom."""
        first, last = round(top * self.side), round(bottom * self.side)
        if last > first:
            t = np.linspace(0, 1, last - first)[:, None, None]
            strip = Image.fromarray(((1 - t) * np.array(above) + t * np.array(below)).astype(np.uint8))
            self.image.paste(strip.resize((self.side, last - first), Image.Resampling.NEAREST), (0, first))

    def polygon(self, points, color):
        s = self.side
        self._draw.polygon([(x * s, y * s) for x, y in points], fill=_ink(color))

    def box(self, left, top, right, bottom, color):
        s = self.side
        self._draw.rectangle((left * s, top * s, max(left, right) * s, max(top, bottom) * s), fill=_ink(color))

    def ellipse(self, x, y, width, height, color):
        """Centred at (x, y), with half axes `width` and `height`."""
        s = self.side
        self._draw.ellipse(((x - width) * s, (y - height) * s, (x + width) * s, (y + height) * s), fill=_ink(color))

    def line(self, points, width, color, round_ends=True):
        s, ink = self.side, _ink(color)
        points, radius = [(x * s, y * s) for x, y in points], width * s / 2
        self._draw.line(points, fill=ink, width=max(1, round(2 * radius)))
        if round_ends and radius > 1:
            for x, y in points:
                self._draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=ink)

    def ball(self, x, y, width, height, color):
        self.ellipse(x, y, width, height, shade(color, 0.72))
        self.ellipse(x - 0.07 * width, y - 0.1 * height, 0.88 * width, 0.86 * height, color)
        self.ellipse(x - 0.2 * width, y - 0.3 * height, 0.5 * width, 0.45 * height, shade(color, 1.15))


class Frame:
    """See the module. `facing` is 1 (x runs to the right) or -1 (to the left)."""

    def __init__(self, canvas, x, foot, height, facing=1):
        self.canvas, self.x, self.foot, self.height, self.facing = canvas, x, foot, height, facing

    def _at(self, x, y):
        return self.x + self.facing * self.height * x, self.foot - self.height * y

    def risen(self, y):
        """The same frame, `y` higher (lower where negative)."""
        return Frame(self.canvas, self.x, self.foot - self.height * y, self.height, self.facing)

    def limb(self, points, width, color):
        """A round bar along `points`, with its own shadow side."""
        self.line(points, width, shade(color, 0.72))
        aside = -0.14 * width * self.facing
        self.line([(x + aside, y + 0.1 * width) for x, y in points], 0.7 * width, color)

    def line(self, points, width, color):
        self.canvas.line([self._at(x, y) for x, y in points], width * self.height, color)

    def polygon(self, points, color):
        self.canvas.polygon([self._at(x, y) for x, y in points], color)

    def ball(self, x, y, width, height, color):
        self.canvas.ball(*self._at(x, y), width * self.height, height * self.height, color)

    def spot(self, x, y, width, height, color):
        self.canvas.ellipse(*self._at(x, y), width * self.height, height * self.height, color)

    def ring(self, x, y, radius, width, color):
        """The outline of a circle."""
        self.line([(x + radius * np.cos(a), y + radius * np.sin(a)) for a in np.linspace(0, 2 * np.pi, 21)], width, color)


def shade(color, factor):
    """A darker (factor < 1) or lighter (> 1) colour."""
    return tuple(min(255.0, c * factor) for c in color)


def mix(first, second, t):
    """From the first colour (t = 0) to the second one (t = 1)."""
    return tuple((1 - t) * a + t * b for a, b in zip(first, second))


def paint(hue, saturation, value):
    """A colour by hue, saturation and value, each from 0 to 1."""
    return tuple(255 * c for c in colorsys.hsv_to_rgb(hue, saturation, value))


def _ink(color):
    return int(color[0]), int(color[1]), int(color[2])
