"""Draws the bundled sample: made-up scene-text pictures in the exact archive layout of MLT 2017 and MLT_S.

    python -m draw_sample OUT_DIR

Every word is drawn once, as glyphs on a flat surface. The picture, the label map and the ground truth are
that surface seen through the same homography, so they agree to the pixel. Read the modules in this order:
``pictures`` (which picture goes where), ``scenes_*`` (their content), ``parts`` and ``drawing.materials`` (the
elements of scenes), ``surface`` and ``camera`` (how they are drawn and seen), ``archives`` (how they are stored).

Each picture has its own random generator, seeded by its split and name. So two runs with the same Pillow, NumPy,
zlib and fonts write the same bytes, and a change to one picture does not affect the others. The bundled files
were drawn with Pillow 13.0.0 (its wheel, with Raqm 0.11.0), NumPy 2.4.6 and the Debian packages
libfribidi0 1.0.8-2.1, fonts-noto-core and fonts-noto-extra 20201225-1, fonts-noto-cjk 1:20220127+repack1-1.
"""
