"""The drawing kit that `draw_sample` and `word_network` share.

`glyphs` shapes text, `materials` draws the surfaces of walls, ground and goods, and `noise` has array filters for them.
"""
