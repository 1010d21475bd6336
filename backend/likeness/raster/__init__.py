"""One rasteriser interface and the kernels that training needs: textures, hash grids, mesh queries."""
