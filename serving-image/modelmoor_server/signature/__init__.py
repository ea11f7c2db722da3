"""Names, types and shapes of a model's inputs and outputs, and the way from a request to arrays that fit them.

types.py       what a signature is
values.py      JSON values or a wire array -> one array of a field's datatype, or a sentence that names field and row
floats.py      the short ways for models that take floats alone
raw.py         the bytes of a tensor <-> an array
conversion.py  the requests of both protocols -> arrays by public name
"""

from modelmoor_server.signature.conversion import from_columns, from_instances, from_tensors
from modelmoor_server.signature.floats import from_numbers, only_floats, row_of
from modelmoor_server.signature.types import Datatype, Field, Signature, Source, Tensor

__all__ = [
    "Datatype", "Field", "Signature", "Source", "Tensor", "from_columns", "from_instances",
    "from_numbers", "from_tensors", "only_floats", "row_of",
]  # fmt: skip
