"""As much of H.264's syntax as tells in which order pictures are shown, and where decoding can start afresh.

Source: ITU-T H.264 (08/2021); sections are named where they are used.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

_SPS, _PPS, _IDR = 7, 8, 5
_SLICES = (1, 5)
_WITH_CHROMA_FORMAT = {44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244}  # profiles, 7.3.2.1.1
_HEADER = 64  # bytes of a slice that its first fields fit into


class Unreadable(Exception):
    """The headers of a packet make no sense, or use what this reader does not know."""


@dataclass(frozen=True)
class Picture:
    """`order`: of all pictures after one that is an IDR picture, the one with the lowest is shown first."""

    is_idr: bool
    order: int


@dataclass(frozen=True)
class _Sequence:
    """What the headers of slices depend on, from a sequence parameter set."""

    colour_planes: bool
    frame_number_bits: int
    order_bits: int  # of pic_order_cnt_lsb; 0: pictures are shown in the order of decoding
    frames_only: bool


class Headers:
    """Reads one packet after another, in decoding order."""

    def __init__(self, extradata: bytes | None) -> None:
        """`extradata` is that of the stream; it holds parameter sets, and how packets are written."""
        self._length_size: int | None = None  # of the number before each unit; None: start codes
        self._sequences: dict[int, _Sequence] = {}
        self._sequence_of: dict[int, int] = {}  # by picture parameter set
        self._reference = 0  # order of the last picture that others refer to
        self._since_idr = 0  # pictures
        if extradata and extradata[0] == 1:  # ISO/IEC 14496-15, 5.3.3.1
            self._length_size = (extradata[4] & 3) + 1
            place = 5
            for _ in range(2):
                count = extradata[place] & 31
                place += 1
                for _ in range(count):
                    size = int.from_bytes(extradata[place : place + 2], "big")
                    self._parameters(extradata[place + 2 : place + 2 + size])
                    place += 2 + size
        elif extradata:
            for unit in _after_start_codes(extradata):
                self._parameters(unit)

    def read(self, packet: bytes) -> Picture:
        """The picture in a packet. Raises `Unreadable`, also for a packet with no picture or with half of one."""
        kinds: set[int] = set()
        first: bytes | None = None
        for unit in self._units(packet):
            if not unit or unit[0] & 0x80:
                raise Unreadable("an empty unit, or a forbidden bit")
            kind = unit[0] & 31
            if kind in (_SPS, _PPS):
                self._parameters(unit)
            elif 1 <= kind <= 5:
                kinds.add(kind)
                first = first or unit
        if first is None or kinds not in ({1}, {5}):
            raise Unreadable("no picture, or one in partitions")
        return self._slice(first)

    def _units(self, packet: bytes) -> Iterator[bytes]:
        if self._length_size is None:
            yield from _after_start_codes(packet)
            return
        place = 0
        while place < len(packet):
            size = int.from_bytes(packet[place : place + self._length_size], "big")
            place += self._length_size
            if place + size > len(packet):
                raise Unreadable("a unit is longer than its packet")
            yield packet[place : place + size]
            place += size

    def _parameters(self, unit: bytes) -> None:
        if unit and unit[0] & 31 == _SPS:
            number, sequence = _read_sequence(_Bits(unit[1:]))
            self._sequences[number] = sequence
        elif unit and unit[0] & 31 == _PPS:
            bits = _Bits(unit[1 : 1 + _HEADER])
            picture = bits.exp_golomb()
            self._sequence_of[picture] = bits.exp_golomb()

    def _slice(self, unit: bytes) -> Picture:
        """7.3.3 slice_header, as far as pic_order_cnt_lsb, and 8.2.1.1."""
        is_idr, refers = unit[0] & 31 == _IDR, bool(unit[0] & 0x60)
        bits = _Bits(unit[1 : 1 + _HEADER])
        if bits.exp_golomb() != 0 or bits.exp_golomb() > 9:
            raise Unreadable("the first slice is missing, or of no known type")
        try:
            sequence = self._sequences[self._sequence_of[bits.exp_golomb()]]
        except KeyError as error:
            raise Unreadable("a parameter set is missing") from error
        if sequence.colour_planes:
            bits.take(2)
        bits.take(sequence.frame_number_bits)
        if not sequence.frames_only and bits.take(1):
            raise Unreadable("a field")
        if is_idr:
            bits.exp_golomb()
            self._reference = self._since_idr = 0
        self._since_idr += 1
        if not sequence.order_bits:
            return Picture(is_idr, self._since_idr)
        low, span = bits.take(sequence.order_bits), 1 << sequence.order_bits
        before = self._reference % span
        high = self._reference - before
        if low < before and before - low >= span // 2:
            high += span
        elif low > before and low - before > span // 2:
            high -= span
        if refers:
            self._reference = high + low
        return Picture(is_idr, high + low)


def _read_sequence(bits: "_Bits") -> tuple[int, _Sequence]:
    """7.3.2.1.1 seq_parameter_set_data, as far as frame_mbs_only_flag."""
    profile = bits.take(8)
    bits.take(16)
    number, colour_planes = bits.exp_golomb(), False
    if profile in _WITH_CHROMA_FORMAT:
        chroma = bits.exp_golomb()
        colour_planes = chroma == 3 and bool(bits.take(1))
        bits.exp_golomb()
        bits.exp_golomb()
        bits.take(1)
        if bits.take(1):
            for matrix in range(12 if chroma == 3 else 8):
                if bits.take(1):
                    _skip_scaling_list(bits, 16 if matrix < 6 else 64)
    frame_number_bits = bits.exp_golomb() + 4
    kind = bits.exp_golomb()
    if kind not in (0, 2):
        raise Unreadable(f"the order of pictures is written in way {kind}")
    order_bits = bits.exp_golomb() + 4 if kind == 0 else 0
    bits.exp_golomb()
    bits.take(1)
    bits.exp_golomb()
    bits.exp_golomb()
    return number, _Sequence(colour_planes, frame_number_bits, order_bits, bool(bits.take(1)))


def _skip_scaling_list(bits: "_Bits", size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            code = bits.exp_golomb()
            following = (last + (-1) ** (code + 1) * ((code + 1) // 2)) % 256
        last = following or last


def _after_start_codes(stream: bytes) -> Iterator[bytes]:
    """Units of a byte stream (Annex B)."""
    starts = [match.end() for match in re.finditer(rb"\x00\x00\x01", stream)]
    for start, following in pairwise([*starts, len(stream) + 3]):
        yield stream[start : following - 3].rstrip(b"\x00")


class _Bits:
    """Bits of a unit, without the bytes that keep start codes out of it (7.4.1)."""

    def __init__(self, unit: bytes) -> None:
        content = unit.replace(b"\x00\x00\x03", b"\x00\x00")
        self._value, self._left = int.from_bytes(content, "big"), 8 * len(content)

    def take(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            raise Unreadable("a header ends too early")
        return (self._value >> self._left) & ((1 << count) - 1)

    def exp_golomb(self) -> int:
        """9.1, unsigned."""
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > 32:
                raise Unreadable("a number is too long")
        return (1 << zeros) - 1 + self.take(zeros)
