"""People's points as the pictures that OpenPose control models read: coloured limbs on black.

Colours and widths are those of published ControlNets' training pictures. Knows no networks.
"""

from __future__ import annotations

import colorsys
import math

from PIL import Image, ImageDraw

from easel.models.readers.pose.people import Person, Points, Poses

# Which two points of the body a limb joins, in the order of COLOURS.
LIMBS = (
    *((1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10)),
    *((1, 11), (11, 12), (12, 13), (1, 0), (0, 14), (14, 16), (0, 15), (15, 17)),
)
COLOURS = (
    *((255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0)),
    *((0, 255, 0), (0, 255, 85), (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255)),
    *((0, 0, 255), (85, 0, 255), (170, 0, 255), (255, 0, 255), (255, 0, 170), (255, 0, 85)),
)
LIMB_LIGHT = 0.6  # of a limb against its joints
FINGERS = tuple(
    (0 if joint == 0 else 4 * finger + joint, 4 * finger + joint + 1) for finger in range(5) for joint in range(4)
)
TIP = (0, 0, 255)
STICK, TOUCH, DOT = 4, 4, 3  # pixels: half a limb's width, radius of joints, and of a face's points
CORNERS = 48  # of an ellipse


def render(poses: Poses, *, body: bool = True, hands: bool = True, face: bool = True) -> Image.Image:
    """Return the picture of people, RGB; parts that were not asked for or not found are left out."""
    image = Image.new("RGB", (poses.width, poses.height))
    pen = ImageDraw.Draw(image)
    if body:
        for limb, colour in zip(LIMBS, COLOURS, strict=False):
            for person in poses.people:
                draw_limb(pen, person.body, limb, dimmed(colour))
        for place, colour in enumerate(COLOURS):
            for person in poses.people:
                dot(pen, person.body, place, TOUCH, colour)
    for person in poses.people:
        draw_details(pen, person, hands=hands, face=face)
    return image


def draw_details(pen: ImageDraw.ImageDraw, person: Person, *, hands: bool, face: bool) -> None:
    """Draw a person's hands and face."""
    for hand in (person.left_hand, person.right_hand) if hands else ():
        for place, (one, other) in enumerate(FINGERS):
            ends = [hand[end] for end in (one, other) if end < len(hand)]
            if len(ends) == 2 and ends[0] and ends[1]:
                red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(place / len(FINGERS), 1, 1))
                pen.line([ends[0], ends[1]], fill=(red, green, blue), width=2)
        for place in range(len(hand)):
            dot(pen, hand, place, TOUCH, TIP)
    for place in range(len(person.face)) if face else ():
        dot(pen, person.face, place, DOT, (255, 255, 255))


def draw_limb(pen: ImageDraw.ImageDraw, points: Points, limb: tuple[int, int], colour: tuple[int, int, int]) -> None:
    """Draw a limb as an ellipse from one point to another; nothing where one of them is missing."""
    one, other = (points[place] if place < len(points) else None for place in limb)
    if one is None or other is None:
        return
    middle = (one[0] + other[0]) / 2, (one[1] + other[1]) / 2
    half, angle = math.dist(one, other) / 2, math.atan2(one[1] - other[1], one[0] - other[0])
    outline: list[tuple[float, float]] = []
    for corner in range(CORNERS):
        turn = 2 * math.pi * corner / CORNERS
        along, across = half * math.cos(turn), STICK * math.sin(turn)
        x = middle[0] + along * math.cos(angle) - across * math.sin(angle)
        y = middle[1] + along * math.sin(angle) + across * math.cos(angle)
        outline.append((x, y))
    pen.polygon(outline, fill=colour)


def dot(pen: ImageDraw.ImageDraw, points: Points, place: int, radius: int, colour: tuple[int, int, int]) -> None:
    """Draw a point where it was found."""
    point = points[place] if place < len(points) else None
    if point is not None:
        x, y = point
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


def dimmed(colour: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return a limb's colour."""
    red, green, blue = (int(level * LIMB_LIGHT) for level in colour)
    return red, green, blue
