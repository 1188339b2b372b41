using PeftCore.Backends;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>The first hidden states of a picture (Dosovitskiy et al. 2021): a learned class token, then the embeddings of the patches, and
/// learned positions added to all of them.</summary>
/// <param name="projection">Embeds the patches.</param>
/// <param name="classToken">Returns C numbers.</param>
/// <param name="table">Returns the positions, (1 + own patches)·C numbers, that of the class token first.</param>
/// <param name="positions">Interpolates the positions.</param>
internal sealed class PatchTokens(PatchProjection projection, Func<Tensor> classToken, Func<Tensor> table, PatchPositions positions)
{
    /// <summary>F32 (B, channels, H, W) to (B, 1 + patches, C).</summary>
    /// <param name="pixels">The pictures.</param>
    /// <param name="grid">Their patches.</param>
    public Tensor Forward(Tensor pixels, PatchGrid grid)
    {
        using var scope = new TensorScope("embeddings");
        var token = classToken();
        int batch = pixels.Shape[0], columns = (int)token.Count;
        var patches = projection.Forward(pixels).Reshape([batch, grid.Count * columns]);
        var first = pixels.Backend.NewTensor([batch], DType.I32);
        pixels.Backend.Zero(first);
        var classes = token.Reshape([1, columns]).Rows(first); // (B, C)
        var x = classes.ConcatColumns(patches).AddRow(PositionsOf(grid, columns)); // (B, (1 + N)·C)
        return scope.Return(x.Reshape([batch, 1 + grid.Count, columns]));
    }

    private Tensor PositionsOf(PatchGrid grid, int columns)
    {
        var all = table();
        int own = (int)(all.Count / columns) - 1;
        var rows = all.Reshape([1 + own, columns]);
        var patches = positions.Of(rows.Slice(1, own), grid);
        return ReferenceEquals(patches.Storage, all.Storage) ? all.Reshape([(1 + own) * columns])
            : Tensor.Concat(rows.Slice(0, 1).Cast(DType.F32), patches).Reshape([(1 + grid.Count) * columns]);
    }
}
