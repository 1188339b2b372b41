using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft.Boft;

/// <summary>One level of a butterfly: the columns are cut into segments and those into pieces; in each segment the even pieces go to the
/// front and the odd ones behind them.</summary>
/// <param name="Columns">Columns of the input.</param>
/// <param name="Segments">How many segments.</param>
/// <param name="Piece">Columns of a piece.</param>
internal readonly record struct Shuffle(int Columns, int Segments, int Piece)
{
    private int Half => Columns / Segments / 2;

    /// <summary>Even pieces to the front.</summary>
    public Tensor Forth(Tensor x)
    {
        var pairs = x.Reshape([(int)(x.Count / (2 * Piece)), 2 * Piece]);
        int rows = (int)(x.Count / (2 * Half));
        var even = pairs.Columns(0, Piece).Reshape([rows, Half]);
        var odd = pairs.Columns(Piece, Piece).Reshape([rows, Half]);
        return even.ConcatColumns(odd).Reshape(x.Shape);
    }

    /// <summary>Back between the odd ones.</summary>
    public Tensor Back(Tensor x)
    {
        var halves = x.Reshape([(int)(x.Count / (2 * Half)), 2 * Half]);
        int rows = (int)(x.Count / (2 * Piece));
        var even = halves.Columns(0, Half).Reshape([rows, Piece]);
        var odd = halves.Columns(Half, Half).Reshape([rows, Piece]);
        return even.ConcatColumns(odd).Reshape(x.Shape);
    }
}
