"""Compares predicted masks, or other label maps, with label maps.

| module | contents |
| --- | --- |
| `evaluate` | the figures of predictions: `mlt-s evaluate` |
| `predictions` | the files of predictions |
| `against` | two folders of predictions, paired by image |
| `report`, `plot`, `worst` | the report, the plot and the sheet of the worst images |
| `compare` | two sets of label maps: `mlt-s compare` |

The counts and scores themselves are in `mlt_s_tools.metrics`, which any training loop can use.
"""
