using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>Splits the patches of a convolution into pieces of whole rows, so that a product over them needs at most
/// <see cref="Backend.MaxPatchBytes"/> of workspace (one row if that is larger).</summary>
internal static class PatchPieces
{
    /// <summary>Rows of the tiles of the fastest products: pieces are multiples where they can be.</summary>
    private const int Tile = 128;

    /// <summary>The pieces, in order.</summary>
    public static IEnumerable<Piece> Of(Tensor x, PatchGrid grid)
    {
        int each = RowsOf(x.Backend.MaxPatchBytes, grid, x.DType.Size);
        for (int first = 0; first < grid.Rows; first += each)
        {
            yield return new Piece(first, Math.Min(each, grid.Rows - first));
        }
    }

    /// <summary>Rows of one piece.</summary>
    public static int RowsOf(long mostBytes, PatchGrid grid, int elementSize)
    {
        long rows = Math.Clamp(mostBytes / Math.Max(1, (long)grid.Columns * elementSize), 1, Math.Max(1, grid.Rows));
        return (int)(rows > Tile && rows < grid.Rows ? rows / Tile * Tile : rows);
    }

    /// <summary>Some rows of the patches.</summary>
    /// <param name="First">Output position of the first row.</param>
    /// <param name="Count">Rows.</param>
    internal readonly record struct Piece(int First, int Count)
    {
        /// <summary>These rows of a tensor with a row per output position: a view.</summary>
        public Tensor RowsOf(Tensor tensor) => tensor.View([Count, tensor.Shape.Columns], (long)First * tensor.Shape.Columns);

        /// <summary>The columns of one group in these rows: a view with one group, a copy with several.</summary>
        public Tensor RowsOf(Tensor tensor, int group, int groups)
        {
            var rows = RowsOf(tensor);
            if (groups == 1)
            {
                return rows;
            }
            int width = tensor.Shape.Columns / groups;
            var part = tensor.NewLike([Count, width], tensor.DType, MemoryKind.Workspace);
            tensor.Backend.CopyColumns(rows, group * width, part, 0, width, false);
            return part;
        }
    }
}
