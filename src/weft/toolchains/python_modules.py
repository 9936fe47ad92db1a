"""What a Python function may import in the component form: its interpreter is a snapshot taken after these imports."""

from __future__ import annotations

_COMPONENT = """
__future__ abc array ast base64 binascii bisect builtins calendar cmath codecs collections collections.abc colorsys
configparser contextlib contextvars copy copyreg csv dataclasses datetime decimal difflib enum errno fnmatch fractions
functools gc graphlib gzip hashlib heapq hmac html html.entities html.parser importlib inspect io ipaddress itertools
json keyword linecache locale logging marshal math mimetypes numbers operator os os.path pathlib pickle platform
pprint queue random re reprlib secrets shlex sqlite3 stat statistics string stringprep struct sys textwrap threading
time timeit token tokenize tomllib traceback types typing unicodedata urllib urllib.parse uuid warnings wave weakref
xml xml.dom xml.dom.minidom xml.etree xml.etree.ElementTree zipfile zlib
"""

_NEEDED = """
_colorize _strptime encodings.ascii encodings.base64_codec encodings.cp1252 encodings.hex_codec encodings.idna
encodings.latin_1 encodings.punycode encodings.raw_unicode_escape encodings.unicode_escape encodings.utf_16
encodings.utf_16_be encodings.utf_16_le encodings.utf_32 encodings.utf_8 encodings.utf_8_sig
"""

COMPONENT_MODULES = frozenset(_COMPONENT.split())
"""Modules of the standard library, by their dotted names. There is no other file in the sandbox to import from."""

NEEDED_MODULES = frozenset(_NEEDED.split())
"""What those import when they are used."""
