"""Makes the network that ships with `mlt_s_tools.weak`: draws words with Debian's fonts, and trains on them.

It runs from a clone alone, with the extra ``train`` and opencv-python-headless; nothing of it is in the wheel.

    python -m word_network.train OUT --fonts FOLDER        # `fonts` says how to get them; 1 to 2 hours on two cores
    python -m word_network.evaluate MODEL --fonts FOLDER   # on hard words of fonts and effects that it never saw

Words and grounds to stand on are drawn once (`texts`, `fonts`, `pool`, `grounds`); crops are composed of them while
the network trains (`crops`, `paint`, `camera`).
"""

import cv2

# Crops are small, and processes share the work. What is forked hangs, besides, where its parent had threads of OpenCV.
cv2.setNumThreads(1)
