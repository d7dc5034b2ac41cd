"""What an H.264 stream says of its pictures before any is decoded: their order, where decoding can start, what can be left out.

Timestamps are the container's word, and containers without reordering, or a careless copy, get them wrong. The order count in
each slice header is the codec's own word. Sections are those of ITU-T H.264. Only headers are read, so a damaged slice goes
unnoticed.
"""

import re
from dataclasses import dataclass

_START_CODE = re.compile(rb"\x00\x00\x01")
_ZEROS = re.compile(rb"\x00\x00\x00")  # which a coder would have escaped (7.4.1)
_HEADER_BYTES = 16
_SLICE, _IDR_SLICE, _SPS = 1, 5, 7
_PLAIN = {_SLICE, _IDR_SLICE, 6, _SPS, 8, 9, 10, 11, 12, 13}  # no data partitions, no second view or layer
_HIGH_PROFILES = {100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135}


class Irregular(Exception):
    """The stream is not of the simple kind whose order is read here, or a header of it is damaged."""


class CodedOrder:
    """Fed with the packets of a stream, in decoding order, it knows in which order their pictures are shown.

    `extradata` is what the container keeps of the stream's headers. It tells whether lengths or start codes part the packets.
    """

    def __init__(self, extradata: bytes | None) -> None:
        self.entries: list[int] = []  # packets with an IDR picture: nothing after refers to anything before (7.4.1.2.4)
        self.shown: list[tuple[int, int]] = []  # by packet: which IDR picture it follows, and its order count after that
        self.referred: list[bool] = []  # by packet: whether other pictures refer to its picture
        self.simple = True
        self._length_size = (extradata[4] & 3) + 1 if extradata and len(extradata) > 6 and extradata[0] == 1 else None
        self._settings: _Settings | None = None
        self._sps = b""
        self._latest = (0, 0)  # order count of the latest picture that others refer to: multiple of the modulus, and rest
        self._latest_number = 0
        try:
            for unit in self._extradata_units(extradata or b""):
                self._read_settings(unit)
        except Irregular:
            self.simple = False

    def add(self, packet: bytes) -> None:
        """Once anything is out of the ordinary, `simple` is false and stays so."""
        if not self.simple:
            return
        try:
            self._add(packet)
        except Irregular:
            self.simple = False

    def _add(self, packet: bytes) -> None:
        slices = []
        for unit in self._units(packet):
            kind = unit[0] & 31
            if unit[0] & 128 or kind not in _PLAIN:
                raise Irregular
            if kind == _SPS:
                self._read_settings(unit)
            elif kind in (_SLICE, _IDR_SLICE):
                slices.append(unit)
        if not slices or self._settings is None or any(unit[0] != slices[0][0] for unit in slices):
            raise Irregular
        self._read_slice(slices[0], self._settings)

    def _read_slice(self, unit: bytes, settings: "_Settings") -> None:
        """The slice header (7.3.3) up to the order count."""
        bits = _Bits(unit[1:_HEADER_BYTES])
        idr, referred = unit[0] & 31 == _IDR_SLICE, bool(unit[0] & 96)
        first_macroblock, slice_type, parameter_set = bits.ue(), bits.ue(), bits.ue()
        if first_macroblock or slice_type > 9 or parameter_set > 255 or (idr and slice_type % 5 not in (2, 4)):
            raise Irregular
        number = bits.u(settings.number_bits)
        if not settings.frames_only and bits.u(1):  # a field: half a frame
            raise Irregular
        if idr:
            bits.ue()
            self.entries.append(len(self.shown))
            self._latest = (0, 0)
        elif not self.entries or number != (self._latest_number + 1) % (1 << settings.number_bits):  # 7.4.3: none is lost
            raise Irregular
        if referred:
            self._latest_number = number
        self.referred.append(referred)
        self.shown.append((len(self.entries), self._order(bits, settings, referred=referred)))

    def _order(self, bits: "_Bits", settings: "_Settings", *, referred: bool) -> int:
        """The order count (8.2.1.1), of which the header holds the lower bits. Without any (8.2.1.3) nothing is reordered."""
        if settings.order_bits == 0:
            return len(self.shown)
        modulus = 1 << settings.order_bits
        rest = bits.u(settings.order_bits)
        multiple, latest = self._latest
        if rest < latest and latest - rest >= modulus // 2:
            multiple += modulus
        elif rest > latest and rest - latest > modulus // 2:
            multiple -= modulus
        if referred:
            self._latest = (multiple, rest)
        return multiple + rest

    def _read_settings(self, unit: bytes) -> None:
        """A stream whose settings change is not simple."""
        if self._sps not in (b"", unit):
            raise Irregular
        if not self._sps:
            self._sps, self._settings = unit, _read_sps(unit)

    def _units(self, packet: bytes) -> list[bytes]:
        """NAL units, at least two bytes each: by start codes (Annex B), or by lengths that have to fill the packet."""
        if self._length_size is None:
            starts = [match.end() for match in _START_CODE.finditer(packet)]
            if not starts or packet[: starts[0] - 3].strip(b"\0"):
                raise Irregular
            ends = [start - 3 for start in starts[1:]] + [len(packet)]
            units = [packet[start:end].rstrip(b"\0") for start, end in zip(starts, ends, strict=True)]
        else:
            units, offset, end = [], 0, len(packet)
            while offset < end:
                start = offset + self._length_size
                offset = start + int.from_bytes(packet[offset:start], "big")
                units.append(packet[start:offset])
            if offset != end:
                raise Irregular
        for unit in units:
            if len(unit) < 2 or _ZEROS.search(unit):
                raise Irregular
        return units

    def _extradata_units(self, extradata: bytes) -> list[bytes]:
        if self._length_size is None:
            return [unit for unit in self._units(extradata) if unit[0] & 31 == _SPS] if extradata else []
        units = []
        offset = 6  # ISO/IEC 14496-15, 5.3.3.1: five bytes, the number of parameter sets, then length and contents of each
        for _ in range(extradata[5] & 31):
            end = offset + 2 + int.from_bytes(extradata[offset : offset + 2], "big")
            if end > len(extradata) or end - offset < 6:
                raise Irregular
            units.append(extradata[offset + 2 : end])
            offset = end
        return units


@dataclass(frozen=True)
class _Settings:
    number_bits: int
    order_bits: int  # 0: pictures are shown as they are coded
    frames_only: bool


class _Bits:
    """Reads bits from the first on, escapes taken out. What lies beyond the end reads as `Irregular`."""

    def __init__(self, data: bytes) -> None:
        self._bits = bin(int.from_bytes(b"\1" + data.replace(b"\0\0\3", b"\0\0"), "big"))
        self._next = 3  # after 0b1

    def u(self, size: int) -> int:
        start, self._next = self._next, self._next + size
        if self._next > len(self._bits):
            raise Irregular
        return int(self._bits[start : self._next], 2)

    def ue(self) -> int:
        """An Exp-Golomb number (9.1)."""
        one = self._bits.find("1", self._next)
        if one < 0:
            raise Irregular
        size = one - self._next + 1
        self._next = one
        return self.u(size) - 1

    def se(self) -> int:
        number = self.ue()
        return (number + 1) // 2 if number % 2 else -(number // 2)


def _read_sps(unit: bytes) -> _Settings:
    """The sequence parameter set (7.3.2.1.1) up to whether there are fields."""
    bits = _Bits(unit[1:])
    profile = bits.u(8)
    bits.u(16)
    bits.ue()
    if profile in _HIGH_PROFILES:
        chroma = bits.ue()
        if chroma == 3 and bits.u(1):  # colour planes apart
            raise Irregular
        bits.ue(), bits.ue(), bits.u(1)
        if bits.u(1):
            for number in range(8 if chroma != 3 else 12):
                if bits.u(1):
                    _skip_scaling_list(bits, 16 if number < 6 else 64)
    number_bits = bits.ue() + 4
    order_type = bits.ue()
    if order_type not in (0, 2):
        raise Irregular
    order_bits = bits.ue() + 4 if order_type == 0 else 0
    bits.ue(), bits.u(1), bits.ue(), bits.ue()
    if number_bits > 16 or order_bits > 16:
        raise Irregular
    return _Settings(number_bits=number_bits, order_bits=order_bits, frames_only=bool(bits.u(1)))


def _skip_scaling_list(bits: _Bits, size: int) -> None:
    latest = following = 8
    for _ in range(size):
        if following:
            following = (latest + bits.se()) % 256
        latest = following or latest
