"""Predicted masks, and other label maps, against label maps.

| module | what |
| --- | --- |
| `evaluate` | the figures of predictions: `mlt-s evaluate` |
| `predictions` | the files of predictions |
| `against` | two folders of predictions, paired by image |
| `report`, `plot`, `worst` | the report, the plot and the sheet of the worst images |
| `compare` | two sets of label maps: `mlt-s compare` |

The counts and scores themselves are `mlt_s_tools.metrics`, which any training loop can use.
"""
