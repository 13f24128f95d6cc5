"""Trains the network that ships with `mlt_s_tools.weak` on words drawn with Debian's fonts.

It runs only from a clone, with the extra ``word-network``; it is not in the wheel.

    python -m word_network.train OUT --fonts FOLDER        # `fonts` says how to get them; 1 to 2 hours on two cores
    python -m word_network.evaluate MODEL --fonts FOLDER   # on hard words, with fonts and effects not used in training

Words and backgrounds are drawn once (`texts`, `fonts`, `pool`, `grounds`). Training composes crops from them
(`crops`, `paint`, `camera`).
"""

import cv2

# Crops are small, and processes share the work. Also, forked processes hang if the parent had threads of OpenCV.
cv2.setNumThreads(1)
