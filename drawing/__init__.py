"""The drawing kit that `draw_sample` and `word_network` share.

`glyphs` shapes text, `materials` are what walls, ground and goods are made of, and `noise` has the array filters that
these need.
"""
