"""Long random step lists for the fast engines: talks of many flows, frames gone wrong, time at its edges.

A pool of frames is made once a world, aimed at its rules; the steps draw from it, so that the generators do
not cost more than the engines.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from polc.pair.flow import TIMEOUTS
from polc.tests.differential.traces import OTHER, Step, error_about, reversed_packet
from polc.tests.generators.frames import ACK, FIN, RST, SYN, dressed_frame, frame_of, odd_frame
from polc.tests.generators.worlds import World
from polc.tests.oracle.rule_reading import Packet

Talk = list[Step]  # all that may happen in one conversation

_SWAPS = 3
_WINDOW = 12  # talks that go on at the same time
# A silence of a time-out's length is not over yet, one of a second more is (dossier §11.2).
_AGES = sorted({seconds + more for seconds in TIMEOUTS.values() for more in (0, 1)} | {1})


def talks(world: World, rng: Random, count: int) -> list[Talk]:
    """`count` talks a direction, each begun by a packet aimed at the world's rules."""
    return [_talk(rng, word, packet) for word in sorted(OTHER) for packet in world.packets(rng, word, count)]


def _talk(rng: Random, word: str, packet: Packet) -> Talk:
    back, way, mark = reversed_packet(packet), OTHER[word], rng.randrange(1, 4)
    tcp = packet.protocol == 6
    flags = (SYN, ACK, FIN | ACK, RST, SYN | RST, rng.randrange(256)) if tcp else (SYN,)
    steps = [Step("frame", f"sent {word} {packet}", word, frame_of(packet, flag, mark)) for flag in flags]
    answers = (SYN | ACK, ACK, FIN | ACK, RST, SYN) if tcp else (ACK, ACK)
    steps += [Step("frame", f"back {way} {back}", way, frame_of(back, flag, mark)) for flag in answers]
    stray = back._replace(sport=back.sport ^ 1) if back.protocol in (6, 17, 132) else back
    steps.append(Step("frame", f"stray {way} {stray}", way, frame_of(stray, SYN | ACK, mark + 9)))
    about = error_about(frame_of(packet, SYN, mark), packet, packet.destination)
    steps.append(Step("frame", f"error {way} about {packet}", way, about))
    steps.append(Step("frame", f"dressed {word} {packet}", word, dressed_frame(rng, packet, SYN, mark)))
    steps.append(Step("frame", f"odd {word} {packet}", word, odd_frame(rng, packet)))
    return steps


def barrage(pool: list[Talk], rng: Random, count: int) -> Iterator[Step]:
    """`count` steps. First every talk's first frame once, then whatever comes."""
    left = count - len(pool)
    swaps = {left * (number + 1) // (_SWAPS + 1) for number in range(_SWAPS)}
    for talk in pool[:count]:
        yield talk[0]
    window = rng.sample(pool, min(_WINDOW, len(pool)))
    for number in range(left):
        dice = rng.random()
        if number in swaps:
            yield Step("swap", "swap")
        elif dice < 0.01:
            seconds = rng.choice(_AGES)
            yield Step("age", f"{seconds} s pass", seconds=seconds)
        else:
            if dice < 0.15:
                window[rng.randrange(len(window))] = rng.choice(pool)
            talk = rng.choice(window)
            # The first two frames of either side more often, since they make flows grow.
            step = talk[0] if dice > 0.8 else rng.choice(talk)
            yield spoilt(rng, step) if dice < 0.25 else step


def spoilt(rng: Random, step: Step) -> Step:
    """One byte behind the Ethernet addresses changed, or the end cut off."""
    frame = step.frame
    at = rng.randrange(12, len(frame))
    if rng.random() < 0.2:
        frame = frame[: max(at, 14)]
    else:
        near = frame[at] ^ (1 << rng.randrange(8)) if rng.random() < 0.5 else rng.randrange(256)
        frame = frame[:at] + bytes([near]) + frame[at + 1 :]
    return step._replace(frame=frame, what=f"spoilt at {at}: {step.what}")
