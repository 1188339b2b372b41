using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft.Boft;

/// <summary>The permutation of one level of a butterfly network: columns are cut into segments, and segments into pieces; in each segment
/// the even pieces come before the odd ones.</summary>
/// <param name="Columns">Columns of the input.</param>
/// <param name="Segments">Number of segments.</param>
/// <param name="Piece">Number of columns of a piece.</param>
internal readonly record struct ButterflyPermutation(int Columns, int Segments, int Piece)
{
    private int Half => Columns / Segments / 2;

    /// <summary>Moves the even pieces of each segment before the odd ones.</summary>
    public Tensor Apply(Tensor x)
    {
        var pairs = x.Reshape([(int)(x.Count / (2 * Piece)), 2 * Piece]);
        int rows = (int)(x.Count / (2 * Half));
        var even = pairs.Columns(0, Piece).Reshape([rows, Half]);
        var odd = pairs.Columns(Piece, Piece).Reshape([rows, Half]);
        return even.ConcatColumns(odd).Reshape(x.Shape);
    }

    /// <summary>The inverse: even and odd pieces alternate.</summary>
    public Tensor Invert(Tensor x)
    {
        var halves = x.Reshape([(int)(x.Count / (2 * Half)), 2 * Half]);
        int rows = (int)(x.Count / (2 * Piece));
        var even = halves.Columns(0, Half).Reshape([rows, Piece]);
        var odd = halves.Columns(Half, Half).Reshape([rows, Piece]);
        return even.ConcatColumns(odd).Reshape(x.Shape);
    }
}
