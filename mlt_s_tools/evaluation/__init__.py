"""Predicted masks, and other label maps, against label maps.

| module | what |
| --- | --- |
| `evaluate` | the figures of predictions: `mlt-s evaluate` |
| `predictions` | their files |
| `against` | two folders of them, paired by images |
| `report`, `plot`, `worst` | what is said and drawn of it |
| `compare` | two sets of label maps: `mlt-s compare` |

The counts and scores themselves are `mlt_s_tools.metrics`, which any training loop can use.
"""
